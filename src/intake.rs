//! [`Intake`]: a verified request becomes a stored delivery, and only then a 200.
//!
//! It is the leaf of the stack, not a layer: something that answered and then called an inner
//! service would lose the work when the process dies in between.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use tower_service::Service;

use crate::answer::retry_after;
use crate::delivery::Delivery;
use crate::error::BoxFuture;
use crate::inbox::{Inbox, InboxError, Put};
use crate::scheme::Answer;

/// The longest time from a verified request to its answer.
const ACCEPT_BUDGET: Duration = Duration::from_secs(2);

/// Puts deliveries into an inbox and answers 200 once they are stored.
///
/// A duplicate is answered 200 as well: the partner has done its part. Where the store is down,
/// full, or takes more than 2 s (less where the partner waits for less), the answer is 503 with
/// Retry-After. The [`Put`] or the [`InboxError`] is in the response's extensions.
///
/// ```
/// use std::sync::Arc;
/// use axum::Router;
/// use inhook::{Intake, MemoryInbox, Secret, Verifier, VerifyLayer, presets};
/// use tower::ServiceBuilder;
///
/// # let secret = Secret::new("It's a Secret to Everybody");
/// let inbox = Arc::new(MemoryInbox::new());
/// let github = ServiceBuilder::new()
///     .layer(VerifyLayer::new(Verifier::new("github-acme", presets::GITHUB, secret)?))
///     .service(Intake::new(inbox.clone()));
/// let app: Router = Router::new().route_service("/webhooks/github", github);
/// # Ok::<(), inhook::ConfigError>(())
/// ```
pub struct Intake<I: ?Sized> {
    inbox: Arc<I>,
}

impl<I: Inbox + ?Sized> Intake<I> {
    /// An intake into this inbox.
    pub fn new(inbox: Arc<I>) -> Self {
        Self { inbox }
    }
}

impl<I: ?Sized> Clone for Intake<I> {
    fn clone(&self) -> Self {
        Self { inbox: self.inbox.clone() }
    }
}

impl<I: ?Sized> fmt::Debug for Intake<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

impl<I: Inbox + ?Sized, B> Service<Request<B>> for Intake<I> {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = IntakeFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> IntakeFuture {
        let delivery = request.extensions_mut().remove::<Delivery>();
        let inbox = self.inbox.clone();
        IntakeFuture(Box::pin(async move {
            let Some(delivery) = delivery else {
                tracing::error!(
                    "an Intake got a request without a Delivery: put a VerifyLayer around it"
                );
                return answer(StatusCode::INTERNAL_SERVER_ERROR);
            };
            let (key, wanted) = (delivery.key(), delivery.answer().clone());
            match put(&*inbox, delivery).await {
                Ok(put) => {
                    tracing::debug!(%key, ?put, "accepted");
                    let mut response = accepted(&wanted);
                    response.extensions_mut().insert(put);
                    response
                }
                Err(error) => {
                    tracing::warn!(%key, %error, "not accepted");
                    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE);
                    response.headers_mut().insert(header::RETRY_AFTER, retry_after());
                    response.extensions_mut().insert(error);
                    response
                }
            }
        }))
    }
}

/// The answer of an [`Intake`].
pub struct IntakeFuture(BoxFuture<'static, Response<Full<Bytes>>>);

impl Future for IntakeFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for IntakeFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntakeFuture").finish_non_exhaustive()
    }
}

async fn put<I: Inbox + ?Sized>(inbox: &I, delivery: Delivery) -> Result<Put, InboxError> {
    let budget = ACCEPT_BUDGET.min(delivery.deadline());
    // What is too late for the partner is a duplicate when it tries again, if it was stored.
    let late = |_| InboxError::Busy("the store did not answer in time".into());
    tokio::time::timeout(budget, inbox.put(delivery)).await.map_err(late)?
}

/// What the partner takes for an accept.
fn accepted(wanted: &Answer) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(wanted.status).unwrap_or(StatusCode::OK);
    let mut response = answer(status);
    if !wanted.body.is_empty() {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        *response.body_mut() = Full::from(wanted.body.to_string());
    }
    response
}

fn answer(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
