//! S18: whatever goes wrong, no log, error, panic or answer holds the secret.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderValue, Request};
use bytes::Bytes;
use http_body_util::Full;
use inhook::sign::{Message, Signer};
use inhook::{BoxError, presets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Run;
use crate::child::Receiver;
use crate::client::{Client, id};
use crate::faults::{Fault, Lie, Operation};
use crate::receiver::{Handler, KEY, SECRET, Said, Spec};
use crate::table::Figure;

/// What the log must tell of, or it was not all that is logged.
const TOLD: [&str; 7] = [
    "DEBUG inhook",
    "accepted",
    "request refused",
    "the inbox could not commit",
    "not accepted",
    "the handler panicked",
    "is not padded standard base64",
];

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let rounds = run.rounds(1, 10);
    let log = run.directory.join("log");
    let db = run.directory.join("inbox.db");
    let mut said = Vec::new();
    for _ in 0..rounds {
        said.extend(everything(&db, &log).await?.into_bytes());
    }
    for file in [&db, &run.directory.join("inbox.db-wal")] {
        said.extend(std::fs::read(file)?);
    }
    misconfigured(&db, &log).await?;
    said.extend(std::fs::read(&log)?);
    let text = String::from_utf8_lossy(&said);
    if let Some(missing) = TOLD.into_iter().find(|told| !text.contains(told)) {
        return Err(format!("nothing is logged of {missing:?}").into());
    }
    let spellings = spellings();
    let hits: Vec<&str> = hits(&said, &spellings);
    let mut found = 0;
    for (name, spelling) in &spellings {
        // As a line among all the others.
        OpenOptions::new().append(true).open(&log)?.write_all(&[spelling, &b"\n"[..]].concat())?;
        found += usize::from(self::hits(&std::fs::read(&log)?, &spellings).contains(name));
    }
    Ok(vec![Figure {
        case: "S18",
        what: format!(
            "the secret in {} KiB of logs at TRACE, panics, answers, files",
            said.len() >> 10
        ),
        target: "0 hits".into(),
        measured: format!("{} hits {}", hits.len(), hits.join(", ")),
        control: format!("{found} of {} spellings found in a line that holds it", spellings.len()),
        met: hits.is_empty() && found == spellings.len(),
    }])
}

/// The ways to write the secret down.
fn spellings() -> Vec<(&'static str, Vec<u8>)> {
    let base64 = SECRET.trim_start_matches("whsec_").trim_end_matches('=');
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let list = |bytes: &[u8]| format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    let spellings = [
        ("as text", SECRET.to_owned()),
        ("its bytes", KEY.to_owned()),
        ("escaped", KEY.escape_debug().to_string()),
        ("hexadecimal", hex.clone()),
        ("upper-case hexadecimal", hex.to_uppercase()),
        ("base64", base64.to_owned()),
        ("URL-safe base64", base64.replace('+', "-").replace('/', "_")),
        ("a list of numbers", list(KEY.as_bytes())),
        ("its text as a list of numbers", list(SECRET.as_bytes())),
    ];
    spellings.map(|(name, spelling)| (name, spelling.into_bytes())).into()
}

fn hits<'s>(text: &[u8], spellings: &[(&'s str, Vec<u8>)]) -> Vec<&'s str> {
    let is_in = |spelling: &[u8]| text.windows(spelling.len()).any(|window| window == spelling);
    spellings.iter().filter(|(_, spelling)| is_in(spelling)).map(|(name, _)| *name).collect()
}

/// All that a receiver may be sent, and all that may go wrong with it; returns what it said.
async fn everything(db: &Path, log: &Path) -> Result<String, BoxError> {
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

async fn exchange(
    to: std::net::SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<String, BoxError> {
    let mut client = Client::connect(to).await?;
    // One that is too large may be answered before it was sent, and then cut off.
    Ok(client.request(request).await.map_or_else(|e| e.to_string(), |r| format!("{r:?}\n")))
}

/// What is not even HTTP, or never ends; the secret is where a partner may have put it.
fn raw() -> [String; 5] {
    [
        format!("POST /hook?secret={SECRET} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("POST /{SECRET} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET /hook HTTP/9.9\r\nauthorization: {SECRET}\r\n\r\n"),
        format!("{SECRET}\r\n\r\n"),
        format!("POST /hook HTTP/1.1\r\nhost: localhost\r\nx-gitlab-token: {SECRET}"),
    ]
}

async fn send_raw(to: std::net::SocketAddr, text: &str) -> Result<String, BoxError> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A valid request, with a credential beside it.
fn signed(event: &str) -> Result<Request<Full<Bytes>>, BoxError> {
    sign(SECRET, Message::new(format!(r#"{{"type":"{event}"}}"#)).id(id()))
}

fn sign(secret: &str, message: Message) -> Result<Request<Full<Bytes>>, BoxError> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, secret)?;
    let mut request = signer.request(&message)?.map(Full::new);
    *request.uri_mut() = "/hook".parse()?;
    request.headers_mut().insert("host", "localhost".parse()?);
    for credential in ["authorization", "proxy-authorization", "cookie", "x-gitlab-token"] {
        request.headers_mut().insert(credential, SECRET.parse()?);
    }
    Ok(request)
}

fn requests() -> Result<Vec<Request<Full<Bytes>>>, BoxError> {
    let message = || Message::new(r#"{"type":"user.created"}"#).id(id());
    let hour = Duration::from_secs(3_600);
    let mut requests = vec![
        sign(SECRET, message())?,
        sign("whsec_b3RoZXIgc2VjcmV0IG9mIGEgZm9yZ2Vy", message())?,
        sign(SECRET, message().sent_at(SystemTime::now() - hour))?,
        sign(SECRET, message().sent_at(SystemTime::now() + hour))?,
        sign(SECRET, Message::new("not JSON").id(id()))?,
        sign(SECRET, Message::new("").id(id()))?,
        sign(SECRET, Message::new(vec![b'x'; 2 << 20]).id(id()))?,
        signed("failure")?,
        signed("panic")?,
    ];
    // A valid request again: its id is known.
    requests.push(requests[0].clone());
    let base64 = SECRET.trim_start_matches("whsec_");
    let tags = vec![format!("v1,{base64}"); 20].join(" ");
    let changes: [(&'static str, &[u8]); 11] = [
        ("webhook-signature", b""),
        ("webhook-signature", b"v1,"),
        ("webhook-signature", b"v1,!!!"),
        ("webhook-signature", b"\xff\xfe"),
        ("webhook-signature", SECRET.as_bytes()),
        ("webhook-signature", tags.as_bytes()),
        ("webhook-id", b"a.b"),
        ("webhook-id", SECRET.as_bytes()),
        ("webhook-timestamp", b"soon"),
        ("webhook-timestamp", SECRET.as_bytes()),
        ("content-encoding", b"gzip"),
    ];
    for (name, value) in changes {
        let mut request = signed("user.created")?;
        request.headers_mut().insert(name, HeaderValue::from_bytes(value)?);
        requests.push(request);
    }
    for name in ["webhook-signature", "webhook-id", "webhook-timestamp"] {
        let mut request = signed("user.created")?;
        request.headers_mut().remove(name);
        requests.push(request);
        let mut request = signed("user.created")?;
        request.headers_mut().append(name, SECRET.parse()?);
        requests.push(request);
    }
    let mut get = signed("user.created")?;
    *get.method_mut() = axum::http::Method::GET;
    requests.push(get);
    Ok(requests)
}

/// Receivers that don't start, because the secret is not quite one.
async fn misconfigured(db: &Path, log: &Path) -> Result<(), BoxError> {
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
