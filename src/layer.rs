//! [`VerifyLayer`]: only verified requests reach the inner service.
//!
//! ```
//! use axum::{Router, routing::post};
//! use inhook::{Secret, Verifier, VerifyLayer, presets};
//!
//! # let secret = Secret::new("It's a Secret to Everybody");
//! let verifier = Verifier::new("github-acme", presets::GITHUB, secret)?;
//! let app: Router = Router::new()
//!     .route("/webhooks/github", post(|body: String| async move { println!("{body}") }))
//!     // `route_layer`, not `layer`, which would also turn every 404 into a 401.
//!     .route_layer(VerifyLayer::new(verifier));
//! # Ok::<(), inhook::ConfigError>(())
//! ```
//!
//! The inner service gets the whole body again, byte for byte, and the
//! [`Delivery`](crate::Delivery) as a request extension. Three things to know:
//!
//! - **Nothing may touch the body before**: a decompression layer outside this one changes the
//!   bytes that were signed. A compressed body is answered 415.
//! - **Rate limits by peer** belong outside, where the peer's real address is known; this layer
//!   bounds what it holds in memory by itself.
//! - **A limit on handlers** (`GlobalConcurrencyLimitLayer`) belongs inside: it is asked for a place when a
//!   request is verified, so nobody without the secret takes one. It is waited for as long as the partner's
//!   deadline, then the answer is 503. That is so in one `ServiceBuilder`, directly behind this layer; in axum, a
//!   `route_layer` call of its own waits without a bound.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header, request};
use http_body::Body;
use http_body_util::Full;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use crate::error::BoxError;
use crate::verify::{Rejection, Verifier};

mod budget;
mod received;

pub use budget::BodyBudget;
pub(crate) use budget::Share;
use received::Received;

/// Verifies each request before the inner service sees it, and refuses the others.
///
/// | what | default |
/// |---|---|
/// | longest body | 1 MiB |
/// | time for the body to arrive | 10 s, or the partner's own deadline if that is shorter |
/// | bytes of bodies in memory, as [`BodyBudget`] counts them | 64 MiB |
/// | time for the inner service to have a place | the partner's own deadline |
#[derive(Debug, Clone)]
pub struct VerifyLayer {
    config: Arc<Config>,
}

impl VerifyLayer {
    /// A layer with the default limits.
    pub fn new(verifier: Verifier) -> Self {
        let body_deadline = verifier.deadline().min(Duration::from_secs(10));
        let budget = BodyBudget::new(64 << 20);
        Self { config: Arc::new(Config { verifier, max_body: 1 << 20, body_deadline, budget }) }
    }

    /// The longest body in bytes. A longer one is answered 413, before it is read where its length
    /// is declared.
    pub fn max_body(self, bytes: usize) -> Self {
        self.with(|config| config.max_body = bytes)
    }

    /// How long the body may take to arrive. A slower one is answered 408.
    pub fn body_deadline(self, deadline: Duration) -> Self {
        self.with(|config| config.body_deadline = deadline)
    }

    /// The budget that this layer's bodies count against. Clones of one budget are one budget, so
    /// all routes may share it.
    pub fn body_budget(self, budget: BodyBudget) -> Self {
        self.with(|config| config.budget = budget)
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = Verify<S>;

    fn layer(&self, inner: S) -> Verify<S> {
        Verify { inner, config: self.config.clone() }
    }
}

/// The service that [`VerifyLayer`] makes.
#[derive(Debug, Clone)]
pub struct Verify<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S, B, R> Service<Request<B>> for Verify<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone,
    B: Body,
    B::Error: Into<BoxError>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = VerifyFuture<S, B>;

    /// Always: what the inner service has places for is kept for requests that are verified.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> VerifyFuture<S, B> {
        let (parts, body) = request.into_parts();
        let state = match self.config.check(&parts, &body) {
            Err(rejection) => State::Refused { rejection: Some(rejection) },
            Ok(()) => State::Reading {
                request: Some((self.inner.clone(), parts)),
                body,
                deadline: tokio::time::sleep(self.config.body_deadline),
            },
        };
        let received = Received::new(&self.config.budget);
        VerifyFuture { config: self.config.clone(), received, state }
    }
}

