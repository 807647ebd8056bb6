//! [`Worker`]: runs what an inbox has accepted until it is done or a dead letter.
//!
//! - **At most what it can run is leased**, so nothing waits under a lease.
//! - **The attempt is counted before the handler runs**, and a heartbeat renews the lease while it
//!   does. A handler that kills the process therefore runs out of attempts.
//! - **Suspects run alone.** A lease that lapsed belonged to a worker that vanished, perhaps because
//!   of that very job. With a suspect due the worker stops leasing and waits, for one lease at most,
//!   until nothing else runs; then the suspect has the process to itself, for one lease at most. So a
//!   killer takes its neighbours with it once, in the crash that made them suspects, and others only where it runs for
//!   longer than a lease before it kills, or they have run for longer than ten. A job that
//!   has run for ten leases is not waited for: it may hang, and suspects would never have their turn. They then run
//!   beside it, whatever the limits by source. Where attempts take so long, make the lease longer.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_service::Service;

use crate::error::ConfigError;
use crate::events::Handled;
use crate::inbox::{Batch, Inbox, InboxError, Job, LeaseOptions, SourceRoom};
use crate::retry::{Backoff, Failure};

mod asking;
mod attempt;
mod heartbeat;
mod running;
mod turn;

use asking::{Asking, Leased, give_back};
use attempt::{attempt, settle};
use heartbeat::Heartbeat;
use running::{Running, Task};
use turn::{Turn, Wait};

