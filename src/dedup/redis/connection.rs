//! The connection, and the server that it leads to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::operations::Ask;
use super::server::{Server, is_full, says};
use crate::dedup::DedupError;

/// How long Redis may take to answer.
const RESPONSE: Duration = Duration::from_millis(450);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// How long an attempt to connect is waited for, which is longer than it takes where each answer comes just in time: the
/// runtime of whoever began it may have stopped.
const ATTEMPT: Duration = Duration::from_secs(6);
/// After so many answers in a row that did not come there is a new connection: the old one may lead
/// nowhere without anybody saying so, as after a failover.
const LATE_ANSWERS: u32 = 3;
/// One whose answers are refusals is not given up sooner.
const KEEP: Duration = Duration::from_secs(1);
/// How often the server is asked what it can do: somebody may change its settings.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The same while it can't be used.
const ASK_SOON: Duration = Duration::from_secs(1);
/// Before the next connection to whoever has ended one at once.
const BREATH: Duration = Duration::from_millis(100);

/// One connection at a time, made when it is needed. Each is to a server that has said what it can do, and shown that it
/// does it, on that connection.
pub(super) struct Connection {
    client: Client,
    allow_eviction: bool,
    /// The key by which it shows that.
    tries: String,
    live: ArcSwapOption<Live>,
    /// The last one, which may be under way.
    attempt: ArcSwap<Attempt>,
}

struct Live {
    connection: MultiplexedConnection,
    /// Since when it is there, and which one it is.
    since: Instant,
    server: Server,
    /// When the server said so.
    asked: Instant,
    late_answers: AtomicU32,
}

/// One caller connects, or asks what the server can do. The others wait for what comes of it.
struct Attempt {
    since: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

type Outcome = Result<(), Failed>;

/// There was no connection, or no answer.
#[derive(Clone)]
struct Failed {
    /// Until when nobody tries again.
    until: Instant,
    error: DedupError,
}

impl Connection {
    pub(super) fn new(client: Client, allow_eviction: bool, tries: String) -> Arc<Self> {
        let (live, attempt) = (ArcSwapOption::empty(), ArcSwap::new(Attempt::ended(Ok(()))));
        Arc::new(Self { client, allow_eviction, tries, live, attempt })
    }

    /// Whether there is a server that can be used.
    pub(super) async fn test(self: &Arc<Self>) -> Result<(), DedupError> {
        self.check(&self.live().await?.server)
    }

    /// A server that would forget inside the window is refused.
    pub(super) fn check(&self, server: &Server) -> Result<(), DedupError> {
        if self.allow_eviction {
            return Ok(());
        }
        let problem = server.problem();
        problem.map_or(Ok(()), |problem| Err(DedupError::Misconfigured(problem.into())))
    }

    /// What the server is known to be, while there is a connection.
    pub(super) fn server(&self) -> Option<Server> {
        self.live.load().as_deref().map(|live| live.server.clone())
    }

    /// Asks the server, by what it can do. Where the connection turns out to be gone, as after a restart, it is
    /// asked once more by a new one: each operation may be repeated.
    pub(super) async fn ask<T: FromRedisValue>(
        self: &Arc<Self>,
        ask: impl Fn(&Server) -> Result<Ask, DedupError>,
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
                    self.heed(&live, &error);
                    if !error.is_unrecoverable_error() {
                        return Err(dedup_error(error));
                    }
                    if is_repeated {
                        // Or each request would have two connections that end like this.
                        let (failed, last) = (Failed::new(error), self.attempt.load_full());
                        if !last.is_under_way() {
                            let ended = Attempt::ended(Err(failed.clone()));
                            self.attempt.compare_and_swap(&last, ended);
                        }
                        return Err(failed.error);
                    }
                    is_repeated = true;
                }
            }
        }
    }

    /// The connection, which is made if there is none, to a server that is asked again each minute.
    async fn live(self: &Arc<Self>) -> Result<Arc<Live>, DedupError> {
        if let Some(live) = self.fresh(Duration::ZERO) {
            return Ok(live);
        }
        let last = self.attempt.load_full();
        let is_under_way = last.is_under_way();
        // While somebody asks, the others go on with what is known; or this one has ended just now.
        let overdue = if is_under_way { ASK_AGAIN } else { Duration::ZERO };
        if let Some(live) = self.fresh(overdue) {
            return Ok(live);
        }
        let attempt = if is_under_way {
            last
        } else {
            last.failure()?;
            self.begin(&last)
        };
        attempt.end().await?;
        self.fresh(ASK_AGAIN).ok_or_else(|| DedupError::unavailable("no connection has come of it"))
    }

    /// The attempt after that one, which somebody else may have begun.
    fn begin(self: &Arc<Self>, last: &Arc<Attempt>) -> Arc<Attempt> {
        let (ends, outcome) = watch::channel(None);
        let attempt = Arc::new(Attempt { since: Instant::now(), outcome });
        let before = self.attempt.compare_and_swap(last, attempt.clone());
        if !Arc::ptr_eq(&before, last) {
            return before.clone();
        }
        let (this, current) = (self.clone(), attempt.clone());
        // A caller may not have as much time as it takes.
        tokio::spawn(async move {
            let outcome = this.connect(&current).await.map_err(Failed::new);
            ends.send_replace(Some(outcome));
        });
        attempt
    }

    /// The connection that there is, unless its server should have been asked again for so long.
    fn fresh(&self, overdue: Duration) -> Option<Arc<Live>> {
        let live = self.live.load_full()?;
        let ask_again = if self.check(&live.server).is_ok() { ASK_AGAIN } else { ASK_SOON };
        (live.asked.elapsed() < ask_again.saturating_add(overdue)).then_some(live)
    }

    /// Asks what the server can do; by a new connection, where there is none or that does not say.
    async fn connect(&self, attempt: &Arc<Attempt>) -> Result<(), RedisError> {
        if let Some(last) = self.live.load_full() {
            let mut connection = last.connection.clone();
            let asked = Instant::now();
            match Server::ask(&mut connection).await {
                Ok(mut server) => {
                    server.has_flags = last.server.has_flags;
                    let live = Arc::new(Live::new(connection, last.since, server, asked));
                    // Unless it was given up meanwhile.
                    if self.live.compare_and_swap(&Some(last), Some(live)).is_some() {
                        return Ok(());
                    }
                }
                Err(error) => self.give_up(&last, &error),
            }
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE));
        let mut connection =
            self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let asked = Instant::now();
        let mut server = Server::ask(&mut connection).await?;
        server.try_out(&mut connection, &self.tries).await?;
        // Unless this took so long that somebody else connects: by now the address may lead to another server.
        if Arc::ptr_eq(&self.attempt.load(), attempt) {
            let live = Arc::new(Live::new(connection, Instant::now(), server, asked));
            self.live.compare_and_swap(&None::<Arc<Live>>, Some(live));
        }
        Ok(())
    }

    /// Gives up a connection that is gone, leads nowhere, or to a server that does not do what is asked: its name
    /// may lead to another one by now.
    fn heed(&self, live: &Live, error: &RedisError) {
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
            self.give_up(live, error);
        }
    }

    fn give_up(&self, live: &Live, error: &RedisError) {
        let is_it = |current: &Arc<Live>| current.since == live.since;
        let last = self.live.rcu(|current| current.clone().filter(|current| !is_it(current)));
        // Others had the same answer.
        if last.as_ref().is_some_and(is_it) {
            tracing::info!(%error, "a connection to Redis is given up");
        }
    }
}

