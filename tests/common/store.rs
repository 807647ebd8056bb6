//! Deliveries of GitHub and what becomes of them in an inbox.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use inhook::inbox::{Inbox, LeaseOptions};
use inhook::sign::{Message, Signer};
use inhook::testing::FakeClock;
use inhook::{Delivery, Intake, Verifier, VerifyLayer, presets};
use tower::{ServiceBuilder, ServiceExt};

pub(crate) const SECRET: &str = "It's a Secret to Everybody";
pub(crate) const LEASE: Duration = Duration::from_secs(60);

pub(crate) fn request(id: &str, body: &str) -> Request<Bytes> {
    let signer = Signer::new(presets::GITHUB, SECRET).unwrap();
    signer.request(&Message::new(body.to_owned()).id(id).event("push")).unwrap()
}

pub(crate) fn delivery_at(clock: &Arc<FakeClock>, id: &str) -> Delivery {
    let verifier = Verifier::builder("acme", presets::GITHUB, SECRET).clock(clock.clone());
    verifier.build().unwrap().verify(request(id, "{}")).unwrap()
}

pub(crate) fn delivery(id: &str) -> Delivery {
    let verifier = Verifier::new("acme", presets::GITHUB, SECRET).unwrap();
    verifier.verify(request(id, "{}")).unwrap()
}

/// The answer of a whole stack, and its Retry-After.
pub(crate) async fn post<I: Inbox>(inbox: &Arc<I>, id: &str) -> (StatusCode, Option<u32>) {
    let verifier = Verifier::new("acme", presets::GITHUB, SECRET).unwrap();
    let service =
        ServiceBuilder::new().layer(VerifyLayer::new(verifier)).service(Intake::new(inbox.clone()));
    let response = service.oneshot(request(id, "{}").map(Full::new)).await.unwrap();
    let after =
        response.headers().get("retry-after").map(|after| after.to_str().unwrap().parse().unwrap());
    (response.status(), after)
}

pub(crate) fn assert_refused((status, after): (StatusCode, Option<u32>)) {
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!((1..=30).contains(&after.expect("a 503 says when to come back")), "{after:?}");
}

pub(crate) async fn jobs(inbox: &impl Inbox) -> Vec<String> {
    let batch = inbox.lease(LeaseOptions::new(100, LEASE, 5)).await.unwrap();
    batch.jobs.iter().map(|job| job.id().unwrap().to_owned()).collect()
}

/// Awaits all of them side by side.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs
}
