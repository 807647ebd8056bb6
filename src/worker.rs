//! [`Worker`]: runs what an inbox has accepted until it is done or a dead letter.
//!
//! - **At most what it can run is leased**, so nothing waits under a lease.
//! - **The attempt is counted before the handler runs**, and a heartbeat renews the lease while it
//!   does. A handler that kills the process therefore runs out of attempts.
//! - **Suspects run alone.** A lease that lapsed belonged to a worker that vanished, perhaps because
//!   of that very job. With a suspect due the worker stops leasing and waits, for one lease at most,
//!   until nothing else runs; then the suspect has the process to itself, for one lease at most. So a
//!   killer takes its neighbours with it once, in the crash that made them suspects, and never again.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tower_service::Service;

use crate::error::ConfigError;
use crate::events::Handled;
use crate::inbox::{Batch, Inbox, InboxError, Job, Lease, LeaseOptions, Outcome};
use crate::retry::{Backoff, Failure};

mod attempt;
mod running;

use attempt::{attempt, settle};
use running::Running;

/// The longest wait: an inbox says when there is work, but the clock that it judges by may jump.
const LOOK: Duration = Duration::from_secs(5);
/// The first and the longest pause between two tries of an inbox that does not work.
const RETRY_STORE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long an inbox may take to answer: a worker whose inbox hangs can still be stopped. What was
/// leased in an answer that nobody waited for is a suspect when its lease ends.
const ANSWER: Duration = Duration::from_secs(5);
/// The end of the drain, in which leases are given back.
const RELEASE: Duration = Duration::from_secs(2);
/// The longest lease.
const MAX_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// Leases jobs from an inbox and runs a handler on them.
///
/// The handler is any `tower::Service<Job, Response = Handled, Error = Failure>`; usually it is
/// [`Events`](crate::Events). Handlers run *at least* once: pass [`Job::key`] on to whatever they
/// call.
///
/// | what | default |
/// |---|---|
/// | jobs at a time | 16 |
/// | lease, heartbeat | 60 s, 20 s |
/// | time for one attempt | as long as it takes |
/// | attempts | 12, from 1 s to 1 h apart: [`Backoff`] |
/// | drain after the stop | 25 s |
pub struct Worker<I: ?Sized, H> {
    inbox: Arc<I>,
    handler: H,
    config: Config,
}

