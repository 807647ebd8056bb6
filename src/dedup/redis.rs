//! Deduplication for all processes that share a Redis.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Client, IntoConnectionInfo, ProtocolVersion, Value};

use super::{Claim, Dedup, DedupError, Ticket};
use crate::delivery::Key;
use crate::error::BoxError;
use crate::inbox::Settled;

mod connection;
mod operations;
mod server;

use connection::Connection;
use operations::{COMMITTED, claim, commit, release};
use server::Server;

/// Remembers deliveries in Redis (or a server that speaks its protocol), for all processes that use it.
///
/// Each operation is one round trip, but where a connection or a script is new, and once a minute. Leases and
/// windows are timed by the server, so the clocks of the processes don't matter; where the server's own clock
/// jumps forward, or it fails over to one that is ahead, they end so much earlier. Keys are the prefix and the
/// idempotency key as 64 hexadecimal digits, never the id's text; and the prefix and `try`, by which a server
/// shows on each connection that it lets the user do what is needed: SET, GET, DEL, EVALSHA, SCRIPT LOAD, SELECT
/// for a database, and INFO unless [`allow_eviction`](RedisOptions::allow_eviction) is called.
///
/// It is one server, or one name that leads to the primary: a node of a Redis Cluster has only some of the keys.
///
/// **What Redis loses is forgotten**, and the partner's retries of it run again: everything at a
/// restart without persistence, up to a second with `appendfsync everysec`, what was not replicated at
/// a failover. A server that evicts keys (`maxmemory-policy` other than `noeviction`) would forget
/// inside the window, so it is refused: it is asked on each connection before anything else, and once a minute.
pub struct RedisDedup {
    connection: Arc<Connection>,
    prefix: String,
}

impl RedisDedup {
    /// Connects to a server: `redis://[user:password@]host[:port][/database]`.
    ///
    /// One that can't be reached is no error: it is tried again and again, and until it answers every
    /// operation fails, which a [`DedupLayer`](crate::DedupLayer) answers with 503.
    ///
    /// # Errors
    ///
    /// The address is wrong; the server evicts keys, or does not say whether it does; it refuses the user, the
    /// password, the database or what is needed; or it is a node of a cluster, and says so.
    pub async fn connect(url: &str) -> Result<Self, BoxError> {
        Self::options().connect(url).await
    }

    /// Connects with other settings.
    pub fn options() -> RedisOptions {
        RedisOptions { prefix: "inhook:dedup:".into(), allow_eviction: false }
    }

    fn key(&self, key: Key) -> String {
        format!("{}{key}", self.prefix)
    }
}

#[async_trait]
impl Dedup for RedisDedup {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        let (key, token) = (self.key(ticket.key()), ticket.token().to_string());
        let lease = millis(ticket.lease());
        // A server that may forget it is not asked.
        let held: Value = self
            .connection
            .ask(|server| {
                self.connection.check(server)?;
                Ok(claim(server.sets_and_gets, &key, &token, lease))
            })
            .await?;
        match held {
            Value::Nil => Ok(Claim::Granted),
            Value::BulkString(held) if held == COMMITTED.as_bytes() => Ok(Claim::Committed),
            // The answer to an earlier try was lost.
            Value::BulkString(held) if held == token.as_bytes() => Ok(Claim::Granted),
            Value::BulkString(_) => Ok(Claim::InFlight),
            other => {
                Err(DedupError::unavailable(format!("unexpected answer to a claim: {other:?}")))
            }
        }
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let (key, token) = (self.key(ticket.key()), ticket.token().to_string());
        let ttl = millis(ticket.ttl());
        // The work is done: that is remembered as well as the server can.
        let commit = |server: &Server| Ok(commit(server.has_flags, &key, &token, ttl));
        self.connection.ask(commit).await.map(settled)
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let (key, token) = (self.key(ticket.key()), ticket.token().to_string());
        self.connection.ask(|_| Ok(release(&key, &token))).await.map(settled)
    }
}

impl fmt::Debug for RedisDedup {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisDedup")
            .field("prefix", &self.prefix)
            .field("server", &self.connection.server())
            .finish_non_exhaustive()
    }
}

/// Settings of a [`RedisDedup`].
#[derive(Debug, Clone)]
#[must_use = "nothing is connected until `connect` is called"]
pub struct RedisOptions {
    prefix: String,
    allow_eviction: bool,
}

impl RedisOptions {
    /// What all keys begin with, instead of `inhook:dedup:`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Accepts a server that evicts keys, or that does not say whether it does: ids may then be
    /// forgotten inside the window.
    pub fn allow_eviction(mut self) -> Self {
        self.allow_eviction = true;
        self
    }

    /// Connects, as [`RedisDedup::connect`] does.
    ///
    /// # Errors
    ///
    /// The address is wrong; the server evicts keys, or does not say whether it does; it refuses the user, the
    /// password, the database or what is needed; or it is a node of a cluster, and says so.
    pub async fn connect(self, url: &str) -> Result<RedisDedup, BoxError> {
        // By RESP3 a connection would be made anew without a word, to whichever server; and one that does not know it
        // repeats the password in its error.
        let info = url.into_connection_info().map(|info| {
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
            // Callers share a connection, and none waits until the others' answers are there.
            let tcp = info.tcp_settings().clone().set_nodelay(true);
            info.set_redis_settings(settings).set_tcp_settings(tcp)
        });
        // What is wrong with the address is said without it: it may hold a password.
        let client = info.and_then(Client::open).map_err(|error| {
            if error.to_string().contains("the feature is not enabled") {
                return "an address of Redis with TLS needs a build of the `redis` crate that has it: depend on \
                    `redis` with feature `tokio-rustls-comp` as well, and on `rustls` with a provider of \
                    cryptography, as `ring`"
                    .to_owned();
            }
            let what = error.category();
            format!("the address of Redis is wrong ({what}): it looks like redis://host:6379/0")
        })?;
        let tries = format!("{}try", self.prefix);
        let connection = Connection::new(client, self.allow_eviction, tries);
        match connection.test().await {
            Err(error @ DedupError::Misconfigured(_)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "Redis can't be used yet; it is tried again with the requests");
            }
            Ok(()) => {}
        }
        Ok(RedisDedup { connection, prefix: self.prefix })
    }
}

fn settled(changed: bool) -> Settled {
    if changed { Settled::Recorded } else { Settled::Stale }
}

/// Up to whole milliseconds: no key is forgotten early.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}
