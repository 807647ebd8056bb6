//! What a worker has running.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::RETRY_STORE;
use crate::inbox::Lease;

/// The tasks that run, by their leases.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) tasks: HashMap<Lease, AbortHandle>,
    report: UnboundedSender<Lease>,
    pub(super) reports: UnboundedReceiver<Lease>,
    pub(super) store_failures: u32,
}

impl Running {
    pub(super) fn new() -> Self {
        let (report, reports) = unbounded_channel();
        Self { tasks: HashMap::new(), report, reports, store_failures: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn has(&self, lease: Lease) -> bool {
        self.tasks.contains_key(&lease)
    }

    /// What a task holds until it ends.
    pub(super) fn end(&self, lease: Lease) -> End {
        End { lease, report: self.report.clone() }
    }

    /// Waits for the end of one task, and takes all that have ended.
    pub(super) async fn ended(&mut self) {
        let mut next = self.reports.recv().await;
        while let Some(lease) = next {
            self.tasks.remove(&lease);
            next = self.reports.try_recv().ok();
        }
    }

    pub(super) fn abort(&self, lost: &[Lease]) {
        for task in lost.iter().filter_map(|lease| self.tasks.get(lease)) {
            task.abort();
        }
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
        self.tasks.values().for_each(AbortHandle::abort);
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