impl<I, H> Worker<I, H>
where
    I: Inbox + ?Sized,
    H: Service<Job, Response = Handled, Error = Failure> + Clone + Send + 'static,
    H::Future: Send,
{
    /// A worker with the default settings.
    pub fn new(inbox: Arc<I>, handler: H) -> Self {
        let config = Config {
            concurrency: 16,
            lease: Duration::from_secs(60),
            heartbeat: Duration::from_secs(20),
            timeout: None,
            backoff: Backoff::new(),
            drain: Duration::from_secs(25),
        };
        Self { inbox, handler, config }
    }

    /// How many jobs run at a time.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.config.concurrency = jobs;
        self
    }

    /// How long a lease lasts. After a crash, jobs that were running wait this long.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.config.lease = lease;
        self
    }

    /// How often the leases of running jobs are renewed: at most half a lease.
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.config.heartbeat = heartbeat;
        self
    }

    /// How long one attempt may take. What takes longer is dropped at its next await, and tried
    /// again.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = Some(timeout);
        self
    }

    /// How many attempts there are, and when.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.config.backoff = backoff;
        self
    }

    /// How long the end may take after the stop. Shortly before it is over, what still runs is
    /// dropped at its next await and given back, without counting the attempt. Giving it back may
    /// take up to 2 s more where this is less than 10 s.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.config.drain = drain;
        self
    }

    /// Runs until `stop` completes, then drains. An inbox that fails is tried again for ever.
    ///
    /// # Errors
    ///
    /// A setting that can't work, before anything is leased.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ConfigError> {
        self.config.check()?;
        let mut stop = pin!(stop);
        let mut running = Running::new();
        let mut turn = Turn::Ordinary { suspects_from: Instant::now() };
        let mut heartbeat = self.heartbeat_timer();
        loop {
            let wait = self.fill(&mut turn, &mut running).await;
            tokio::select! {
                biased;
                () = &mut stop => break,
                _ = heartbeat.tick() => self.renew(&mut running, &mut heartbeat).await,
                () = running.ended(), if !running.is_empty() => {}
                () = self.inbox.ready(), if wait.for_work => {}
                () = tokio::time::sleep(wait.at_most) => {}
            }
        }
        self.shut_down(running, heartbeat).await;
        Ok(())
    }

    /// Leases and starts what may run now, and says what to wait for.
    async fn fill(&self, turn: &mut Turn, running: &mut Running) -> Wait {
        let Config { lease, backoff, concurrency, .. } = self.config;
        loop {
            let now = Instant::now();
            match *turn {
                Turn::Alone { suspect, until } if running.has(suspect) && now < until => {
                    return Wait::at_most(until.duration_since(now));
                }
                // Ordinary jobs come next either way, so suspects take turns with them.
                Turn::Alone { .. } => *turn = Turn::Ordinary { suspects_from: now },
                Turn::Clearing { .. } if running.is_empty() => {
                    let options = LeaseOptions::suspect(lease, backoff.max_attempts());
                    let Ok(batch) = self.take(options, running).await else {
                        return Wait::at_most(running.store_pause());
                    };
                    let until = now.checked_add(lease).unwrap_or(now);
                    *turn = match batch.jobs.first().map(Job::lease) {
                        Some(suspect) => Turn::Alone { suspect, until },
                        None => Turn::Ordinary { suspects_from: now },
                    };
                    self.start(batch, running);
                }
                Turn::Clearing { until } if now < until => {
                    return Wait::at_most(until.duration_since(now));
                }
                // Something here takes long: it is not held up for ever by a suspect.
                Turn::Clearing { .. } => {
                    let suspects_from = now.checked_add(lease).unwrap_or(now);
                    *turn = Turn::Ordinary { suspects_from };
                }
                Turn::Ordinary { suspects_from } => {
                    let free = concurrency.saturating_sub(running.len());
                    if free == 0 {
                        return Wait::at_most(LOOK);
                    }
                    let options = LeaseOptions::new(free, lease, backoff.max_attempts());
                    let Ok(batch) = self.take(options, running).await else {
                        return Wait::at_most(running.store_pause());
                    };
                    let (full, next_due) = (batch.jobs.len() == free, batch.next_due);
                    let suspect_due = batch.suspect_due;
                    self.start(batch, running);
                    if suspect_due && now >= suspects_from {
                        let until = now.checked_add(lease).unwrap_or(now);
                        *turn = Turn::Clearing { until };
                    } else if full {
                        return Wait::at_most(LOOK);
                    } else {
                        let suspects = suspect_due.then(|| suspects_from.duration_since(now));
                        let due = next_due.into_iter().chain(suspects).min();
                        return Wait::for_work(due.unwrap_or(LOOK).min(LOOK));
                    }
                }
            }
        }
    }

    async fn take(&self, options: LeaseOptions, running: &mut Running) -> Result<Batch, ()> {
        match in_time(self.inbox.lease(options)).await {
            Ok(batch) => {
                running.store_failures = 0;
                for key in &batch.buried {
                    tracing::error!(%key, "dead letter: its worker vanished in the last attempt");
                }
                Ok(batch)
            }
            Err(error) => {
                running.store_failures = running.store_failures.saturating_add(1);
                tracing::warn!(%error, "no work can be leased; trying again");
                Err(())
            }
        }
    }

    fn start(&self, batch: Batch, running: &mut Running) {
        for job in batch.jobs {
            let (inbox, handler, config) = (self.inbox.clone(), self.handler.clone(), self.config);
            let lease = job.lease();
            let end = running.end(lease);
            // Boxed, because tasks have an alignment for which allocators are slow with large ones.
            let task = tokio::spawn(Box::pin(async move {
                let outcome = attempt(handler, job, config).await;
                settle(&*inbox, lease, outcome).await;
                drop(end);
            }));
            running.tasks.insert(lease, task.abort_handle());
        }
    }

    /// Renews the leases of what is running, and drops what another worker has taken over.
    async fn renew(&self, running: &mut Running, heartbeat: &mut Interval) {
        let leases: Vec<Lease> = running.tasks.keys().copied().collect();
        if leases.is_empty() {
            return;
        }
        match in_time(self.inbox.extend(&leases, self.config.lease)).await {
            Ok(lost) => {
                for lease in &lost {
                    tracing::warn!(key = %lease.key(), "the lease is lost; the attempt is dropped");
                }
                running.abort(&lost);
            }
            Err(error) => {
                tracing::warn!(%error, "leases can't be renewed; trying again");
                heartbeat.reset_after(RETRY_STORE.0);
            }
        }
    }

    async fn shut_down(&self, mut running: Running, mut heartbeat: Interval) {
        let release = RELEASE.min(self.config.drain.div_f32(5.0));
        let mut deadline = pin!(tokio::time::sleep(self.config.drain.saturating_sub(release)));
        while !running.is_empty() {
            tokio::select! {
                () = running.ended() => {}
                _ = heartbeat.tick() => tokio::select! {
                    () = self.renew(&mut running, &mut heartbeat) => {}
                    () = &mut deadline => break,
                },
                () = &mut deadline => break,
            }
        }
        if running.is_empty() {
            return;
        }
        tracing::warn!(jobs = running.len(), "the drain is over; what still runs is given back");
        if tokio::time::timeout(RELEASE, self.give_back(running)).await.is_err() {
            tracing::warn!("some jobs did not end; they are suspects when their leases end");
        }
    }

    /// Drops what runs and gives each lease back as soon as its task has ended: one that never
    /// yields holds up no other.
    async fn give_back(&self, mut running: Running) {
        running.abort(&running.tasks.keys().copied().collect::<Vec<_>>());
        let mut releases = JoinSet::new();
        while let Some(lease) = running.reports.recv().await {
            running.tasks.remove(&lease);
            let inbox = self.inbox.clone();
            releases.spawn(async move {
                if let Err(error) = inbox.settle(lease, Outcome::Released).await {
                    tracing::warn!(%error, key = %lease.key(), "not given back");
                }
            });
            if running.is_empty() {
                break;
            }
        }
        releases.join_all().await;
    }

    fn heartbeat_timer(&self) -> Interval {
        let mut timer = tokio::time::interval(self.config.heartbeat);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer
    }
}

