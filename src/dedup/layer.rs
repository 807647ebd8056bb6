use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tower_layer::Layer;
use tower_service::Service;

use super::guard::{self, Answer, Config};
use super::{Dedup, DedupStatus, Ticket};
use crate::delivery::Delivery;
use crate::error::{BoxFuture, ConfigError};
use crate::layer::Share;

/// Lets each delivery reach the inner service once. See the [module](super) for what it does when.
///
/// It needs a [`VerifyLayer`](crate::VerifyLayer) outside of it; without one the answer is 500. A client
/// that hangs up does not cancel half a handler: the inner service then goes on in a task of its own.
///
/// | the inner service | the delivery is | answer |
/// |---|---|---|
/// | answers 2xx, with a streaming body or not | committed when the head is there | passed on |
/// | answers anything else | released | passed on |
/// | fails | released | its error, passed on |
/// | panics | released | 500 |
/// | has no place for half of the time-out, as within a limit | released | 503 with Retry-After |
/// | takes longer than the time-out | dropped at its await, then released; what it spawned goes on | 503 with Retry-After |
/// | ends with its process or runtime | claimed until its lease ends | none, or 503 |
///
/// | what | default |
/// |---|---|
/// | time-out of the inner service | 10 s |
/// | lease of a claim | 30 s |
/// | one operation of the store | 500 ms |
/// | wait for the same delivery in flight | 1 s |
pub struct DedupLayer<D: ?Sized> {
    config: Arc<Config<D>>,
}

impl<D: Dedup + ?Sized> DedupLayer<D> {
    /// A layer with the default settings.
    pub fn new(dedup: Arc<D>) -> Self {
        let DedupLayerBuilder { dedup, timeout, lease, fail_open } = Self::builder(dedup);
        Self::from_parts(dedup, timeout, lease, fail_open)
    }

    /// A layer with other settings.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use inhook::{DedupLayer, MemoryDedup};
    ///
    /// let layer = DedupLayer::builder(Arc::new(MemoryDedup::new()))
    ///     .timeout(Duration::from_secs(25))
    ///     .build()?;
    /// # Ok::<(), inhook::ConfigError>(())
    /// ```
    pub fn builder(dedup: Arc<D>) -> DedupLayerBuilder<D> {
        DedupLayerBuilder {
            dedup,
            timeout: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            fail_open: false,
        }
    }

    /// Waits for the handlers that are running although their clients have gone, and for commits and
    /// releases that are tried again: for a time-out and a lease, and a few seconds more, at the worst. Call
    /// it when the server has
    /// stopped, before the runtime ends: a claim whose handler is cancelled lasts until its lease ends.
    pub async fn drain(&self) {
        self.config.tasks.wait().await;
    }

    /// How many requests were passed on without deduplication, because the store failed and
    /// [`fail_open`](DedupLayerBuilder::fail_open) was chosen.
    pub fn passed_unchecked(&self) -> u64 {
        self.config.passed_unchecked.load(Ordering::Relaxed)
    }

    fn from_parts(dedup: Arc<D>, timeout: Duration, lease: Duration, fail_open: bool) -> Self {
        let (tasks, passed_unchecked) = (TaskTracker::new(), AtomicU64::new(0));
        // Closed, it still takes tasks; `wait` returns whenever there are none.
        tasks.close();
        let config = Config {
            dedup,
            timeout,
            lease,
            fail_open,
            tasks,
            releases: Arc::new(Semaphore::new(guard::RELEASES)),
            commits: Arc::new(Semaphore::new(guard::COMMITS)),
            passed_unchecked,
        };
        Self { config: Arc::new(config) }
    }
}

impl<D: ?Sized> Clone for DedupLayer<D> {
    fn clone(&self) -> Self {
        Self { config: self.config.clone() }
    }
}

impl<D: ?Sized> fmt::Debug for DedupLayer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedupLayer").field("config", &self.config).finish()
    }
}

impl<S, D: ?Sized> Layer<S> for DedupLayer<D> {
    type Service = Deduplicate<S, D>;

    fn layer(&self, inner: S) -> Deduplicate<S, D> {
        Deduplicate { inner, config: self.config.clone() }
    }
}

/// Sets up a [`DedupLayer`]; everything is checked once, in [`build`](Self::build).
#[must_use = "nothing is deduplicated until `build` is called"]
pub struct DedupLayerBuilder<D: ?Sized> {
    dedup: Arc<D>,
    timeout: Duration,
    lease: Duration,
    fail_open: bool,
}