impl Attempt {
    fn ended(outcome: Outcome) -> Arc<Self> {
        Arc::new(Self { since: Instant::now(), outcome: watch::channel(Some(outcome)).1 })
    }

    fn is_under_way(&self) -> bool {
        let has_ended = self.outcome.borrow().is_some();
        // Its runtime may have ended before it, which closes the channel.
        !has_ended && self.outcome.has_changed().is_ok() && self.since.elapsed() < ATTEMPT
    }

    /// That it failed, while nobody should try again.
    fn failure(&self) -> Result<(), DedupError> {
        match &*self.outcome.borrow() {
            Some(Err(failed)) if failed.until > Instant::now() => Err(failed.error.clone()),
            _ => Ok(()),
        }
    }

    async fn end(&self) -> Result<(), DedupError> {
        let mut outcome = self.outcome.clone();
        let until = self.since.checked_add(ATTEMPT).unwrap_or(self.since);
        match timeout_at(until, outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => match &*outcome {
                Some(Err(failed)) => Err(failed.error.clone()),
                _ => Ok(()),
            },
            Ok(Err(_)) => Err(DedupError::unavailable("an attempt to connect was broken off")),
            Err(_) => {
                let error = format!("an attempt to connect has not ended within {ATTEMPT:?}");
                Err(DedupError::unavailable(error))
            }
        }
    }
}

impl Failed {
    fn new(error: RedisError) -> Self {
        // Where nobody is, somebody may be at any moment, and silence took its time; who ends a connection at once
        // is left alone for a moment, and who refuses, for a while.
        let pause = if error.is_connection_refusal() || error.is_timeout() {
            Duration::ZERO
        } else if error.is_io_error() {
            BREATH
        } else {
            ASK_SOON
        };
        let now = Instant::now();
        let until = now.checked_add(pause).unwrap_or(now);
        Self { until, error: dedup_error(error) }
    }
}

impl Live {
    fn new(
        connection: MultiplexedConnection,
        since: Instant,
        server: Server,
        asked: Instant,
    ) -> Self {
        Self { connection, since, server, asked, late_answers: AtomicU32::new(0) }
    }
}

fn dedup_error(error: RedisError) -> DedupError {
    if is_full(&error) {
        return DedupError::Full;
    }
    let misconfigured = |what| DedupError::Misconfigured(format!("{what}: {error}").into());
    let may_not = error.code() == Some("NOPERM")
        || ["no permissions", "can't run this command", "unknown command", "nknown Redis command"]
            .iter()
            .any(|text| says(&error, text));
    if may_not {
        return misconfigured(
            "Redis does not do what is needed, or does not let the user do it: SET, GET, DEL, EVALSHA, SCRIPT LOAD, and SELECT for a database",
        );
    }
    if matches!(error.code(), Some("MOVED" | "ASK")) || says(&error, "in cluster mode") {
        return misconfigured(
            "a node of a Redis Cluster has only some of the keys, and one database",
        );
    }
    // Where the address has a database, what is said of that is without its code.
    let is_refused = error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
        || says(&error, "Authentication required")
        || says(&error, "DB index is out of range");
    if is_refused {
        return misconfigured("Redis refuses the user, the password or the database");
    }
    DedupError::unavailable(error)
}
