//! A whole receiver: it verifies, deduplicates, stores durably, answers 200 and runs a handler.
//!
//! The partner is a URL shortener that posts `link.created`, `link.clicked` and `link.deleted`:
//!
//! ```text
//! POST /webhooks/shortlinks
//! X-Webhook-Signature: sha256=<lower-case hex of HMAC-SHA256(secret, raw body)>
//! ```
//!
//! Run it and paste the `curl` that it prints:
//!
//! ```text
//! cargo run --release --example quickstart [-- --listen 127.0.0.1:3000 --db inhook.db]
//! ```
//!
//! The secret is taken from `INHOOK_SECRET`. Two destinations are special: a link to
//! `https://fail.example` fails twice and then succeeds, one to `https://poison.example` always fails
//! and is a dead letter after 5 attempts.

use std::borrow::Cow;
use std::env::VarError;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::{Router, http::StatusCode, routing::get};
use inhook::inbox::Inbox;
use inhook::scheme::{Field, Identity, Scheme, SentAt, Signature, TimeFormat};
use inhook::sign::{Message, Signer};
use inhook::{
    Backoff, BoxError, Event, Events, Failure, Intake, SqliteInbox, Verifier, VerifyLayer, Worker,
};
use serde::{Deserialize, Serialize};
use tower::ServiceBuilder;

/// For trying it out; whoever knows it can sign.
const DEMO_SECRET: &str = "inhook-demo-secret-not-for-production";

/// How the shortener signs: everything that is needed is inside the signed body.
const SHORTLINKS: Scheme = Scheme {
    name: Cow::Borrowed("shortlinks"),
    signature: Signature {
        field: Field::header("x-webhook-signature"),
        prefix: Cow::Borrowed("sha256="),
        ..Signature::BASE
    },
    id: Some(Field::pointer("/webhook_id")),
    event: Some(Field::pointer("/event")),
    sent_at: Some(SentAt { field: Field::pointer("/delivered_at"), format: TimeFormat::Rfc3339 }),
    identity: Identity::Fields(Cow::Borrowed(&[Field::pointer("/webhook_id")])),
    ..Scheme::BASE
};

#[derive(Deserialize)]
struct Payload {
    data: Link,
}

#[derive(Deserialize)]
struct Link {
    destination: Option<String>,
}

/// What is printed for each handled job.
#[derive(Serialize)]
struct Line<'e> {
    handled: Option<&'e str>,
    event: Option<&'e str>,
    attempt: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(log_level()).init();
    let Options { listen, db } = Options::from_args()?;
    let secret = match std::env::var("INHOOK_SECRET") {
        Ok(secret) => secret,
        Err(VarError::NotPresent) => {
            tracing::warn!(
                "INHOOK_SECRET is not set: using the demo secret, which everybody knows"
            );
            DEMO_SECRET.into()
        }
        Err(VarError::NotUnicode(_)) => return Err("INHOOK_SECRET is not UTF-8".into()),
    };

    let inbox = Arc::new(SqliteInbox::open(&db).await?);
    let verifier = Verifier::new("shortlinks", SHORTLINKS, secret.as_str())?;
    let shortlinks =
        ServiceBuilder::new().layer(VerifyLayer::new(verifier)).service(Intake::new(inbox.clone()));
    let store = inbox.clone();
    let app = Router::new()
        .route_service("/webhooks/shortlinks", shortlinks)
        .route("/healthz", get(async move || health(&store).await));

    let events = Events::builder()
        .on("link.created", handle)
        .on("link.clicked", handle)
        .on("link.deleted", handle)
        .build()?;
    let worker = Worker::new(inbox, events)
        .lease(Duration::from_secs(5))
        .heartbeat(Duration::from_secs(1))
        .backoff(Backoff::new().base(Duration::from_millis(50)).attempts(5));

    let busy =
        |error| format!("{listen} can't be listened on: {error}; choose another with --listen");
    let listener = tokio::net::TcpListener::bind(&listen).await.map_err(busy)?;
    let address = listener.local_addr()?;
    eprintln!(
        "listening on http://{address}\n\nsend it an event (signed for the next five minutes):\n"
    );
    eprintln!("{}\n", curl(&format!("http://{address}/webhooks/shortlinks"), &secret)?);

    inhook::run(inhook::serve(listener, app), worker, inhook::stop_signal()).await
}

async fn handle(event: Event<Payload>) -> Result<(), Failure> {
    match event.payload.data.destination.as_deref() {
        Some("https://fail.example") if event.attempt() <= 2 => {
            return Err(Failure::retry("the first two attempts fail"));
        }
        Some("https://poison.example") => return Err(Failure::retry("this one always fails")),
        _ => {}
    }
    let line = serde_json::to_string(&Line {
        handled: event.id(),
        event: event.event(),
        attempt: event.attempt(),
    })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

async fn health(inbox: &SqliteInbox) -> (StatusCode, String) {
    match inbox.health().await {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

/// A complete command with a fresh signature.
fn curl(url: &str, secret: &str) -> Result<String, BoxError> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    let id =
        format!("wh_{:x}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis());
    let body = format!(
        r#"{{"event":"link.created","data":{{"id":"x7Kp2","destination":"https://example.com","created_by":"4821","created_at":"{now}"}},"webhook_id":"{id}","delivered_at":"{now}"}}"#
    );
    let headers = Signer::new(SHORTLINKS, secret)?.sign(&Message::new(body.clone()))?;
    let signature =
        headers.get("x-webhook-signature").ok_or("the scheme has a signature")?.to_str()?;
    Ok(format!(
        "curl -i {url} -H 'Content-Type: application/json' -H 'X-Webhook-Signature: {signature}' --data-binary '{body}'"
    ))
}

struct Options {
    listen: String,
    db: String,
}

impl Options {
    fn from_args() -> Result<Self, BoxError> {
        let mut options = Options { listen: "127.0.0.1:3000".into(), db: "inhook.db".into() };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--listen" => options.listen = value?,
                "--db" => options.db = value?,
                _ => return Err(format!("unknown flag {flag}: there are --listen and --db").into()),
            }
        }
        Ok(options)
    }
}

/// `INHOOK_LOG=debug` shows more.
fn log_level() -> tracing::Level {
    let level = std::env::var("INHOOK_LOG").ok().and_then(|level| level.parse().ok());
    level.unwrap_or(tracing::Level::WARN)
}
