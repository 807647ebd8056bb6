//! Deduplication for all processes that share a Redis.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, InfoDict, IntoConnectionInfo, ProtocolVersion,
    RedisError, Script, ScriptInvocation, Value,
};
use tokio::time::Instant;

use super::{Claim, Dedup, DedupError, Ticket};
use crate::delivery::Key;
use crate::error::BoxError;
use crate::inbox::Settled;

/// How long Redis may take to answer.
const RESPONSE: Duration = Duration::from_millis(450);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// What a key holds whose delivery was handled. Before, it holds a token.
const COMMITTED: &str = "committed";
/// The first version that can set a key unless it exists, and say what it held, in one command; and
/// whose scripts have flags.
const MODERN: u32 = 7;
/// After so many answers in a row that did not come there is a new connection: the old one may lead
/// nowhere without anybody saying so, as after a failover.
const LATE_ANSWERS: u32 = 3;
/// There is no new connection more often.
const REPLACE: Duration = Duration::from_secs(1);
/// How often the server is asked what it can do: somebody may change its settings.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The same while it can't be used.
const ASK_SOON: Duration = Duration::from_secs(1);

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
/// Each operation is one round trip. Leases and windows are timed by the server, so the clocks of the
/// processes don't matter. Keys are the prefix and the idempotency key as 64 hexadecimal digits, never
/// the id's text.
///
/// **What Redis loses is forgotten**, and the partner's retries of it run again: everything at a
/// restart without persistence, up to a second with `appendfsync everysec`, what was not replicated at
/// a failover. A server that evicts keys (`maxmemory-policy` other than `noeviction`) would forget
/// inside the window, so it is refused: it is asked at the start, once a minute, and when there is a new connection,
/// which is made as well where the server has become a replica.
pub struct RedisDedup {
    client: Client,
    connection: ArcSwap<ConnectionManager>,
    late_answers: AtomicU32,
    replaced: Mutex<Option<Instant>>,
    prefix: String,
    allow_eviction: bool,
    /// What the server can do, known once it has answered.
    server: ArcSwapOption<Known>,
    /// Rises when there is a new connection: it may lead to another server.
    connections: AtomicU32,
    /// Held by whoever asks: when the last one got no answer, and why.
    asking: tokio::sync::Mutex<Option<(Instant, DedupError)>>,
}

impl RedisDedup {
    /// Connects to a server: `redis://[user:password@]host[:port][/database]`.
    ///
    /// One that can't be reached is no error: it is tried again and again, and until it answers every
    /// operation fails, which a [`DedupLayer`](crate::DedupLayer) answers with 503.
    ///
    /// # Errors
    ///
    /// The address is wrong, the server evicts keys, or it refuses the user or the password.
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

    /// What the server can do. It is asked before the first claim, until it answers, and again each minute and
    /// when there is a new connection: it may be another server then.
    async fn known(&self) -> Result<Arc<Known>, DedupError> {
        if let Some(known) = self.believed(Duration::ZERO) {
            return Ok(known);
        }
        let start = Instant::now();
        let mut failed = match self.asking.try_lock() {
            Ok(asking) => asking,
            // Meanwhile the others go on with what is known.
            Err(_) => match self.believed(ASK_AGAIN) {
                Some(known) => return Ok(known),
                None => self.asking.lock().await,
            },
        };
        if let Some(known) = self.believed(Duration::ZERO) {
            return Ok(known);
        }
        // Those who waited for an answer don't ask one after the other.
        if let Some((at, error)) = &*failed
            && *at >= start
        {
            return Err(error.clone());
        }
        let connection = self.connections.load(Ordering::Acquire);
        let answer = self.send(&Ask::Command(redis::cmd("INFO"))).await;
        let server = match answer {
            Ok(info) => {
                self.heed(None);
                Server::read(&info)
            }
            // Some providers forbid it.
            Err(error) if error.code() == Some("NOPERM") || says(&error, "unknown command") => {
                Server::UNKNOWN
            }
            Err(error) => {
                self.heed(Some(&error));
                let error = dedup_error(error);
                *failed = Some((Instant::now(), error.clone()));
                return Err(error);
            }
        };
        let ask_again = if self.refuse(&server).is_err() { ASK_SOON } else { ASK_AGAIN };
        let known = Arc::new(Known { server, asked: Instant::now(), ask_again, connection });
        self.server.store(Some(known.clone()));
        Ok(known)
    }

    /// What is known, unless somebody should have asked again for so long, or there is a new connection.
    fn believed(&self, overdue: Duration) -> Option<Arc<Known>> {
        let known = self.server.load_full()?;
        let is_young = known.asked.elapsed() < known.ask_again.saturating_add(overdue);
        (is_young && self.is_asked_by_this_connection(&known)).then_some(known)
    }

    fn is_asked_by_this_connection(&self, known: &Known) -> bool {
        known.connection == self.connections.load(Ordering::Acquire)
    }

    /// A server that would forget inside the window.
    fn refuse(&self, server: &Server) -> Result<(), DedupError> {
        match server.problem() {
            Some(problem) if !self.allow_eviction => Err(DedupError::Misconfigured(problem.into())),
            _ => Ok(()),
        }
    }

    async fn ask<T: FromRedisValue>(&self, ask: Ask<'_>) -> Result<T, DedupError> {
        let answer = self.send(&ask).await;
        self.heed(answer.as_ref().err());
        answer.map_err(dedup_error)
    }

