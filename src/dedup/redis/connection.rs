//! The connection, and the server that it leads to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, ScriptInvocation,
};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::server::Server;
use crate::dedup::DedupError;

/// How long Redis may take to answer.
const RESPONSE: Duration = Duration::from_millis(450);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// After so many answers in a row that did not come there is a new connection: the old one may lead
/// nowhere without anybody saying so, as after a failover.
const LATE_ANSWERS: u32 = 3;
/// One that still answers is not given up sooner, whatever it answers.
const KEEP: Duration = Duration::from_secs(1);
/// How often the server is asked what it can do: somebody may change its settings.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The same while it can't be used.
const ASK_SOON: Duration = Duration::from_secs(1);

/// One connection at a time, made when it is needed. Each is to a server that was asked what it can do, on that
/// connection, before it is asked anything else.
pub(super) struct Connection(Arc<Shared>);

struct Shared {
    client: Client,
    allow_eviction: bool,
    live: ArcSwapOption<Live>,
    /// Held by whoever connects, or asks what the server can do.
    failed: Arc<Mutex<Option<Failed>>>,
}

struct Live {
    connection: MultiplexedConnection,
    /// Since when it is there.
    since: Instant,
    server: Server,
    /// When the server said so.
    asked: Instant,
    late_answers: AtomicU32,
}

/// There was no connection, or no answer.
struct Failed {
    at: Instant,
    /// Until when nobody tries again.
    until: Instant,
    error: DedupError,
}

/// What is sent.
pub(super) enum Ask<'s> {
    Command(Cmd),
    /// By its hash; where the server does not know it, it is loaded first.
    Script(ScriptInvocation<'s>),
}

impl Connection {
    pub(super) fn new(client: Client, allow_eviction: bool) -> Self {
        let (live, failed) = (ArcSwapOption::empty(), Arc::default());
        Self(Arc::new(Shared { client, allow_eviction, live, failed }))
    }

    /// Whether there is a server that can be used.
    pub(super) async fn test(&self) -> Result<(), DedupError> {
        self.check(&self.live().await?.server)
    }

    /// A server that would forget inside the window is refused.
    pub(super) fn check(&self, server: &Server) -> Result<(), DedupError> {
        self.0.check(server)
    }

    /// What the server was last known to be.
    pub(super) fn server(&self) -> Option<Server> {
        self.0.live.load().as_deref().map(|live| live.server.clone())
    }

