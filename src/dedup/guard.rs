//! One request behind a [`DedupLayer`](super::DedupLayer): claim, run, settle. No client can cancel it.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::{Claim, Dedup, DedupError, DedupStatus, Ticket};
use crate::answer::retry_after;
use crate::delivery::Delivery;
use crate::inbox::Settled;
use crate::panic::CatchPanic;

/// How long one operation of a store may take.
pub(super) const OPERATION: Duration = Duration::from_millis(500);
/// How long a request waits for the same delivery in flight.
const WAIT: Duration = Duration::from_secs(1);
/// The first and the longest pause between two looks at a delivery in flight.
const LOOK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));
/// The first and the longest pause between two tries of a commit or a release.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How many releases and commits are tried again at a time.
pub(super) const RELEASES: usize = 64;
pub(super) const COMMITS: usize = 1_024;
/// The longest lease.
pub(super) const MAX_LEASE: Duration = Duration::from_secs(86_400);

/// What all requests of one layer share.
pub(super) struct Config<D: ?Sized> {
    pub(super) dedup: Arc<D>,
    pub(super) timeout: Duration,
    pub(super) lease: Duration,
    pub(super) fail_open: bool,
    pub(super) tasks: TaskTracker,
    pub(super) releases: Arc<Semaphore>,
    pub(super) commits: Arc<Semaphore>,
    pub(super) passed_unchecked: AtomicU64,
}

impl<D: ?Sized> fmt::Debug for Config<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("timeout", &self.timeout)
            .field("lease", &self.lease)
            .field("fail_open", &self.fail_open)
            .finish_non_exhaustive()
    }
}

/// Claims the delivery and hands the request to the inner service, or answers it.
pub(super) async fn run<D, S, B, R>(
    config: Arc<Config<D>>,
    inner: S,
    mut request: Request<B>,
    ticket: Ticket,
) -> Result<Response<R>, S::Error>
where
    D: Dedup + ?Sized,
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    let key = ticket.key();
    let (asked, claim) = claim(&*config.dedup, &ticket).await;
    let status = match claim {
        Ok(Claim::Granted) => DedupStatus::Claimed,
        Ok(Claim::Committed) => {
            tracing::debug!(%key, "duplicate");
            let accepted = request.extensions().get::<Delivery>().map(Delivery::answer);
            let status = accepted.and_then(|answer| StatusCode::from_u16(answer.status).ok());
            return Ok(Answer::Duplicate(status.unwrap_or_default()).into_response());
        }
        Ok(Claim::InFlight) => {
            tracing::info!(%key, "the same delivery is in flight");
            return Ok(Answer::Unavailable.into_response());
        }
        Err(error) if config.fail_open && error.is_failure() => {
            tracing::warn!(%key, %error, "passed on without deduplication");
            config.passed_unchecked.fetch_add(1, Ordering::Relaxed);
            DedupStatus::Unknown
        }
        Err(error) => {
            tracing::warn!(%key, %error, "not claimed");
            // The claim may have been made all the same.
            if error.is_unknown() {
                settle_later(&config, ticket, End::Release);
            }
            let mut response = Answer::Unavailable.into_response::<R>();
            response.extensions_mut().insert(error);
            return Ok(response);
        }
    };
    request.extensions_mut().insert(status);
    // Counted from before the store was asked, so it is over before the lease is.
    let start = if status == DedupStatus::Claimed { asked } else { Instant::now() };
    let (answer, end) = handle(inner, request, after(start, config.timeout)).await;
    settle(&config, ticket, end).await;
    answer
}

/// Runs the inner service, whatever it does, and says how the claim ends.
pub(super) async fn handle<S, B, R>(
    inner: S,
    request: Request<B>,
    deadline: Instant,
) -> (Result<Response<R>, S::Error>, End)
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    // Half of it is for the work: or those that waited longest would be cut off in the middle, and come again.
    let now = Instant::now();
    let half = deadline.duration_since(now).checked_div(2).unwrap_or_default();
    let inner = until(deadline, call(inner, request, after(now, half)));
    // It is dropped inside, so it is gone when this returns, and may panic even then.
    match (CatchPanic { future: inner }).await {
        Ok(Some(Ok(response))) if response.status().is_success() => (Ok(response), End::Commit),
        Ok(Some(answer)) => (answer, End::Release),
        Ok(None) => {
            tracing::warn!("the inner service took too long");
            (Ok(Answer::Unavailable.into_response()), End::Release)
        }
        Err(panic) => {
            tracing::error!(panic, "the inner service panicked");
            (Ok(Answer::Panicked.into_response()), End::Release)
        }
    }
}

