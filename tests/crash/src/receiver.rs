//! A receiver as a user would build it, in a process of its own that can be killed.
//!
//! It is this very program, started with `receiver` and a [`Spec`] as JSON. What it does it says on
//! standard output, a line of JSON at a time, and [`Fault`]s are told to it on standard input.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use inhook::events::Handled;
use inhook::inbox::Job;
use inhook::inbox::{Inbox, Put};
use inhook::{
    Backoff, BoxError, Failure, Intake, MemoryInbox, SqliteInbox, Verifier, VerifyLayer, Worker,
    presets,
};
use serde::{Deserialize, Serialize};
use tower::{ServiceBuilder, service_fn};

use crate::faults::{FAULTS, Fault, Seen};
use crate::vfs;

/// What a receiver is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Its file; without one it has an inbox in memory.
    pub db: Option<PathBuf>,
    /// Where the shadows of its files are: with them it can lose its power.
    pub shadows: Option<PathBuf>,
    /// What goes wrong from the start.
    pub faults: Vec<Fault>,
    /// Whether it accepts requests.
    pub accepts: bool,
    /// What its worker does with a job, if it has one.
    pub handler: Option<Handler>,
    /// How many jobs at a time.
    pub concurrency: usize,
    pub lease: Duration,
    pub max_attempts: u32,
    /// Where it writes all that it logs, at the level TRACE.
    pub log: Option<PathBuf>,
}

impl Spec {
    /// A receiver with a worker on this file.
    pub fn new(db: impl Into<PathBuf>) -> Self {
        Self {
            db: Some(db.into()),
            shadows: None,
            faults: Vec::new(),
            accepts: true,
            handler: Some(Handler::Sleeps(Duration::from_millis(5))),
            concurrency: 16,
            lease: Duration::from_secs(1),
            max_attempts: 12,
            log: None,
        }
    }
}

/// What a handler does, after it has said that it begins.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Handler {
    /// It takes up to this long, and succeeds.
    Sleeps(Duration),
}

/// What a receiver says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// It accepts requests at this address.
    Listening(std::net::SocketAddr),
    /// Its worker runs, and it accepts nothing.
    Working,
    /// A handler begins.
    Began { id: String, attempt: u32 },
    /// A handler has ended.
    Ended { id: String },
    /// A sync of the log has begun, and will never end.
    InSync,
    /// So many faults that were told to it while it runs are set.
    Set(usize),
}

impl Said {
    fn say(&self) {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", serde_json::to_string(self).unwrap()).unwrap();
        stdout.flush().unwrap();
    }
}

/// What signs and verifies in all scenarios. Nothing that it opens is anywhere else.
pub const SECRET: &str = "whsec_Y3Jhc2gtaGFybmVzcy1zZWNyZXQtNzQxMg==";

/// The header of the answer that says what the inbox made of the request.
pub const PUT: &str = "x-put";

/// The whole life of a receiver's process.
pub async fn run(spec: Spec) -> Result<(), BoxError> {
    if let Some(log) = &spec.log {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let level = tracing_subscriber::filter::LevelFilter::TRACE;
        tracing_subscriber::fmt().with_writer(log).with_ansi(false).with_max_level(level).init();
    }
    if spec.shadows.is_some() || !spec.faults.is_empty() {
        spec.faults.iter().for_each(|fault| FAULTS.set(*fault));
        vfs::install(spec.shadows.clone());
    }
    std::thread::spawn(|| {
        for (before, line) in std::io::stdin().lock().lines().map_while(Result::ok).enumerate() {
            FAULTS.set(serde_json::from_str(&line).expect("a fault"));
            Said::Set(before + 1).say();
        }
        // Whoever started this process has gone.
        std::process::exit(1);
    });
    match &spec.db {
        Some(db) => serve(Arc::new(SqliteInbox::open(db).await?), spec).await,
        None => serve(Arc::new(MemoryInbox::new().max_deliveries(1 << 20)), spec).await,
    }
}

async fn serve<I: Inbox>(inbox: Arc<I>, spec: Spec) -> Result<(), BoxError> {
    let worker = spec.handler.map(|handler| {
        Worker::new(inbox.clone(), service_fn(move |job| handle(handler, job)))
            .concurrency(spec.concurrency)
            .lease(spec.lease)
            .heartbeat(spec.lease / 3)
            .backoff(Backoff::new().base(Duration::from_millis(20)).attempts(spec.max_attempts))
    });
    let stop = inhook::stop_signal();
    if !spec.accepts {
        Said::Working.say();
        return Ok(worker.ok_or("neither accepts nor works")?.run(stop).await?);
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    Said::Listening(listener.local_addr()?).say();
    let server = inhook::serve(listener, app(inbox)?);
    match worker {
        Some(worker) => inhook::run(server, worker, stop).await,
        None => Ok(server.run(stop).await?),
    }
}

/// The router of a receiver.
pub fn app<I: Inbox>(inbox: Arc<I>) -> Result<Router, BoxError> {
    let verifier = Verifier::new("crash", presets::STANDARD_WEBHOOKS, SECRET)?;
    let intake =
        ServiceBuilder::new().layer(VerifyLayer::new(verifier)).service(Intake::new(inbox.clone()));
    let health = get(async move || match inbox.health().await {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    });
    let app = Router::new().route_service("/hook", intake).route("/healthz", health);
    Ok(app.layer(axum::middleware::from_fn(tell)))
}

/// Puts what the inbox made of a request into the answer, and into the journal of what happened.
async fn tell(request: Request, next: Next) -> Response {
    let id = request.headers().get("webhook-id").cloned();
    let mut response = next.run(request).await;
    if let (Some(put), Some(id)) = (response.extensions().get::<Put>(), id) {
        let put = format!("{put:?}").parse().expect("a name is a header value");
        response.headers_mut().insert(PUT, put);
        FAULTS.note(Seen::Answered(id.to_str().unwrap_or_default().to_owned()));
    }
    response
}

async fn handle(handler: Handler, job: Job) -> Result<Handled, Failure> {
    let id = job.id().unwrap_or_default().to_owned();
    Said::Began { id: id.clone(), attempt: job.attempt() }.say();
    match handler {
        Handler::Sleeps(longest) => tokio::time::sleep(longest.mul_f32(fastrand::f32())).await,
    }
    Said::Ended { id }.say();
    Ok(Handled::Done)
}
