//! A receiver with a [`SqliteInbox`](inhook::SqliteInbox) and a worker.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::http::Request;
use bytes::Bytes;
use http_body_util::Full;
use inhook::BoxError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::requests::{raw, requests, signed};
use crate::child::Receiver;
use crate::client::Client;
use crate::faults::{Fault, Lie, Operation};
use crate::receiver::{Handler, SECRET, Said, Spec};

pub const TOLD: &[&str] = &[
    "source=\"crash\"",
    "DEBUG inhook",
    "accepted",
    "request refused",
    "the inbox could not commit",
    "not accepted",
    "the handler panicked",
    "is not padded standard base64",
];

/// All that it may be sent, and all that may go wrong with it; returns what it said.
pub async fn run(db: &Path, log: &Path) -> Result<String, BoxError> {
    let mut receiver = Receiver::start(&Spec {
        handler: Some(Handler::Obeys(Duration::from_millis(5))),
        max_attempts: 2,
        log: Some(log.into()),
        faults: vec![Fault::Lie(Lie::Nothing)],
        patience: Some(Duration::from_secs(1)),
        ..Spec::new(db)
    })
    .await?;
    let mut said = String::new();
    for request in requests()? {
        said += &exchange(receiver.address(), request).await?;
    }
    for text in raw() {
        said += &send_raw(receiver.address(), &text).await?;
    }
    for operation in [Operation::Sync, Operation::Write, Operation::Full, Operation::Lock] {
        receiver.set(Fault::Chance(operation, 1_000_000)).await?;
        said += &exchange(receiver.address(), signed("user.created")?).await?;
        receiver.set(Fault::Chance(operation, 0)).await?;
    }
    let panics = signed("panic")?;
    let id = panics.headers().get("webhook-id").ok_or("no id")?.to_str()?.to_owned();
    // The store works again.
    while !exchange(receiver.address(), panics.clone()).await?.contains("status: 200") {}
    let attempted =
        |said: &Said| matches!(said, Said::Began { id: of, attempt: 2, .. } if *of == id);
    receiver.wait_for(attempted).await?;
    said += &format!("{:?}", receiver.kill().await?);
    Ok(said)
}

async fn exchange(to: SocketAddr, request: Request<Full<Bytes>>) -> Result<String, BoxError> {
    let mut client = Client::connect(to).await?;
    // One that is too large may be answered before it was sent, and then cut off.
    Ok(client.request(request).await.map_or_else(|e| e.to_string(), |r| format!("{r:?}\n")))
}

async fn send_raw(to: SocketAddr, text: &str) -> Result<String, BoxError> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Receivers that don't start, because the secret is not quite one.
pub async fn misconfigured(db: &Path, log: &Path) -> Result<(), BoxError> {
    let secrets = [
        format!("{SECRET}\n"),
        format!("v1,{SECRET}"),
        SECRET.trim_end_matches('=').to_owned(),
        SECRET.replace('+', "-").replace('/', "_"),
    ];
    for secret in secrets {
        let spec = Spec { secret: Some(secret), log: Some(log.into()), ..Spec::new(db) };
        if Receiver::start(&spec).await.is_ok() {
            return Err("a receiver starts with a secret that is not one".into());
        }
    }
    Ok(())
}