/// The longest wait: an inbox says when there is work, but the clock that it judges by may jump.
const LOOK: Duration = Duration::from_secs(5);
/// The first and the longest pause between two tries of an inbox that does not work.
const RETRY_STORE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The end of the drain, in which leases are given back.
const RELEASE: Duration = Duration::from_secs(2);
/// After so many leases a job is not waited for.
const HANGS: u32 = 10;
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
/// | jobs at a time | 16, half of them retries at most |
/// | jobs of one source at a time | as many |
/// | lease, heartbeat | 60 s, 20 s |
/// | time for one attempt | as long as it takes |
/// | attempts | 12, from 1 s to 1 h apart: [`Backoff`] |
/// | drain after the stop | 25 s |
pub struct Worker<I: ?Sized, H> {
    inbox: Arc<I>,
    handler: H,
    config: Config,
    sources: SourceRoom,
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
        Self { inbox, handler, config, sources: SourceRoom::default() }
    }

    /// How many jobs run at a time.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.config.concurrency = jobs;
        self
    }

    /// How many jobs of each source run at a time, so that a slow one leaves room for the others.
    /// Where sources are limited, each search for work costs some microseconds for each source that
    /// has some.
    pub fn concurrency_per_source(mut self, jobs: usize) -> Self {
        self.sources.set_each(jobs);
        self
    }

    /// How many jobs of this source run at a time.
    pub fn concurrency_of(mut self, source: impl Into<String>, jobs: usize) -> Self {
        self.sources.set(source, jobs);
        self
    }

    /// How long a lease lasts. After a crash, jobs that were running wait this long.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.config.lease = lease;
        self
    }

    /// How often the leases of running jobs are renewed: at most half a lease. A thread of its own
    /// does it, so that handlers which block the runtime keep theirs, for ten leases at most: with an
    /// inbox whose `extend` needs nothing from that runtime, as those of this crate.
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
        if self.sources.is_closed() {
            let problem = "the concurrency of a source must be at least 1";
            return Err(ConfigError::Worker { problem });
        }
        let mut stop = pin!(stop);
        let mut running = Running::new();
        let Config { heartbeat, lease, .. } = self.config;
        let _heartbeat = Heartbeat::start(self.inbox.clone(), running.tasks(), heartbeat, lease)?;
        let mut turn = Turn::new();
        let mut asking = None;
        // What there is to wait for before the inbox is asked again.
        let mut idle = None;
        loop {
            if asking.is_none() && idle.is_none() {
                match self.next(&mut turn, &running) {
                    Next::Ask(options) => asking = Some(Asking::start(&self.inbox, options)),
                    Next::Wait(wait) => idle = Some(wait),
                }
            }
            let wait = idle.unwrap_or(Wait::at_most(LOOK));
            tokio::select! {
                biased;
                () = &mut stop => break,
                answer = Asking::answer(&mut asking) => {
                    idle = self.answered(answer, &mut turn, &mut running);
                    continue;
                }
                () = running.ended(), if !running.is_empty() => {}
                () = self.inbox.ready(), if wait.for_work => {}
                () = tokio::time::sleep(wait.at_most) => {}
            }
            idle = None;
        }
        self.shut_down(running, asking).await;
        Ok(())
    }

    /// What comes next, by whose turn it is.
    fn next(&self, turn: &mut Turn, running: &Running) -> Next {
        let Config { lease, backoff, concurrency, .. } = self.config;
        match turn.at(Instant::now(), lease, running) {
            Turn::Alone { until, .. } => Next::Wait(Wait::until(until)),
            Turn::Clearing { .. } if running.is_clear(lease) => {
                Next::Ask(LeaseOptions::suspect(lease, backoff.max_attempts()))
            }
            Turn::Clearing { until } => Next::Wait(Wait::until(until)),
            Turn::Ordinary { .. } => {
                let free = concurrency.saturating_sub(running.len());
                if free == 0 {
                    return Next::Wait(Wait::at_most(LOOK));
                }
                let mut options = LeaseOptions::new(free, lease, backoff.max_attempts());
                // A storm of retries that hang leaves room for what is new.
                options.max_retries = concurrency.div_ceil(2).saturating_sub(running.retries());
                options.sources = running.room(&self.sources);
                Next::Ask(options)
            }
        }
    }

    /// Starts what the inbox gave, and says what to wait for before it is asked again.
    fn answered(
        &self,
        (options, answer): (LeaseOptions, Result<Leased<I>, InboxError>),
        turn: &mut Turn,
        running: &mut Running,
    ) -> Option<Wait> {
        let batch = match answer {
            Ok(leased) => leased.take(),
            Err(error) => {
                tracing::warn!(%error, "no work can be leased; trying again");
                let pause = running.store_pause();
                running.store_failures = running.store_failures.saturating_add(1);
                return Some(Wait::at_most(pause));
            }
        };
        running.store_failures = 0;
        for key in &batch.buried {
            tracing::error!(%key, "dead letter: its worker vanished in the last attempt");
        }
        let Batch { jobs, suspect_due, next_due, .. } = batch;
        let (full, first) = (jobs.len() == options.max, jobs.first().map(Job::lease));
        jobs.into_iter().for_each(|job| self.start(job, running));
        let now = Instant::now();
        if options.suspects {
            turn.suspect_leased(first, now, self.config.lease);
            None
        } else if turn.suspect_due(suspect_due, now, self.config.lease) || full {
            None
        } else {
            let due = next_due.into_iter().chain(turn.suspects_from(suspect_due, now)).min();
            Some(Wait::for_work(due.unwrap_or(LOOK).min(LOOK)))
        }
    }

    fn start(&self, job: Job, running: &mut Running) {
        let (inbox, handler, config) = (self.inbox.clone(), self.handler.clone(), self.config);
        let (lease, retry) = (job.lease(), job.total_attempts() > 1);
        let source = self.sources.is_limited().then(|| job.source().into());
        let end = running.end(lease);
        // Boxed, because tasks have an alignment for which allocators are slow with large ones.
        let task = tokio::spawn(Box::pin(async move {
            let outcome = attempt(handler, job, config).await;
            settle(&*inbox, lease, outcome).await;
            drop(end);
        }));
        running.insert(
            lease,
            Task { abort: task.abort_handle(), retry, source, since: Instant::now() },
        );
    }

    async fn shut_down(&self, mut running: Running, mut asking: Option<Asking<I>>) {
        let release = RELEASE.min(self.config.drain.div_f32(5.0));
        let mut deadline = pin!(tokio::time::sleep(self.config.drain.saturating_sub(release)));
        // What the inbox leases to a worker that stops is not begun.
        let mut releases = JoinSet::new();
        while !running.is_empty() || asking.is_some() {
            tokio::select! {
                (_, leased) = Asking::answer(&mut asking) => {
                    for job in leased.into_iter().flat_map(|leased| leased.take().jobs) {
                        releases.spawn(give_back(self.inbox.clone(), job.lease()));
                    }
                }
                () = running.ended(), if !running.is_empty() => {}
                () = &mut deadline => break,
            }
        }
        drop(asking);
        if !running.is_empty() {
            let jobs = running.len();
            tracing::warn!(jobs, "the drain is over; what still runs is given back");
        }
        if tokio::time::timeout(RELEASE, self.abort(running, releases)).await.is_err() {
            tracing::warn!("some jobs did not end; they are suspects when their leases end");
        }
    }

    /// Drops what runs and gives each lease back as soon as its task has ended: one that never
    /// yields holds up no other.
    async fn abort(&self, mut running: Running, mut releases: JoinSet<()>) {
        running.abort_all();
        while let Some(lease) = running.next_ended().await {
            releases.spawn(give_back(self.inbox.clone(), lease));
        }
        releases.join_all().await;
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

/// What a worker does next.
enum Next {
    /// It asks for this.
    Ask(LeaseOptions),
    Wait(Wait),
}