    /// Asks the server, by what it can do. Where the connection turns out to be gone, as after a restart, it is
    /// asked once more by a new one: each operation may be repeated.
    pub(super) async fn ask<'s, T: FromRedisValue>(
        &self,
        ask: impl Fn(&Server) -> Result<Ask<'s>, DedupError>,
    ) -> Result<T, DedupError> {
        let mut is_repeated = false;
        loop {
            let live = self.live().await?;
            match ask(&live.server)?.send(&mut live.connection.clone()).await {
                Ok(answer) => {
                    live.late_answers.store(0, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => {
                    self.0.heed(&live, &error);
                    if is_repeated || !error.is_unrecoverable_error() {
                        return Err(dedup_error(error));
                    }
                    is_repeated = true;
                }
            }
        }
    }

    /// The connection, which is made if there is none, to a server that is asked again each minute.
    async fn live(&self) -> Result<Arc<Live>, DedupError> {
        let shared = &self.0;
        if let Some(live) = shared.fresh(Duration::ZERO) {
            return Ok(live);
        }
        let start = Instant::now();
        let failed = match shared.failed.clone().try_lock_owned() {
            Ok(failed) => failed,
            // Meanwhile the others go on with what is known.
            Err(_) => match shared.fresh(ASK_AGAIN) {
                Some(live) => return Ok(live),
                None => shared.failed.clone().lock_owned().await,
            },
        };
        if let Some(live) = shared.fresh(Duration::ZERO) {
            return Ok(live);
        }
        // Those who waited for it don't try one after the other.
        if let Some(failed) = &*failed
            && (failed.at >= start || failed.until > start)
        {
            return Err(failed.error.clone());
        }
        // A caller may not have as much time as it takes.
        let made = tokio::spawn(shared.clone().renew(failed)).await;
        made.unwrap_or_else(|error| Err(DedupError::unavailable(error)))
    }
}

impl Shared {
    fn check(&self, server: &Server) -> Result<(), DedupError> {
        match server.problem() {
            Some(problem) if !self.allow_eviction => Err(DedupError::Misconfigured(problem.into())),
            _ => Ok(()),
        }
    }

    /// The connection that there is, unless its server should have been asked again for so long.
    fn fresh(&self, overdue: Duration) -> Option<Arc<Live>> {
        let live = self.live.load_full()?;
        let ask_again = if self.check(&live.server).is_ok() { ASK_AGAIN } else { ASK_SOON };
        (live.asked.elapsed() < ask_again.saturating_add(overdue)).then_some(live)
    }

    async fn renew(
        self: Arc<Self>,
        mut failed: OwnedMutexGuard<Option<Failed>>,
    ) -> Result<Arc<Live>, DedupError> {
        match self.connect().await {
            Ok(live) => {
                let live = Arc::new(live);
                self.live.store(Some(live.clone()));
                *failed = None;
                Ok(live)
            }
            Err(error) => {
                let at = Instant::now();
                // What can't be reached may be there at any moment; whoever refuses is left alone for a while.
                let pause = if error.is_io_error() { Duration::ZERO } else { ASK_SOON };
                let until = at.checked_add(pause).unwrap_or(at);
                let error = dedup_error(error);
                *failed = Some(Failed { at, until, error: error.clone() });
                Err(error)
            }
        }
    }

    /// Asks what the server can do; by a new connection, where there is none or it is gone.
    async fn connect(&self) -> Result<Live, RedisError> {
        if let Some(live) = self.live.load_full() {
            match Live::ask(live.connection.clone(), live.since).await {
                Err(error) => {
                    self.heed(&live, &error);
                    if !error.is_unrecoverable_error() {
                        return Err(error);
                    }
                }
                asked => return asked,
            }
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Live::ask(connection, Instant::now()).await
    }

    /// Gives up a connection that is gone, leads nowhere, or to a server that does not do what is asked: its name
    /// may lead to another one by now.
    fn heed(&self, live: &Arc<Live>, error: &RedisError) {
        let is_over = if error.is_unrecoverable_error() {
            true
        } else if error.is_timeout() {
            let late = live.late_answers.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            late >= LATE_ANSWERS
        } else {
            live.late_answers.store(0, Ordering::Relaxed);
            !is_full(error) && live.since.elapsed() >= KEEP
        };
        if is_over {
            self.live.rcu(|current| current.clone().filter(|current| !Arc::ptr_eq(current, live)));
        }
    }
}

impl Live {
    async fn ask(
        mut connection: MultiplexedConnection,
        since: Instant,
    ) -> Result<Self, RedisError> {
        let info = Ask::Command(redis::cmd("INFO")).send(&mut connection).await;
        let server = match info {
            Ok(info) => Server::read(&info),
            // Some providers forbid it.
            Err(error) if error.code() == Some("NOPERM") || says(&error, "unknown command") => {
                Server::UNKNOWN
            }
            Err(error) => return Err(error),
        };
        let late_answers = AtomicU32::new(0);
        Ok(Self { connection, since, server, asked: Instant::now(), late_answers })
    }
}

impl Ask<'_> {
    async fn send<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<T, RedisError> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(script) => script.invoke_async(connection).await,
        }
    }
}

fn dedup_error(error: RedisError) -> DedupError {
    if is_full(&error) {
        return DedupError::Full;
    }
    // Where the address has a database, what is said of that is without its code.
    let texts = ["Authentication required", "no permissions", "DB index is out of range"];
    let is_refused = error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        || texts.iter().any(|text| says(&error, text));
    if is_refused {
        let problem = format!("Redis refuses the user, the password or the database: {error}");
        return DedupError::Misconfigured(problem.into());
    }
    DedupError::unavailable(error)
}

/// `maxmemory` is reached, and nothing may be evicted; old servers say so inside another error.
fn is_full(error: &RedisError) -> bool {
    error.code() == Some("OOM") || says(error, "OOM command not allowed")
}

fn says(error: &RedisError, text: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(text))
}
