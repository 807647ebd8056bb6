//! What is tested, done in the obvious way instead: the controls.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use inhook::delivery::Key;
use inhook::events::Handled;
use inhook::inbox::{Inbox, InboxError, Job, LeaseOptions, Ledger, Outcome, Put};
use inhook::{Delivery, Failure};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::receiver::Spec;

/// What takes the place of a part of Inhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Naive {
    /// An intake that looks an id up and then inserts it.
    LooksThenInserts,
    /// An intake that answers a copy as soon as it has seen the first one.
    AnswersCopiesAtOnce,
    /// An intake that queues everything, and answers what is stored by then.
    QueuesWithoutBounds,
    /// An intake that answers, and stores afterwards.
    AnswersFirst,
    /// An intake that takes an error for success.
    IgnoresErrors,
    /// An intake that remembers the key, and stores afterwards.
    MarksFirst,
    /// A worker that looks for work every so often, and takes suspects like anything else.
    Polls(Duration),
    /// A server without time-outs.
    WaitsForEver,
}

/// How long a request waits before it is answered 503.
const WAIT: Duration = Duration::from_millis(500);
/// How much of a queue is stored at a time.
const AT_ONCE: usize = 64;

/// The intake of that kind, if it is one.
pub fn intake<I: Inbox + Ledger>(naive: Naive, inbox: Arc<I>) -> Option<MethodRouter> {
    Some(match naive {
        Naive::LooksThenInserts => post(move |delivery: Delivery| {
            let inbox = inbox.clone();
            async move { answer(look_then_insert(&*inbox, delivery).await) }
        }),
        Naive::AnswersCopiesAtOnce => post(move |delivery: Delivery| {
            let inbox = inbox.clone();
            async move { answer(answer_copies_at_once(&*inbox, delivery).await) }
        }),
        Naive::QueuesWithoutBounds => {
            let (queue, queued) = mpsc::unbounded_channel();
            tokio::spawn(store(inbox, queued));
            post(move |delivery: Delivery| {
                let (stored, answered) = oneshot::channel();
                let _ = queue.send((delivery, stored));
                async move {
                    let late = || InboxError::Busy("the queue is long".into());
                    let put = tokio::time::timeout(WAIT, answered).await;
                    answer(put.ok().and_then(Result::ok).ok_or_else(late))
                }
            })
        }
        Naive::AnswersFirst => post(move |delivery: Delivery| {
            let inbox = inbox.clone();
            tokio::spawn(async move { inbox.put(delivery).await });
            async { answer(Ok(Put::New)) }
        }),
        Naive::IgnoresErrors => post(move |delivery: Delivery| {
            let inbox = inbox.clone();
            async move { answer(Ok(inbox.put(delivery).await.unwrap_or(Put::New))) }
        }),
        Naive::MarksFirst => {
            let marked = Arc::new(Mutex::new(HashSet::new()));
            post(move |delivery: Delivery| async move {
                answer(mark_and_put(&*inbox, &marked, delivery).await)
            })
        }
        Naive::Polls(_) | Naive::WaitsForEver => return None,
    })
}

async fn look_then_insert<I>(inbox: &I, delivery: Delivery) -> Result<Put, InboxError>
where
    I: Inbox + Ledger,
{
    if inbox.get(delivery.key()).await.is_ok() {
        return Ok(Put::Duplicate);
    }
    // Nobody was there a moment ago.
    inbox.put(delivery).await.map(|_| Put::New)
}

async fn answer_copies_at_once<I: Inbox>(inbox: &I, delivery: Delivery) -> Result<Put, InboxError> {
    static SEEN: LazyLock<Mutex<HashSet<Key>>> = LazyLock::new(Mutex::default);
    if !SEEN.lock().unwrap().insert(delivery.key()) {
        return Ok(Put::Duplicate);
    }
    let late = |_| InboxError::Busy("the store is slow".into());
    tokio::time::timeout(WAIT, inbox.put(delivery)).await.map_err(late)?
}

async fn mark_and_put<I: Inbox>(
    inbox: &I,
    marked: &Mutex<HashSet<Key>>,
    delivery: Delivery,
) -> Result<Put, InboxError> {
    if !marked.lock().unwrap().insert(delivery.key()) {
        return Ok(Put::Duplicate);
    }
    // A store that is asked over a network is never done at once.
    tokio::task::yield_now().await;
    inbox.put(delivery).await
}

/// Stores what is queued, and tries again what the inbox refuses.
async fn store<I: Inbox>(
    inbox: Arc<I>,
    mut queued: mpsc::UnboundedReceiver<(Delivery, oneshot::Sender<Put>)>,
) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    while let Some((delivery, stored)) = queued.recv().await {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let inbox = inbox.clone();
        tokio::spawn(async move {
            let put = loop {
                match inbox.put(delivery.clone()).await {
                    Ok(put) => break put,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            };
            let _ = stored.send(put);
            drop(slot);
        });
    }
}

fn answer(put: Result<Put, InboxError>) -> Response {
    let status = match put {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = status.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    if let Ok(put) = put {
        response.extensions_mut().insert(put);
    }
    response
}

/// A worker that never stops. Its jobs are shorter than a lease, so there is no heartbeat.
pub async fn work<I, F>(
    inbox: Arc<I>,
    spec: Spec,
    looks_every: Duration,
    handle: impl Fn(Job) -> F,
) -> Result<(), InboxError>
where
    I: Inbox,
    F: Future<Output = Result<Handled, Failure>> + Send + 'static,
{
    let mut running = JoinSet::new();
    loop {
        for suspects in [true, false] {
            let free = spec.concurrency.saturating_sub(running.len());
            let mut options = LeaseOptions::new(free, spec.lease, spec.max_attempts);
            options.suspects = suspects;
            for job in inbox.lease(options).await?.jobs {
                let (inbox, lease, run) = (inbox.clone(), job.lease(), handle(job));
                running.spawn(async move {
                    let outcome = match run.await {
                        Ok(_) => Outcome::Done,
                        Err(failure) => Outcome::Dead { error: failure.to_string() },
                    };
                    inbox.settle(lease, outcome).await
                });
            }
        }
        tokio::time::sleep(looks_every).await;
        while running.try_join_next().is_some() {}
    }
}
