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
use axum::routing::{get, post_service};
use inhook::events::Handled;
use inhook::inbox::Job;
use inhook::inbox::{Inbox, Ledger, Put};
use inhook::{
    Backoff, BoxError, Failure, Intake, MemoryInbox, SqliteInbox, Verifier, VerifyLayer, Worker,
    presets,
};
use serde::{Deserialize, Serialize};
use tower::service_fn;

use crate::faults::{FAULTS, Fault, Seen};
use crate::naive::{self, Naive};
use crate::process::monotonic;
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
    /// For how long what is handled keeps its bytes.
    pub retain_done: Duration,
    /// Where it writes all that it logs, at the level TRACE, and its standard error.
    pub log: Option<PathBuf>,
    /// How long headers and a body may take, where that is not the default.
    pub patience: Option<Duration>,
    /// How many steps share a transaction, where that is not the default.
    pub max_batch: Option<usize>,
    /// The secret, where it is not [`SECRET`].
    pub secret: Option<String>,
    /// What takes the place of a part of it, in a control.
    pub naive: Option<Naive>,
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
            retain_done: Duration::from_secs(7 * 24 * 60 * 60),
            log: None,
            patience: None,
            max_batch: None,
            secret: None,
            naive: None,
        }
    }
}

/// What a handler does, after it has said that it begins.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Handler {
    /// It takes up to this long, and succeeds.
    Sleeps(Duration),
    /// What the type of the event is called: `poison` ends the process at some moment of this time,
    /// `late poison` after five times as long, `panic` panics, `failure` fails for good. Anything
    /// else takes this long, and succeeds.
    Obeys(Duration),
}

/// What a receiver says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// It accepts requests at this address.
    Listening(std::net::SocketAddr),
    /// Its worker runs, and it accepts nothing.
    Working,
    /// A handler begins, at this time of the [`monotonic`] clock.
    Began { id: String, attempt: u32, at: Duration },
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
pub const SECRET: &str = "whsec_Y3Jhc2g+a2VlcHM/c2VjcmV0NzQxMg==";
/// Its bytes: in base64 they have what the URL-safe alphabet writes in another way.
pub const KEY: &str = "crash>keeps?secret7412";

/// The header of the answer that says what the inbox made of the request.
pub const PUT: &str = "x-put";
/// The one that says when, in microseconds of the [`monotonic`] clock.
pub const PUT_AT: &str = "x-put-at";

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
        Some(db) => {
            let mut options = SqliteInbox::options().retain_done(spec.retain_done);
            if let Some(max_batch) = spec.max_batch {
                options = options.max_batch(max_batch);
            }
            serve(Arc::new(options.open(db).await?), spec).await
        }
        None => serve(Arc::new(MemoryInbox::new().max_deliveries(1 << 20)), spec).await,
    }
}

async fn serve<I: Inbox + Ledger>(inbox: Arc<I>, spec: Spec) -> Result<(), BoxError> {
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
        if let (Some(Naive::Polls(every)), Some(handler)) = (spec.naive, spec.handler) {
            return Ok(naive::work(inbox, spec, every, move |job| handle(handler, job)).await?);
        }
        return Ok(worker.ok_or("neither accepts nor works")?.run(stop).await?);
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut verify = verify(spec.secret.as_deref().unwrap_or(SECRET))?;
    if let Some(patience) = spec.patience {
        verify = verify.body_deadline(patience);
    }
    let app = router(inbox, spec.naive, verify);
    Said::Listening(address).say();
    if spec.naive == Some(Naive::WaitsForEver) {
        return Ok(axum::serve(listener, app).await?);
    }
    let mut server = inhook::serve(listener, app);
    if let Some(patience) = spec.patience {
        server = server.header_timeout(patience);
    }
    match worker {
        Some(worker) => inhook::run(server, worker, stop).await,
        None => Ok(server.run(stop).await?),
    }
}

/// The router of a receiver with the usual secret.
pub fn app<I>(inbox: Arc<I>, naive: Option<Naive>) -> Result<Router, BoxError>
where
    I: Inbox + Ledger,
{
    Ok(router(inbox, naive, verify(SECRET)?))
}

fn verify(secret: &str) -> Result<VerifyLayer, BoxError> {
    Ok(VerifyLayer::new(Verifier::new("crash", presets::STANDARD_WEBHOOKS, secret)?))
}

fn router<I>(inbox: Arc<I>, naive: Option<Naive>, verify: VerifyLayer) -> Router
where
    I: Inbox + Ledger,
{
    let hook = naive
        .and_then(|naive| naive::intake(naive, inbox.clone()))
        .unwrap_or_else(|| post_service(Intake::new(inbox.clone())));
    let health = get(async move || match inbox.health().await {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    });
    let app = Router::new().route("/hook", hook.layer(verify)).route("/healthz", health);
    app.layer(axum::middleware::from_fn(tell))
}

/// Puts what the inbox made of a request into the answer, and into the journal of what happened.
async fn tell(request: Request, next: Next) -> Response {
    let id = request.headers().get("webhook-id").cloned();
    let mut response = next.run(request).await;
    if let (Some(put), Some(id)) = (response.extensions().get::<Put>(), id) {
        let put = format!("{put:?}").parse().expect("a name is a header value");
        response.headers_mut().insert(PUT, put);
        let at = u64::try_from(monotonic().as_micros()).unwrap_or(u64::MAX);
        response.headers_mut().insert(PUT_AT, at.into());
        FAULTS.note(Seen::Answered(id.to_str().unwrap_or_default().to_owned()));
    }
    response
}

async fn handle(handler: Handler, job: Job) -> Result<Handled, Failure> {
    let id = job.id().unwrap_or_default().to_owned();
    Said::Began { id: id.clone(), attempt: job.attempt(), at: monotonic() }.say();
    match handler {
        Handler::Sleeps(longest) => tokio::time::sleep(longest.mul_f32(fastrand::f32())).await,
        Handler::Obeys(takes) => match job.event() {
            Some(poison @ ("poison" | "late poison")) => {
                let late = poison == "late poison";
                let moment = if late { takes * 5 } else { takes.mul_f32(fastrand::f32()) };
                tokio::time::sleep(moment).await;
                std::process::abort();
            }
            Some("panic") => panic!("as it was told, with {:?}", job.headers()),
            Some("failure") => return Err(Failure::permanent("as it was told")),
            _ => tokio::time::sleep(takes).await,
        },
    }
    Said::Ended { id }.say();
    Ok(Handled::Done)
}
