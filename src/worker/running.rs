//! What a worker has running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{HANGS, RETRY_STORE};
use crate::inbox::{Lease, SourceRoom};

/// A job that runs.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) abort: AbortHandle,
    /// Whether it had been tried before.
    pub(super) retry: bool,
    /// Known where sources are limited.
    pub(super) source: Option<Box<str>>,
    pub(super) since: Instant,
}

/// The tasks by their leases, for the worker and for its heartbeat.
#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<HashMap<Lease, Task>>);

impl Tasks {
    pub(super) fn leases(&self) -> Vec<Lease> {
        self.lock().keys().copied().collect()
    }

    pub(super) fn abort(&self, lost: &[Lease]) {
        let tasks = self.lock();
        lost.iter().filter_map(|lease| tasks.get(lease)).for_each(|task| task.abort.abort());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lease, Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Running {
    tasks: Arc<Tasks>,
    report: UnboundedSender<Lease>,
    reports: UnboundedReceiver<Lease>,
    pub(super) store_failures: u32,
}

impl Running {
    pub(super) fn new() -> Self {
        let (report, reports) = unbounded_channel();
        Self { tasks: Arc::default(), report, reports, store_failures: 0 }
    }

    pub(super) fn tasks(&self) -> Arc<Tasks> {
        self.tasks.clone()
    }

    pub(super) fn insert(&mut self, lease: Lease, task: Task) {
        self.tasks.lock().insert(lease, task);
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.lock().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.lock().is_empty()
    }

    /// Whether nothing runs but what has run for so long that it may never end.
    pub(super) fn is_clear(&self, lease: Duration) -> bool {
        let long = lease.saturating_mul(HANGS);
        self.tasks.lock().values().all(|task| task.since.elapsed() >= long)
    }

    pub(super) fn has(&self, lease: Lease) -> bool {
        self.tasks.lock().contains_key(&lease)
    }

    /// How many had been tried before.
    pub(super) fn retries(&self) -> usize {
        self.tasks.lock().values().filter(|task| task.retry).count()
    }

    /// What these limits leave to each source.
    pub(super) fn room(&self, limits: &SourceRoom) -> SourceRoom {
        let mut room = limits.clone();
        for source in self.tasks.lock().values().filter_map(|task| task.source.as_deref()) {
            room.set(source, room.of(source).saturating_sub(1));
        }
        room
    }

    /// What a task holds until it ends.
    pub(super) fn end(&self, lease: Lease) -> End {
        End { lease, report: self.report.clone() }
    }

    /// Waits for the end of one task, and takes all that have ended.
    pub(super) async fn ended(&mut self) {
        let mut next = self.reports.recv().await;
        let mut tasks = self.tasks.lock();
        while let Some(lease) = next {
            tasks.remove(&lease);
            next = self.reports.try_recv().ok();
        }
    }

    /// Waits for the end of one task; none is left if it is `None`.
    pub(super) async fn next_ended(&mut self) -> Option<Lease> {
        if self.is_empty() {
            return None;
        }
        let lease = self.reports.recv().await?;
        self.tasks.lock().remove(&lease);
        Some(lease)
    }

    pub(super) fn abort_all(&self) {
        self.tasks.lock().values().for_each(|task| task.abort.abort());
    }

    /// How long to leave a failing store alone.
    pub(super) fn store_pause(&self) -> Duration {
        let (first, longest) = RETRY_STORE;
        let doubled = 1u32.checked_shl(self.store_failures).unwrap_or(u32::MAX);
        first.saturating_mul(doubled).min(longest)
    }
}

impl Drop for Running {
    /// A worker that is dropped instead of stopped leaves nothing running without a heartbeat.
    fn drop(&mut self) {
        self.abort_all();
    }
}

/// Reports the end of a task when it is dropped: whether it was settled, aborted, or panicked.
pub(super) struct End {
    lease: Lease,
    report: UnboundedSender<Lease>,
}

impl Drop for End {
    fn drop(&mut self) {
        // Nobody listens any more when the worker itself was dropped.
        let _ = self.report.send(self.lease);
    }
}