    /// Sends it once more where the connection turns out to be gone, as after a restart of the server: that
    /// makes a new one, and each operation may be repeated.
    async fn send<T: FromRedisValue>(&self, ask: &Ask<'_>) -> Result<T, RedisError> {
        let mut connection = ConnectionManager::clone(&self.connection.load());
        match ask.send(&mut connection).await {
            Err(error) if error.is_unrecoverable_error() => {
                self.connections.fetch_add(1, Ordering::Release);
                ask.send(&mut connection).await
            }
            answer => answer,
        }
    }

    /// Gives up a connection that leads nowhere, or is of no use.
    fn heed(&self, error: Option<&RedisError>) {
        match error {
            Some(error) if error.is_timeout() => {
                let late = self.late_answers.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if late >= LATE_ANSWERS {
                    self.replace();
                }
            }
            // A connection that was refused once says so for ever, whatever the server says by now; and one to a
            // replica does not know that its name leads to another server since.
            Some(error) if is_refused(error) || is_replica(error) => self.replace(),
            _ => self.late_answers.store(0, Ordering::Relaxed),
        }
    }

    /// Makes a new connection, but not for each of many callers.
    fn replace(&self) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let just_now = replaced.is_some_and(|replaced| replaced.elapsed() < REPLACE);
        if !just_now && let Ok(connection) = connect(&self.client) {
            *replaced = Some(Instant::now());
            self.connection.store(Arc::new(connection));
            self.connections.fetch_add(1, Ordering::Release);
        }
    }
}

#[async_trait]
impl Dedup for RedisDedup {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        let (key, token) = (self.key(ticket.key()), ticket.token().to_string());
        let lease = millis(ticket.lease());
        let known = self.known().await?;
        self.refuse(&known.server)?;
        let held: Value = if known.server.is_modern {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(&token).arg("NX").arg("PX").arg(lease).arg("GET");
            self.ask(Ask::Command(set)).await?
        } else {
            let mut claim = CLAIM.key(&key);
            claim.arg(&token).arg(lease);
            self.ask(Ask::Script(claim)).await?
        };
        // It was lost meanwhile, and nobody has asked whoever answered on the new one.
        if !self.is_asked_by_this_connection(&known) {
            self.refuse(&self.known().await?.server)?;
        }
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
        // The work is done: it is remembered by a server that evicts as well, and by one that does not say what it is.
        let is_modern = self.known().await.is_ok_and(|known| known.server.is_modern);
        let script = if is_modern { &COMMIT_WHEN_FULL } else { &COMMIT };
        let mut commit = script.key(self.key(ticket.key()));
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
            .field("server", &self.server.load().as_deref().map(|known| &known.server))
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
    /// The address is wrong, the server evicts keys, or it refuses the user or the password.
    pub async fn connect(self, url: &str) -> Result<RedisDedup, BoxError> {
        // By RESP3 a connection would be made anew without a word, to whichever server; and one that does not know it
        // repeats the password in its error.
        let info = url.into_connection_info().map(|info| {
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
            info.set_redis_settings(settings)
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
        let dedup = RedisDedup {
            connection: ArcSwap::from_pointee(connect(&client)?),
            client,
            late_answers: AtomicU32::new(0),
            replaced: Mutex::default(),
            prefix: self.prefix,
            allow_eviction: self.allow_eviction,
            server: ArcSwapOption::empty(),
            connections: AtomicU32::new(0),
            asking: tokio::sync::Mutex::default(),
        };
        match dedup.known().await.and_then(|known| dedup.refuse(&known.server)) {
            Err(error @ DedupError::Misconfigured(_)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "Redis can't be reached; it is tried again with each request");
            }
            Ok(()) => {}
        }
        Ok(dedup)
    }
}

/// A connection that is made when it is first used, and again when it breaks.
fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(RESPONSE))
        // The next operation tries again; none of them waits for more than one try.
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
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

/// What a server answered.
struct Known {
    server: Server,
    asked: Instant,
    /// When it should be asked again, from then on.
    ask_again: Duration,
    /// By which connection it was asked.
    connection: u32,
}

/// What INFO says.
#[derive(Debug)]
struct Server {
    is_modern: bool,
    policy: Option<String>,
}

impl Server {
    /// One that does not say what it is.
    const UNKNOWN: Server = Server { is_modern: false, policy: None };

    fn read(info: &InfoDict) -> Self {
        let version: Option<String> = info.get("redis_version");
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        Self {
            is_modern: major.is_some_and(|major| major >= MODERN),
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

fn dedup_error(error: RedisError) -> DedupError {
    // `maxmemory` is reached, and nothing may be evicted; old servers say so inside another error.
    if error.code() == Some("OOM") || says(&error, "OOM command not allowed") {
        return DedupError::Full;
    }
    if is_refused(&error) {
        let problem = format!("Redis refuses the user, the password or the database: {error}");
        return DedupError::Misconfigured(problem.into());
    }
    DedupError::unavailable(error)
}

fn is_refused(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        || says(error, "DB index is out of range")
}

fn is_replica(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "MASTERDOWN"))
}

fn says(error: &RedisError, text: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(text))
}

fn settled(changed: bool) -> Settled {
    if changed { Settled::Recorded } else { Settled::Stale }
}

/// Up to whole milliseconds: no key is forgotten early.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}
