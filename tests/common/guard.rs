//! A handler of the test's own behind `VerifyLayer` and `DedupLayer`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use inhook::dedup::Dedup;
use inhook::scheme::Scheme;
use inhook::sign::Message;
use inhook::testing::{FakeClock, Partner};
use inhook::{DedupLayer, Delivery, Verifier, VerifyLayer, presets};
use tower::{Layer, Service, service_fn};

use super::SECRET;

pub(crate) type Answer = Response<Body>;

pub(crate) fn answer(status: u16) -> Answer {
    Response::builder().status(status).body(Body::from("from the handler")).unwrap()
}

pub(crate) fn partner() -> Partner {
    Partner::new(presets::STANDARD_WEBHOOKS, SECRET)
}

/// `{"type":"ping"}` under an id.
pub(crate) fn message(id: &str) -> Message {
    Message::new(r#"{"type":"ping"}"#).id(id)
}

pub(crate) fn verify(scheme: Scheme) -> VerifyLayer {
    VerifyLayer::new(Verifier::new("acme", scheme, SECRET).unwrap())
}

/// A handler behind both layers, as a service that can be cloned.
pub(crate) fn guarded<D, H, F>(
    layer: &DedupLayer<D>,
    handler: H,
) -> impl Service<Request<Full<Bytes>>, Response = Answer, Error = BoxError, Future: Send>
+ Clone
+ use<D, H, F>
where
    D: Dedup,
    H: FnMut(Request<Full<Bytes>>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Answer, BoxError>> + Send + 'static,
{
    verify(presets::STANDARD_WEBHOOKS).layer(layer.layer(service_fn(handler)))
}

pub(crate) type BoxError = inhook::BoxError;

pub(crate) async fn body(response: Answer) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// A layer over memory, whose handler counts its runs and answers what `answers` says, in turn.
pub(crate) struct Counted {
    pub(crate) runs: Arc<AtomicU32>,
}

impl Counted {
    pub(crate) fn new() -> Self {
        Self { runs: Arc::default() }
    }

    pub(crate) fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    pub(crate) fn handler(&self, statuses: &'static [u16]) -> impl Handler {
        let runs = self.runs.clone();
        move |_| {
            let run = runs.fetch_add(1, Ordering::SeqCst) as usize;
            let status = statuses[run.min(statuses.len() - 1)];
            let answer: AnswerFuture = Box::pin(async move { Ok(answer(status)) });
            answer
        }
    }
}

pub(crate) type AnswerFuture = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

pub(crate) trait Handler:
    FnMut(Request<Full<Bytes>>) -> AnswerFuture + Clone + Send + 'static
{
}

impl<H: FnMut(Request<Full<Bytes>>) -> AnswerFuture + Clone + Send + 'static> Handler for H {}

pub(crate) fn delivery(partner: &Partner, clock: &Arc<FakeClock>, id: &str) -> Delivery {
    let verifier = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, SECRET);
    let (parts, _) = partner.valid(&message(id)).into_parts();
    let body = Bytes::from_static(br#"{"type":"ping"}"#);
    verifier.clock(clock.clone()).build().unwrap().verify(Request::from_parts(parts, body)).unwrap()
}
