//! The layers on a plain hyper service, without axum.
//!
//! ```text
//! WEBHOOK_SECRET=whsec_… cargo run --example hyper_only [-- 127.0.0.1:3000]
//! ```
//!
//! hyper's own server is shown here; [`inhook::serve()`] does the same with time-outs for slow clients.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use inhook::{BoxError, DedupLayer, Delivery, MemoryDedup, Verifier, VerifyLayer, presets};
use tower::{ServiceBuilder, service_fn};

async fn handle(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(delivery) = request.extensions().get::<Delivery>() {
        println!("{} {}", delivery.event().unwrap_or("an event"), delivery.key());
    }
    Ok(Response::new(Full::from("done")))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let secret = std::env::var("WEBHOOK_SECRET")?;
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let service = ServiceBuilder::new()
        .layer(VerifyLayer::new(Verifier::new("acme", presets::STANDARD_WEBHOOKS, secret)?))
        .layer(DedupLayer::new(Arc::new(MemoryDedup::new())))
        .service(service_fn(handle));

    let listener = tokio::net::TcpListener::bind(&listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            // Without a timer hyper's time-out for slow headers does nothing.
            server.timer(TokioTimer::new());
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}
