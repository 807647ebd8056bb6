//! A question to the inbox for work, which may take its time.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::inbox::{Batch, Inbox, InboxError, Lease, LeaseOptions, Outcome};

/// It goes on by itself, so that a worker whose inbox hangs can still be stopped.
pub(super) struct Asking<I: Inbox + ?Sized> {
    options: LeaseOptions,
    asked: Instant,
    answer: oneshot::Receiver<Result<Leased<I>, InboxError>>,
}

impl<I: Inbox + ?Sized> Asking<I> {
    pub(super) fn start(inbox: &Arc<I>, options: LeaseOptions) -> Self {
        let (sender, answer) = oneshot::channel();
        let (inbox, question) = (inbox.clone(), options.clone());
        tokio::spawn(async move {
            let batch = inbox.lease(question).await;
            drop(sender.send(batch.map(|batch| Leased { inbox, batch })));
        });
        Self { options, asked: Instant::now(), answer }
    }

    /// The answer, if a question is open; it is not any more afterwards.
    pub(super) async fn answer(
        asking: &mut Option<Self>,
    ) -> (LeaseOptions, Result<Leased<I>, InboxError>) {
        let Some(open) = asking else { return std::future::pending().await };
        let answer = (&mut open.answer).await;
        let (options, late) =
            (open.options.clone(), open.asked.elapsed() > open.options.lease.div_f32(2.0));
        *asking = None;
        if late && answer.is_ok() {
            // A beat may be too late for these leases, so they are given back, not begun.
            return (options, Err(InboxError::Busy("it did not answer in time".into())));
        }
        // A backend that panics is one that does not work.
        let ended = |_| Err(InboxError::unavailable("the inbox panicked"));
        (options, answer.unwrap_or_else(ended))
    }
}

/// What was leased. Whatever nobody takes is given back.
pub(super) struct Leased<I: Inbox + ?Sized> {
    inbox: Arc<I>,
    batch: Batch,
}

impl<I: Inbox + ?Sized> Leased<I> {
    /// All of it, to be begun at once.
    pub(super) fn take(mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }
}

impl<I: Inbox + ?Sized> Drop for Leased<I> {
    fn drop(&mut self) {
        // Without a runtime these are suspects when their leases end.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        for job in self.batch.jobs.drain(..) {
            runtime.spawn(give_back(self.inbox.clone(), job.lease()));
        }
    }
}

pub(super) async fn give_back<I: Inbox + ?Sized>(inbox: Arc<I>, lease: Lease) {
    if let Err(error) = inbox.settle(lease, Outcome::Released).await {
        tracing::warn!(%error, key = %lease.key(), "not given back");
    }
}
