//! [`DedupLayer`] around a handler that fails and panics, with a [`MemoryDedup`] that fails now and then.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use inhook::testing::{Failing, Mode};
use inhook::{BoxError, Dedup, DedupLayer, Delivery, MemoryDedup, Verifier, VerifyLayer, presets};
use tower::{Layer, service_fn};

use super::super::requests::{requests, signed};
use super::{send, show, show_error};
use crate::receiver::SECRET;

pub async fn run() -> Result<(), BoxError> {
    let dedup = Arc::new(Failing::new(MemoryDedup::new().max_deliveries(1 << 10)));
    guard("guard", dedup.clone(), requests()?).await?;
    for mode in [Mode::Fails, Mode::LosesAnswers, Mode::Hangs] {
        dedup.set(mode);
        guard("guard", dedup.clone(), vec![signed("user.created")?]).await?;
    }
    show(dedup.inner());
    let builder = DedupLayer::builder(dedup).timeout(Duration::from_secs(60));
    show(&builder);
    builder.build().err().iter().for_each(|error| show_error(error));
    Ok(())
}

/// Sends requests to a handler that is guarded by this store.
pub async fn guard<D: Dedup>(
    source: &str,
    dedup: Arc<D>,
    requests: Vec<Request<Full<Bytes>>>,
) -> Result<(), BoxError> {
    let verifier = Verifier::new(source, presets::STANDARD_WEBHOOKS, SECRET)?;
    let guard = DedupLayer::builder(dedup)
        .timeout(Duration::from_secs(1))
        .lease(Duration::from_secs(2))
        .build()?;
    let service = guard.layer(service_fn(handle));
    show(&(&guard, &service));
    // Nothing has verified what it gets.
    send(service.clone(), vec![signed("user.created")?]).await;
    send(VerifyLayer::new(verifier).layer(service), requests).await;
    guard.drain().await;
    Ok(())
}

/// Does what the type of the event is called.
async fn handle(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, BoxError> {
    let delivery = request.extensions().get::<Delivery>().ok_or("it was not verified")?;
    match delivery.event() {
        Some("panic") => panic!("as it was told, with {delivery:?}"),
        Some("failure") => Err(format!("as it was told, with {delivery:#?}").into()),
        _ => Ok(Response::default()),
    }
}
