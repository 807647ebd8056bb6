//! A question to the inbox for work, which may take its time.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::give_back;
use crate::inbox::{Batch, Inbox, InboxError, LeaseOptions};

/// It goes on by itself, so that a worker whose inbox hangs can still be stopped; and when nobody
/// waits for the answer any more, what it leased is given back.
pub(super) struct Asking {
    options: LeaseOptions,
    answer: oneshot::Receiver<Result<Batch, InboxError>>,
}

impl Asking {
    pub(super) fn start<I: Inbox + ?Sized>(inbox: &Arc<I>, options: LeaseOptions) -> Self {
        let (sender, answer) = oneshot::channel();
        let (inbox, asked) = (inbox.clone(), options.clone());
        tokio::spawn(async move {
            let answer = inbox.lease(asked).await;
            if let Err(Ok(batch)) = sender.send(answer) {
                for job in batch.jobs {
                    give_back(inbox.clone(), job.lease()).await;
                }
            }
        });
        Self { options, answer }
    }

    /// The answer, if a question is open; it is not any more afterwards.
    pub(super) async fn answer(
        asking: &mut Option<Self>,
    ) -> (LeaseOptions, Result<Batch, InboxError>) {
        let Some(open) = asking else { return std::future::pending().await };
        let answer = (&mut open.answer).await;
        let options = open.options.clone();
        *asking = None;
        // A backend that panics is one that does not work.
        let ended = |_| Err(InboxError::unavailable("the inbox panicked"));
        (options, answer.unwrap_or_else(ended))
    }
}
