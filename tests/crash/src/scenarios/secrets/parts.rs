//! What a receiver is made of, one by one, in a process of its own that logs and prints all there is.
//!
//! It is this very program, started with `parts` and a directory for its files.

use std::error::Error;
use std::fmt::Debug;
use std::fs::OpenOptions;
use std::path::Path;

use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use inhook::{BoxError, Rejection};
use tokio::process::Command;
use tower::{Service, ServiceExt};
use tracing_subscriber::filter::LevelFilter;

mod configuration;
mod guard;
mod intake;
pub mod redis;
mod spill;

pub const TOLD: &[&str] = &[
    // Of the configuration.
    "Secret(\"the label\")",
    "two secrets are labelled `twice`",
    "is not hexadecimal",
    "unknown variant, expected one of `raw`",
    // Of the layers.
    "source=\"memory\" status=401",
    "source=\"guard\" status=401",
    "the inner service panicked",
    "as it was told, with Delivery",
    "not claimed",
    ": duplicate key",
    // Of the spill.
    "source=\"spill\" status=401",
    "spilled: the primary did not take it",
    "neither the primary nor the spill took it",
    "handed over to the primary",
];

/// Starts it, waits until it has ended, and has all that it says in the log.
pub async fn start(directory: &Path, log: &Path) -> Result<(), BoxError> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let ended = Command::new(std::env::current_exe()?)
        .arg("parts")
        .arg(directory)
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .status()
        .await?;
    if !ended.success() {
        return Err(format!("what a receiver is made of: {ended}").into());
    }
    Ok(())
}

/// The whole life of the process.
pub async fn run(directory: &Path) -> Result<(), BoxError> {
    let level = LevelFilter::TRACE;
    let stderr = std::io::stderr;
    tracing_subscriber::fmt().with_writer(stderr).with_ansi(false).with_max_level(level).init();
    configuration::run()?;
    intake::run().await?;
    guard::run().await?;
    spill::run(directory).await?;
    if super::has_redis()? { redis::run().await } else { Ok(()) }
}

/// Prints a value in both of the ways that Debug has.
fn show(value: &impl Debug) {
    println!("{value:?}\n{value:#?}");
}

/// Prints an error and what it came from, in all ways.
fn show_error(error: &(dyn Error + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        println!("{error}\n{error:?}\n{error:#?}");
        next = error.source();
    }
}

/// Sends requests, one after another, and prints how they are answered.
async fn send<S, B>(service: S, requests: Vec<Request<Full<Bytes>>>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>> + Clone,
{
    for request in requests {
        match service.clone().oneshot(request).await {
            Ok(answer) => {
                show(&(answer.status(), answer.headers()));
                answer.extensions().get::<Rejection>().into_iter().for_each(|why| show_error(why));
            }
            Err(error) => show_error(&*error.into()),
        }
    }
}
