//! Renews the leases of what runs, on a thread of its own: a handler that blocks the runtime must not
//! lose its lease, and be run a second time somewhere else, because of that.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::RETRY_STORE;
use super::running::Tasks;
use crate::error::ConfigError;
use crate::inbox::{Inbox, InboxError};
use crate::panic::CatchPanic;

/// For how many leases a runtime may stall. What has not moved for longer is taken for dead, and
/// others may have its jobs.
const STALLED_LEASES: u32 = 10;
/// How long an inbox may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The thread ends when this is dropped.
pub(super) struct Heartbeat {
    _stop: Sender<()>,
}

impl Heartbeat {
    pub(super) fn start<I: Inbox + ?Sized>(
        inbox: Arc<I>,
        tasks: Arc<Tasks>,
        every: Duration,
        lease: Duration,
    ) -> Result<Self, ConfigError> {
        let (stop, stopped) = channel();
        let runtime = Handle::current();
        let beat = move || {
            let (mut pause, mut failed) = (every, false);
            let moved = Arc::new(Mutex::new(Instant::now()));
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pause) {
                let stalled = moved.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
                // It gets to this if it moves.
                let moves = moved.clone();
                runtime.spawn(async move {
                    *moves.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                });
                let doubled = pause.saturating_mul(2);
                pause = if stalled > lease.saturating_mul(STALLED_LEASES) {
                    tracing::error!(?stalled, "the runtime is blocked; its jobs lose their leases");
                    RETRY_STORE.1.min(every)
                } else if renew(&runtime, &*inbox, &tasks, lease).is_err() {
                    let (first, longest) = RETRY_STORE;
                    if failed { doubled.min(longest).min(every) } else { first.min(every) }
                } else {
                    every
                };
                failed = pause != every;
            }
        };
        let thread = thread::Builder::new().name("inhook-heartbeat".into()).spawn(beat);
        let problem = "the thread that renews leases can't be started";
        thread.map_err(|_| ConfigError::Worker { problem })?;
        Ok(Self { _stop: stop })
    }
}

/// Renews the leases of what runs, and drops what another worker has taken over.
fn renew<I: Inbox + ?Sized>(
    runtime: &Handle,
    inbox: &I,
    tasks: &Tasks,
    lease: Duration,
) -> Result<(), ()> {
    let leases = tasks.leases();
    if leases.is_empty() {
        return Ok(());
    }
    let extend = async {
        let late = |_| InboxError::Busy("it did not answer in time".into());
        tokio::time::timeout(ANSWER.min(lease.div_f32(4.0)), inbox.extend(&leases, lease))
            .await
            .map_err(late)?
    };
    // A runtime that is being shut down answers with a panic, as a backend may.
    match runtime.block_on(CatchPanic { future: extend }) {
        Ok(Ok(lost)) => {
            for lease in &lost {
                tracing::warn!(key = %lease.key(), "the lease is lost; the attempt is dropped");
            }
            tasks.abort(&lost);
            Ok(())
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "leases can't be renewed; trying again");
            Err(())
        }
        Err(panic) => {
            tracing::warn!(panic, "leases can't be renewed; trying again");
            Err(())
        }
    }
}