pin_project! {
    /// The answer of [`Verify`].
    pub struct VerifyFuture<S, B>
    where
        S: Service<Request<Full<Bytes>>>,
    {
        config: Arc<Config>,
        received: Received,
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Reading {
            request: Option<(S, request::Parts)>,
            #[pin]
            body: B,
            #[pin]
            deadline: Sleep,
        },
        // For a place in the inner service.
        Waiting {
            verified: Option<Verified<S>>,
            #[pin]
            deadline: Sleep,
        },
        Inner {
            #[pin]
            future: F,
            // Until it is answered, and not only until the body is read, that counts.
            share: Share,
        },
        Refused {
            rejection: Option<Rejection>,
        },
    }
}

/// What the inner service gets, and what of the budget it holds until it is answered.
type Verified<S> = (S, Request<Full<Bytes>>, Share);

impl<S, B, R> Future for VerifyFuture<S, B>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Default,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Reading { request, body, deadline } => {
                    let read = ready!(this.received.poll(body, deadline, this.config, cx));
                    let verified = read.and_then(|(body, share)| {
                        let (inner, mut request) = this.config.verify(request.take(), body)?;
                        request.extensions_mut().insert(share.clone());
                        Ok((inner, request, share))
                    });
                    match verified {
                        Ok(verified) => State::Waiting {
                            verified: Some(verified),
                            deadline: tokio::time::sleep(this.config.verifier.deadline()),
                        },
                        Err(rejection) => State::Refused { rejection: Some(rejection) },
                    }
                }
                StateProjection::Waiting { verified, deadline } => {
                    let is_ready = match verified {
                        Some((inner, ..)) => inner.poll_ready(cx)?.is_ready(),
                        None => false,
                    };
                    match verified.take_if(|_| is_ready) {
                        Some((mut inner, request, share)) => {
                            State::Inner { future: inner.call(request), share }
                        }
                        None => {
                            ready!(deadline.poll(cx));
                            let after = this.config.verifier.deadline();
                            State::Refused { rejection: Some(Rejection::Busy { after }) }
                        }
                    }
                }
                StateProjection::Inner { future, .. } => return future.poll(cx),
                StateProjection::Refused { rejection } => {
                    let rejection = rejection.take().unwrap_or(Rejection::BodyAborted);
                    return Poll::Ready(Ok(this.config.refuse(rejection)));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Request<Full<Bytes>>>, B> fmt::Debug for VerifyFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyFuture").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct Config {
    verifier: Verifier,
    max_body: usize,
    body_deadline: Duration,
    budget: BodyBudget,
}

impl Config {
    /// What can be decided before the body is read.
    fn check<B: Body>(&self, parts: &request::Parts, body: &B) -> Result<(), Rejection> {
        if parts.method != Method::POST {
            return Err(Rejection::Method);
        }
        let encodings = parts.headers.get_all(header::CONTENT_ENCODING).iter();
        if encodings
            .into_iter()
            .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(Rejection::ContentEncoding);
        }
        let max = u64::try_from(self.max_body).unwrap_or(u64::MAX);
        if body.size_hint().lower() > max {
            return Err(Rejection::TooLarge { max: self.max_body });
        }
        self.verifier.check_headers(&parts.headers)
    }

    /// The request for the inner service, with its delivery.
    fn verify<S>(
        &self,
        request: Option<(S, request::Parts)>,
        body: Bytes,
    ) -> Result<(S, Request<Full<Bytes>>), Rejection> {
        // The state machine takes it once.
        let (inner, parts) = request.ok_or(Rejection::BodyAborted)?;
        let mut signed = Request::new(body.clone());
        *signed.method_mut() = parts.method.clone();
        *signed.uri_mut() = parts.uri.clone();
        *signed.headers_mut() = parts.headers.clone();
        let delivery = self.verifier.verify(signed)?;
        let mut request = Request::from_parts(parts, Full::new(body));
        request.extensions_mut().insert(delivery);
        Ok((inner, request))
    }

    /// The answer to a refused request. The reason stays on our side.
    fn refuse<R: Default>(&self, rejection: Rejection) -> Response<R> {
        let (source, status) = (self.verifier.source(), rejection.status());
        tracing::info!(source, status = status.as_u16(), reason = %rejection, "request refused");
        let mut response = Response::new(R::default());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        match rejection {
            Rejection::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            Rejection::Overloaded { .. } | Rejection::Busy { .. } => {
                headers.insert(header::RETRY_AFTER, crate::answer::retry_after());
            }
            _ => {}
        }
        response.extensions_mut().insert(rejection);
        response
    }
}