/// Hands the request to the inner service if that has a place for it in time.
async fn call<S, B, R>(
    mut inner: S,
    request: Request<B>,
    place_until: Instant,
) -> Result<Response<R>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    match until(place_until, std::future::poll_fn(|cx| inner.poll_ready(cx))).await {
        Some(ready) => ready?,
        None => {
            tracing::warn!("the inner service has no place");
            return Ok(Answer::Unavailable.into_response());
        }
    }
    inner.call(request).await
}

/// Polls the future as long as its time is not over. Unlike tokio's time-out this looks at the time first:
/// a process that was stopped, or an outer layer that polls late, does not start what is too late.
async fn until<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    let (mut future, mut timer) = (pin!(future), pin!(tokio::time::sleep_until(deadline)));
    std::future::poll_fn(|cx| {
        if Instant::now() >= deadline {
            return Poll::Ready(None);
        }
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
        }
    })
    .await
}

/// The settings are short enough for any clock.
pub(super) fn after(start: Instant, length: Duration) -> Instant {
    start.checked_add(length).unwrap_or(start)
}

/// How a claim ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Commit,
    Release,
}

impl End {
    async fn settle<D: Dedup + ?Sized>(
        self,
        dedup: &D,
        ticket: &Ticket,
    ) -> Result<Settled, DedupError> {
        in_time(match self {
            Self::Commit => dedup.commit(ticket),
            Self::Release => dedup.release(ticket),
        })
        .await
    }
}

/// Asks until the delivery is no longer in flight, or the wait is over. Returns as well when it asked for
/// the answer: a lease that was granted does not begin before.
async fn claim<D: Dedup + ?Sized>(
    dedup: &D,
    ticket: &Ticket,
) -> (Instant, Result<Claim, DedupError>) {
    let mut wait_until = None;
    let (mut pause, longest) = LOOK;
    loop {
        let asked = Instant::now();
        let claim = in_time(dedup.claim(ticket)).await;
        let waits = matches!(claim, Ok(Claim::InFlight));
        if !waits || *wait_until.get_or_insert_with(|| after(asked, WAIT)) < Instant::now() {
            return (asked, claim);
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// Tries once while the client waits for its answer, and then goes on without it.
async fn settle<D: Dedup + ?Sized>(config: &Arc<Config<D>>, ticket: Ticket, end: End) {
    match end.settle(&*config.dedup, &ticket).await {
        Ok(Settled::Recorded) => {}
        Ok(Settled::Stale) => stale(&ticket, end),
        Err(error) => {
            tracing::warn!(key = %ticket.key(), %error, ?end, "not recorded; trying again");
            settle_later(config, ticket, end);
        }
    }
}

/// Tries until the lease has ended: from then on it makes no difference. In an outage there are many of
/// these, so their number is bounded; the others are left to their leases.
fn settle_later<D: Dedup + ?Sized>(config: &Arc<Config<D>>, ticket: Ticket, end: End) {
    let bound = match end {
        End::Commit => &config.commits,
        End::Release => &config.releases,
    };
    let Ok(permit) = bound.clone().try_acquire_owned() else {
        tracing::warn!(key = %ticket.key(), ?end, "not recorded, and too many others wait for it");
        return;
    };
    let dedup = config.dedup.clone();
    config.tasks.spawn(async move {
        let _permit = permit;
        let tries = async {
            let (mut pause, longest) = RETRY;
            loop {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(longest);
                if let Ok(settled) = end.settle(&*dedup, &ticket).await {
                    return settled;
                }
            }
        };
        match tokio::time::timeout(ticket.lease(), tries).await {
            Ok(Settled::Recorded) => {}
            Ok(Settled::Stale) => stale(&ticket, end),
            Err(_) => tracing::error!(
                key = %ticket.key(), ?end,
                "not recorded before the lease ended; the delivery may run again"
            ),
        }
    });
}

fn stale(ticket: &Ticket, end: End) {
    if let End::Commit = end {
        tracing::warn!(key = %ticket.key(), "another request has taken the delivery over; it may have run twice");
    }
}

async fn in_time<T>(
    operation: impl Future<Output = Result<T, DedupError>>,
) -> Result<T, DedupError> {
    tokio::time::timeout(OPERATION, operation).await.map_err(|_| DedupError::Late(OPERATION))?
}

/// What is answered in place of the inner service.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// With the status that the partner takes for an accept.
    Duplicate(StatusCode),
    Unavailable,
    Panicked,
    Unverified,
}

impl Answer {
    pub(super) fn into_response<R: Default>(self) -> Response<R> {
        let mut response = Response::new(R::default());
        *response.status_mut() = match self {
            Self::Duplicate(accepted) => accepted,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked | Self::Unverified => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if let Self::Unavailable = self {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after());
        }
        response
    }
}
