//! Deduplication for all processes that share a Redis.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Client, IntoConnectionInfo, ProtocolVersion, Script, Value};

use super::{Claim, Dedup, DedupError, Ticket};
use crate::delivery::Key;
use crate::error::BoxError;
use crate::inbox::Settled;

mod connection;
mod server;

use connection::{Ask, Connection};

/// What a key holds whose delivery was handled. Before, it holds a token.
const COMMITTED: &str = "committed";
/// For older servers: the same as `SET key token NX PX lease GET`.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[1])
         if not held then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
         return held",
    )
});

/// A claim that lapsed and was not taken over is committed all the same: the work is done.
const COMMIT_SOURCE: &str = "local held = redis.call('GET', KEYS[1])
     if held and held ~= ARGV[1] and held ~= ARGV[2] then return 0 end
     redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
     return 1";

static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(COMMIT_SOURCE));

/// On servers that know the flag: what was claimed has room to be committed, however full the server is.
static COMMIT_WHEN_FULL: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("#!lua flags=allow-oom\n{COMMIT_SOURCE}")));

static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         return redis.call('DEL', KEYS[1])",
    )
});

/// Remembers deliveries in Redis (or a server that speaks its protocol), for all processes that use it.
///
/// Each operation is one round trip, but where a connection or a script is new, and once a minute. Leases and
/// windows are timed by the server, so the clocks of the processes don't matter. Keys are the prefix and the
/// idempotency key as 64 hexadecimal digits, never the id's text.
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
    /// The address is wrong; the server evicts keys, or does not say whether it does; or it refuses the user, the
    /// password or the database.
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
        let claim = |is_modern| match is_modern {
            true => {
                let mut set = redis::cmd("SET");
                set.arg(&key).arg(&token).arg("NX").arg("PX").arg(lease).arg("GET");
                Ask::Command(set)
            }
            false => {
                let mut claim = CLAIM.key(&key);
                claim.arg(&token).arg(lease);
                Ask::Script(claim)
            }
        };
        // A server that may forget it is not asked.
        let held: Value = self
            .connection
            .ask(|server| {
                self.connection.check(server)?;
                Ok(claim(server.is_modern))
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
        // The work is done: that is remembered as well as the server can.
        let commit = |is_modern| {
            let script = if is_modern { &COMMIT_WHEN_FULL } else { &COMMIT };
            let mut commit = script.key(&key);
            commit.arg(&token).arg(COMMITTED).arg(millis(ticket.ttl()));
            Ask::Script(commit)
        };
        self.connection.ask(|server| Ok(commit(server.is_modern))).await.map(settled)
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let (key, token) = (self.key(ticket.key()), ticket.token().to_string());
        let release = || {
            let mut release = RELEASE.key(&key);
            release.arg(&token);
            Ask::Script(release)
        };
        self.connection.ask(|_| Ok(release())).await.map(settled)
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
    /// The address is wrong; the server evicts keys, or does not say whether it does; or it refuses the user, the
    /// password or the database.
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
        let client = info.and_then(Client::open).map_err(|error| match url.split_once("://") {
            Some(("rediss", _)) => {
                "`rediss://` needs TLS, which this build of the `redis` crate has \
                not: depend on `redis` with feature `tokio-rustls-comp` as well"
                    .to_owned()
            }
            _ => {
                let what = error.category();
                format!("the address of Redis is wrong ({what}): it looks like redis://host:6379/0")
            }
        })?;
        let connection = Connection::new(client, self.allow_eviction);
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
