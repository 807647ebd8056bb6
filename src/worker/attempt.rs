//! One attempt: the handler's run, whatever it does, and the record of how it ended.

use tower::ServiceExt;
use tower_service::Service;

use super::{Config, RETRY_STORE};
use crate::events::Handled;
use crate::inbox::{Inbox, Job, Lease, Outcome, Settled};
use crate::panic::CatchPanic;
use crate::retry::Failure;

/// The longest error that is kept, in characters.
const MAX_ERROR: usize = 2_000;

/// Runs the handler once.
pub(super) async fn attempt<H>(handler: H, job: Job, config: Config) -> Outcome
where
    H: Service<Job, Response = Handled, Error = Failure>,
{
    let (number, key) = (job.attempt(), job.key());
    let source = job.source().to_owned();
    let run = async move {
        // The error becomes text here, where it may panic as well.
        let describe = |failure: Failure| (failure.is_permanent(), failure.to_string());
        let run = async { handler.oneshot(job).await.map_err(describe) };
        match config.timeout {
            None => run.await,
            Some(timeout) => tokio::time::timeout(timeout, run).await.unwrap_or_else(|_| {
                Err((false, format!("the attempt took more than {timeout:?}")))
            }),
        }
    };
    let result = CatchPanic { future: run }
        .await
        .unwrap_or_else(|panic| Err((false, format!("the handler panicked: {panic}"))));
    match result {
        Ok(Handled::Done) => Outcome::Done,
        Ok(Handled::Skipped) => Outcome::Skipped,
        Err((permanent, error)) => {
            let error = shorten(error);
            if permanent || number >= config.backoff.max_attempts() {
                tracing::error!(source, %key, attempt = number, error, "dead letter");
                Outcome::Dead { error }
            } else {
                let after = config.backoff.delay(number);
                tracing::warn!(source, %key, attempt = number, ?after, error, "trying again");
                Outcome::Retry { after, error }
            }
        }
    }
}

/// Records the outcome, however long the store takes to work again: the job is not run twice for
/// that as long as its lease can be renewed.
pub(super) async fn settle<I: Inbox + ?Sized>(inbox: &I, lease: Lease, outcome: Outcome) {
    let (mut pause, longest) = RETRY_STORE;
    loop {
        match inbox.settle(lease, outcome.clone()).await {
            Ok(Settled::Recorded) => return,
            Ok(Settled::Stale) => {
                tracing::warn!(key = %lease.key(), "nothing changed: the lease is not held any more, as the job was settled, taken over, or made a dead letter");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, key = %lease.key(), "not recorded; trying again");
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(longest);
            }
        }
    }
}

fn shorten(mut error: String) -> String {
    if let Some((end, _)) = error.char_indices().nth(MAX_ERROR) {
        error.truncate(end);
        error.push('…');
    }
    error
}