impl<D: Dedup + ?Sized> DedupLayerBuilder<D> {
    /// How long the inner service may take. The wait for a place in it, as within a limit, counts, and is half of that at
    /// most: then the answer is 503.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a claim lasts that nobody commits or releases: after a crash, the partner's retries
    /// are answered 503 for this long.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Passes requests on when the store fails, instead of answering 503: a duplicate then runs again.
    /// Such requests are [counted](DedupLayer::passed_unchecked), and their [`DedupStatus`] is
    /// [`Unknown`](DedupStatus::Unknown). A store that is full is no failure, and one that is
    /// [misconfigured](crate::dedup::DedupError::Misconfigured) is: nothing is deduplicated until that is mended.
    pub fn fail_open(mut self) -> Self {
        self.fail_open = true;
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// The time-out is zero, or not shorter than the lease by 500 ms; a lease of more than 24 h.
    pub fn build(self) -> Result<DedupLayer<D>, ConfigError> {
        let wrong = |problem| Err(ConfigError::Dedup { problem });
        if self.timeout.is_zero() {
            return wrong("the time-out must be more than zero");
        }
        if self.timeout.saturating_add(guard::OPERATION) > self.lease {
            return wrong(
                "the time-out must be shorter than the lease by 500 ms, in which the end is recorded; otherwise another handler could start beside one that still runs",
            );
        }
        if self.lease > guard::MAX_LEASE {
            return wrong("the lease must be at most 24 h");
        }
        Ok(DedupLayer::from_parts(self.dedup, self.timeout, self.lease, self.fail_open))
    }
}

impl<D: ?Sized> fmt::Debug for DedupLayerBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedupLayerBuilder")
            .field("timeout", &self.timeout)
            .field("lease", &self.lease)
            .field("fail_open", &self.fail_open)
            .finish_non_exhaustive()
    }
}

/// The service that [`DedupLayer`] makes.
pub struct Deduplicate<S, D: ?Sized> {
    inner: S,
    config: Arc<Config<D>>,
}

impl<S: Clone, D: ?Sized> Clone for Deduplicate<S, D> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), config: self.config.clone() }
    }
}

impl<S: fmt::Debug, D: ?Sized> fmt::Debug for Deduplicate<S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicate")
            .field("inner", &self.inner)
            .field("config", &self.config)
            .finish()
    }
}

impl<S, D, B, R> Service<Request<B>> for Deduplicate<S, D>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    D: Dedup + ?Sized,
    B: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = DeduplicateFuture<R, S::Error>;

    /// Always: the inner service is waited for when the delivery is claimed.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> DeduplicateFuture<R, S::Error> {
        let Some(delivery) = request.extensions().get::<Delivery>() else {
            tracing::error!(
                "a DedupLayer got a request without a Delivery: put a VerifyLayer around it"
            );
            return DeduplicateFuture(State::Answered(Answer::Unverified));
        };
        let share = request.extensions().get::<Share>().cloned();
        let inner = self.inner.clone();
        let config = self.config.clone();
        let running = config.tasks.token();
        let ticket = delivery.has_identity().then(|| Ticket::new(delivery, config.lease));
        DeduplicateFuture(State::Running(Box::pin(async move {
            // The body counts for as long as this runs, whoever waits for it.
            let _running = (running, share);
            match ticket {
                Some(ticket) => guard::run(config, inner, request, ticket).await,
                None => {
                    request.extensions_mut().insert(DedupStatus::NoIdentity);
                    let deadline = guard::after(Instant::now(), config.timeout);
                    guard::handle(inner, request, deadline).await.0
                }
            }
        })))
    }
}

/// The answer of [`Deduplicate`]. Dropping it does not stop the inner service.
pub struct DeduplicateFuture<R: 'static, E: 'static>(State<R, E>);

enum State<R: 'static, E: 'static> {
    Running(BoxFuture<'static, Result<Response<R>, E>>),
    Answered(Answer),
    Over,
}

impl<R: Default, E> Future for DeduplicateFuture<R, E> {
    type Output = Result<Response<R>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Whatever happens while it is polled, it is not polled again after its end.
        let answer = match std::mem::replace(&mut self.0, State::Over) {
            State::Running(mut running) => match running.as_mut().poll(cx) {
                Poll::Ready(answer) => answer,
                Poll::Pending => {
                    self.0 = State::Running(running);
                    return Poll::Pending;
                }
            },
            State::Answered(answer) => Ok(answer.into_response()),
            State::Over => Ok(Answer::Unavailable.into_response()),
        };
        Poll::Ready(answer)
    }
}

impl<R, E> Drop for DeduplicateFuture<R, E> {
    /// The client has gone, or an outer layer waits no longer.
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.0, State::Over);
        // Without a runtime it ends here, and the claim with its lease.
        if let (State::Running(running), Ok(runtime)) = (state, Handle::try_current()) {
            runtime.spawn(async move { drop(running.await) });
        }
    }
}

impl<R, E> fmt::Debug for DeduplicateFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeduplicateFuture").finish_non_exhaustive()
    }
}
