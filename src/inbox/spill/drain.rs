//! Handing what was spilled over to the primary.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::late;
use crate::inbox::sqlite::SqliteInbox;
use crate::inbox::{Batch, Inbox, InboxError, Job, LeaseOptions, Outcome};

/// How many deliveries are handed over at a time; their bodies are in memory together.
const BATCH: usize = 16;
/// Longer than a batch takes. After a crash, what it had leased waits for the rest of it.
const LEASE: Duration = Duration::from_secs(10);
/// However often the primary refuses a delivery, it is no dead letter.
const ATTEMPTS: u32 = u32::MAX;
/// How long the primary has for one of them: no partner is waiting, but a primary that never answers
/// must not hold up the drain.
const ANSWER: Duration = Duration::from_secs(3);
/// How long the primary is left alone while it fails: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How often the spill is looked at when nothing says that there is something in it.
const LOOK: Duration = Duration::from_secs(2);

/// What one turn has come to.
enum Turn {
    /// Nothing is due, until then at least.
    Idle(Option<Duration>),
    /// Some were handed over.
    Moved,
    /// None could be.
    Failed(InboxError),
}

/// Hands over what is spilled, for ever.
pub(super) async fn run<I: Inbox + ?Sized>(primary: Arc<I>, store: Arc<SqliteInbox>) {
    let (shortest, longest) = PAUSE;
    let mut pause = None;
    loop {
        // While the primary fails, one shows whether it works again.
        let max = if pause.is_none() { BATCH } else { 1 };
        match turn(&primary, &store, max).await {
            Turn::Moved => pause = None,
            Turn::Idle(next) => {
                pause = None;
                let wait = next.map_or(LOOK, |next| next.min(LOOK));
                let _ = tokio::time::timeout(wait, store.ready()).await;
            }
            Turn::Failed(error) => {
                // Said once; each delivery that is spilled is in the log as well.
                if pause.is_none() {
                    tracing::warn!(%error, "what was spilled can't be handed over; trying again");
                }
                let wait = pause.unwrap_or(shortest);
                tokio::time::sleep(wait).await;
                pause = Some(wait.saturating_mul(2).min(longest));
            }
        }
    }
}

async fn turn<I: Inbox + ?Sized>(primary: &Arc<I>, store: &Arc<SqliteInbox>, max: usize) -> Turn {
    let batch = match lease(store, max).await {
        Ok(batch) => batch,
        Err(error) => return Turn::Failed(error),
    };
    if batch.jobs.is_empty() {
        return Turn::Idle(batch.next_due);
    }
    // Together, so that they share transactions; and one that panics ends no other.
    let mut tasks = JoinSet::new();
    for job in batch.jobs {
        tasks.spawn(hand_over(primary.clone(), store.clone(), job));
    }
    let mut moved = false;
    let mut failed = None;
    while let Some(ended) = tasks.join_next().await {
        match ended.map_err(InboxError::unavailable).flatten() {
            Ok(()) => moved = true,
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if !moved => Turn::Failed(error),
        _ => Turn::Moved,
    }
}

/// Ordinary ones and suspects alike: a delivery here can't be what killed its process, since nothing
/// but its bytes is looked at.
async fn lease(store: &SqliteInbox, max: usize) -> Result<Batch, InboxError> {
    let mut batch = store.lease(LeaseOptions::new(max, LEASE, ATTEMPTS)).await?;
    if batch.suspect_due {
        let options = LeaseOptions { max, ..LeaseOptions::suspect(LEASE, ATTEMPTS) };
        batch.jobs.extend(store.lease(options).await?.jobs);
    }
    Ok(batch)
}

/// The spill forgets a delivery only after the primary has it.
async fn hand_over<I: Inbox + ?Sized>(
    primary: Arc<I>,
    store: Arc<SqliteInbox>,
    job: Job,
) -> Result<(), InboxError> {
    let (key, lease) = (job.key(), job.lease());
    let put = tokio::time::timeout(ANSWER, primary.put_record(job.record().clone())).await;
    match put.unwrap_or_else(|_| Err(late())) {
        Ok(put) => {
            tracing::info!(%key, ?put, "handed over to the primary");
            store.forget(lease).await.map(drop)
        }
        Err(error) => {
            // If this fails, it is due when the lease ends.
            let _ = store.settle(lease, Outcome::Released).await;
            Err(error)
        }
    }
}
