//! Deduplication for all processes that share a Redis.

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, InfoDict, RedisError, Script, ScriptInvocation, Value};
use tokio::sync::OnceCell;

use super::{Claim, Dedup, DedupError, Ticket};
use crate::delivery::Key;
use crate::error::BoxError;
use crate::inbox::Settled;

/// How long Redis may take to answer.
const RESPONSE: Duration = Duration::from_millis(450);
/// How long a connection may take, and the longest pause between two tries to get one: together they
/// bound how long an outage is felt after its end.
const CONNECT: Duration = Duration::from_millis(500);
const RECONNECT: Duration = Duration::from_millis(250);
/// What a key holds whose delivery was handled. Before, it holds a token.
const COMMITTED: &str = "committed";
/// The first version that can set a key unless it exists, and say what it held, in one command.
const SET_NX_GET: u32 = 7;

/// For older servers: the same as `SET key token NX PX lease GET`.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[1])
         if not held then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
         return held",
    )
});

/// A claim that lapsed and was not taken over is committed all the same: the work is done.
static COMMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[1])
         if held and held ~= ARGV[1] and held ~= ARGV[2] then return 0 end
         redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
         return 1",
    )
});

static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         return redis.call('DEL', KEYS[1])",
    )
});

/// Remembers deliveries in Redis (or a server that speaks its protocol), for all processes that use it.
///
/// Each operation is one round trip. Leases and windows are timed by the server, so the clocks of the
/// processes don't matter. Keys are the prefix and the idempotency key as 64 hexadecimal digits, never
/// the id's text.
///
/// **What Redis loses is forgotten**, and the partner's retries of it run again: everything at a
/// restart without persistence, up to a second with `appendfsync everysec`, what was not replicated at
/// a failover. A server that evicts keys (`maxmemory-policy` other than `noeviction`) would forget
/// inside the window, so it is refused.
pub struct RedisDedup {
    connection: ConnectionManager,
    prefix: String,
    allow_eviction: bool,
    /// What the server can do, known once it has answered.
    server: OnceCell<Server>,
}

impl RedisDedup {
    /// Connects to a server: `redis://[user:password@]host[:port][/database]`.
    ///
    /// One that can't be reached is no error: it is tried again and again, and until it answers every
    /// operation fails, which a [`DedupLayer`](crate::DedupLayer) answers with 503.
    ///
    /// # Errors
    ///
    /// The address is wrong, or the server evicts keys.
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

    /// What the server can do. It is asked before the first claim, and again until it answers.
    async fn server(&self) -> Result<&Server, DedupError> {
        let ask = || async {
            let server = Server::read(&self.ask(Ask::Command(redis::cmd("INFO"))).await?);
            match server.problem() {
                Some(problem) if !self.allow_eviction => {
                    Err(DedupError::Misconfigured(problem.into()))
                }
                _ => Ok(server),
            }
        };
        self.server.get_or_try_init(ask).await
    }

    /// Asks once more where the connection turns out to be gone, as after a restart of the server: that
    /// makes a new one, and each operation may be repeated.
    async fn ask<T: FromRedisValue>(&self, ask: Ask<'_>) -> Result<T, DedupError> {
        let mut connection = self.connection.clone();
        let answer = match ask.send(&mut connection).await {
            Err(error) if error.is_unrecoverable_error() => ask.send(&mut connection).await,
            answer => answer,
        };
        answer.map_err(DedupError::unavailable)
    }
}

#[async_trait]
impl Dedup for RedisDedup {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        let (key, token) = (self.key(ticket.key()), ticket.token().to_string());
        let lease = millis(ticket.lease());
        let held: Value = if self.server().await?.sets_nx_get {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(&token).arg("NX").arg("PX").arg(lease).arg("GET");
            self.ask(Ask::Command(set)).await?
        } else {
            let mut claim = CLAIM.key(&key);
            claim.arg(&token).arg(lease);
            self.ask(Ask::Script(claim)).await?
        };
        match held {
            Value::Nil => Ok(Claim::Granted),
            Value::BulkString(held) if held == COMMITTED.as_bytes() => Ok(Claim::Committed),
            // The answer to an earlier try was lost.
            Value::BulkString(held) if held == token.as_bytes() => Ok(Claim::Granted),
            Value::BulkString(_) => Ok(Claim::InFlight),
            other => Err(DedupError::unavailable(format!("unexpected answer to SET: {other:?}"))),
        }
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let token = ticket.token().to_string();
        let mut commit = COMMIT.key(self.key(ticket.key()));
        commit.arg(token).arg(COMMITTED).arg(millis(ticket.ttl()));
        self.ask(Ask::Script(commit)).await.map(settled)
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let mut release = RELEASE.key(self.key(ticket.key()));
        release.arg(ticket.token().to_string());
        self.ask(Ask::Script(release)).await.map(settled)
    }
}

impl fmt::Debug for RedisDedup {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisDedup")
            .field("prefix", &self.prefix)
            .field("server", &self.server.get())
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
    /// The address is wrong, or the server evicts keys.
    pub async fn connect(self, url: &str) -> Result<RedisDedup, BoxError> {
        // The error says what is wrong with the address, and never repeats it: it may hold a password.
        let client = Client::open(url).map_err(|error| {
            let what = error.category();
            format!("the address of Redis is wrong ({what}): it looks like redis://host:6379/")
        })?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE))
            .set_max_delay(RECONNECT)
            .set_number_of_retries(0);
        let dedup = RedisDedup {
            connection: ConnectionManager::new_lazy_with_config(client, config)?,
            prefix: self.prefix,
            allow_eviction: self.allow_eviction,
            server: OnceCell::new(),
        };
        match tokio::time::timeout(CONNECT, dedup.server()).await {
            Ok(Err(error @ DedupError::Misconfigured(_))) => Err(error.into()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "Redis can't be reached; it is tried again with each request");
                Ok(dedup)
            }
            _ => Ok(dedup),
        }
    }
}

/// What is sent.
enum Ask<'s> {
    Command(Cmd),
    /// By its hash; where the server does not know it, it is loaded first.
    Script(ScriptInvocation<'s>),
}

impl Ask<'_> {
    async fn send<T: FromRedisValue>(
        &self,
        connection: &mut ConnectionManager,
    ) -> Result<T, RedisError> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(script) => script.invoke_async(connection).await,
        }
    }
}

/// What INFO says.
#[derive(Debug)]
struct Server {
    sets_nx_get: bool,
    policy: Option<String>,
}

impl Server {
    fn read(info: &InfoDict) -> Self {
        let version: Option<String> = info.get("redis_version");
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        Self {
            sets_nx_get: major.is_some_and(|major| major >= SET_NX_GET),
            policy: info.get("maxmemory_policy"),
        }
    }

    /// Why it can't be used.
    fn problem(&self) -> Option<String> {
        match self.policy.as_deref() {
            Some("noeviction") => None,
            Some(policy) => Some(format!(
                "the server's maxmemory-policy is {policy}, so it may forget ids inside the window; set it to noeviction, or call `allow_eviction`"
            )),
            None => Some(
                "the server does not say whether it evicts keys; make sure that it does not, and call `allow_eviction`"
                    .into(),
            ),
        }
    }
}

fn settled(changed: bool) -> Settled {
    if changed { Settled::Recorded } else { Settled::Stale }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
