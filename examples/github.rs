//! An ordinary axum handler that duplicates, replays and forgeries never reach.
//!
//! ```text
//! GITHUB_WEBHOOK_SECRET=… cargo run --example github [-- 127.0.0.1:3000]
//! ```
//!
//! Point a webhook of a repository at `/webhooks/github`, with content type `application/json`. The
//! handler does its work before it answers, so it should take less than the 10 s that GitHub waits.

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use inhook::extract::Payload;
use inhook::{
    BoxError, DedupLayer, Delivery, MemoryDedup, PayloadError, Verifier, VerifyLayer, presets,
};
use serde::Deserialize;
use tower::ServiceBuilder;

#[derive(Deserialize)]
struct Push {
    r#ref: String,
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

#[derive(Deserialize)]
struct Issues {
    action: String,
    issue: Issue,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    title: String,
}

/// Runs once for each delivery, unless it fails: then GitHub's "Redeliver" runs it again.
async fn webhook(delivery: Delivery) -> Result<String, PayloadError> {
    let done = match delivery.event() {
        Some("push") => {
            let Payload(push) = Payload::<Push>::try_from(&delivery)?;
            let last = push.commits.last().map_or("nothing", |commit| &commit.id);
            format!("{} is at {last}", push.r#ref)
        }
        Some("issues") => {
            let Payload(Issues { action, issue }) = Payload::try_from(&delivery)?;
            format!("issue {} was {action}: {}", issue.number, issue.title)
        }
        // Everything else is taken and ignored; a 4xx would show up as a failure at GitHub.
        _ => "nothing to do".into(),
    };
    println!("{} {done}", delivery.id().unwrap_or("without an id"));
    Ok(done)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let secret = std::env::var("GITHUB_WEBHOOK_SECRET")?;
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());

    let dedup = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let guard = ServiceBuilder::new()
        .layer(VerifyLayer::new(Verifier::new("github", presets::GITHUB, secret)?))
        .layer(dedup.clone());
    let app = Router::new().route("/webhooks/github", post(webhook)).route_layer(guard);

    let listener = tokio::net::TcpListener::bind(&listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    inhook::serve(listener, app).run(inhook::stop_signal()).await?;
    // What runs although its client has hung up.
    dedup.drain().await;
    Ok(())
}
