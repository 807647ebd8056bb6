//! Several processes behind a load balancer: what one of them has handled is a duplicate for all.
//!
//! ```text
//! STRIPE_WEBHOOK_SECRET=whsec_… REDIS_URL=redis://127.0.0.1/ \
//!     cargo run --features redis --example stripe_redis [-- 127.0.0.1:3000]
//! ```
//!
//! While Redis is down the answer is 503, and Stripe tries again.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use inhook::dedup::cached::CachedDedup;
use inhook::extract::Payload;
use inhook::{BoxError, DedupLayer, Delivery, RedisDedup, Verifier, VerifyLayer, presets};
use serde::Deserialize;
use tower::ServiceBuilder;

#[derive(Deserialize)]
struct StripeEvent {
    id: String,
    r#type: String,
}

async fn webhook(delivery: Delivery, Payload(event): Payload<StripeEvent>) -> StatusCode {
    // Pass the key on to what you call: it makes a second run, after a crash, change nothing.
    println!("{} {} {}", event.id, event.r#type, delivery.key());
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let secret = std::env::var("STRIPE_WEBHOOK_SECRET")?;
    let redis = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1/".into());
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());

    let dedup = CachedDedup::new(RedisDedup::connect(&redis).await?);
    let dedup = DedupLayer::new(Arc::new(dedup));
    let guard = ServiceBuilder::new()
        .layer(VerifyLayer::new(Verifier::new("stripe", presets::STRIPE, secret)?))
        .layer(dedup.clone());
    let app = Router::new().route("/webhooks/stripe", post(webhook)).route_layer(guard);

    let listener = tokio::net::TcpListener::bind(&listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    inhook::serve(listener, app).run(inhook::stop_signal()).await?;
    dedup.drain().await;
    Ok(())
}