impl<I: ?Sized, H> fmt::Debug for Worker<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("config", &self.config).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
struct Config {
    concurrency: usize,
    lease: Duration,
    heartbeat: Duration,
    timeout: Option<Duration>,
    backoff: Backoff,
    drain: Duration,
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |problem| Err(ConfigError::Worker { problem });
        if self.concurrency == 0 {
            return wrong("the concurrency must be at least 1");
        }
        if self.lease > MAX_LEASE {
            return wrong("the lease must be at most 24 h");
        }
        if self.heartbeat.is_zero() || self.heartbeat.saturating_mul(2) > self.lease {
            return wrong("the heartbeat must be more than zero and at most half of the lease");
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return wrong("the timeout must be more than zero");
        }
        Ok(())
    }
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Ordinary jobs; suspects are looked at from then on.
    Ordinary { suspects_from: Instant },
    /// A suspect is due: nothing is leased until nothing runs.
    Clearing { until: Instant },
    /// A suspect runs.
    Alone { suspect: Lease, until: Instant },
}

/// What to wait for, besides the end of a job.
#[derive(Debug, Clone, Copy)]
struct Wait {
    at_most: Duration,
    /// Whether new work ends the wait: there is room for it.
    for_work: bool,
}

impl Wait {
    fn at_most(at_most: Duration) -> Self {
        Self { at_most, for_work: false }
    }

    fn for_work(at_most: Duration) -> Self {
        Self { at_most, for_work: true }
    }
}

/// An answer that does not come is an error like any other.
async fn in_time<T>(answer: impl Future<Output = Result<T, InboxError>>) -> Result<T, InboxError> {
    let late = |_| InboxError::Busy("it did not answer in time".into());
    tokio::time::timeout(ANSWER, answer).await.map_err(late)?
}
