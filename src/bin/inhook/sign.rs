//! `inhook sign`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::value_parser;
use http::{HeaderValue, Request, header};
use inhook::clock::Clock;
use inhook::scheme::{Field, Scheme};
use inhook::sign::{Message, Signer};
use inhook::{ConfigError, Rejection, Verifier};
use serde_json::Value;

use crate::output::write;
use crate::secrets::Secrets;
use crate::verify::{At, YEAR_9999, wrong};
use crate::{Failed, request, scheme};

/// Prints a signed request, as the partner would send it.
#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    sender: Sender,
    /// As a `curl` command instead of a raw request.
    #[arg(long)]
    curl: bool,
}

/// What is signed, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Sender {
    /// A preset (see `inhook presets`), or a scheme file whose name ends in `.toml`.
    #[arg(long, value_name = "PRESET|FILE.toml")]
    scheme: String,
    #[command(flatten)]
    secrets: Secrets,
    /// The public URL of the endpoint.
    #[arg(long)]
    url: Option<String>,
    /// The event type; in a JSON body it replaces the one that is there.
    #[arg(long)]
    event: Option<String>,
    /// The id; in a JSON body it replaces the one that is there.
    #[arg(long)]
    id: Option<String>,
    /// The time that is signed, instead of now.
    #[arg(long, value_name = "UNIX_SECONDS", allow_hyphen_values = true, value_parser = value_parser!(u64).range(..=YEAR_9999))]
    at: Option<u64>,
    /// Changes the body after it was signed, by a space at its end.
    #[arg(long)]
    tamper: bool,
    /// The body; `-` is standard input.
    #[arg(default_value = "-")]
    body: PathBuf,
}

impl Sign {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        let url = self.sender.url();
        let prepared = self.sender.prepare(url)?;
        let request = prepared.request(&new_id(0), false)?;
        prepared.warn(&request);
        if let Some(rejection) = prepared.refusal(&request) {
            eprintln!("inhook: warning: a receiver refuses this request: {rejection}");
        }
        match self.curl {
            true => write(as_curl(&request, url)?.as_bytes())?,
            false => write(&as_http(&request, url))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// An id that no other run makes. Of digits, since some partners have numbers for ids.
pub(crate) fn new_id(n: u32) -> String {
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    since_1970.wrapping_add(n.into()).to_string()
}

impl Sender {
    /// What signs, for an endpoint at this URL.
    pub(crate) fn prepare(&self, url: Option<&str>) -> Result<Prepared<'_>, Failed> {
        let scheme = scheme::find(&self.scheme)?;
        let mut secrets = self.secrets.read(&scheme)?.into_iter();
        let secret = secrets.next().ok_or(ConfigError::NoSecret)?.secret();
        let signer = match url {
            Some(url) => Signer::for_url(scheme.clone(), secret.clone(), url),
            None => Signer::new(scheme.clone(), secret.clone()),
        };
        let signer = signer.map_err(wrong)?;
        let body = request::bytes(&self.body)
            .map_err(|error| format!("{}: {error}", self.body.display()))?;
        let mut receiver = Verifier::builder("inhook", scheme.clone(), secret).allow_weak_secret();
        if let Some(url) = url {
            receiver = receiver.url(url);
        }
        if let Some(at) = self.at {
            receiver = receiver.clock(Arc::new(At(at)));
        }
        let receiver = receiver.build()?;
        Ok(Prepared { sender: self, scheme, signer, receiver, body: body.into() })
    }

    /// The public URL that was given.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

/// All that it takes to sign a request.
pub(crate) struct Prepared<'s> {
    sender: &'s Sender,
    scheme: Scheme,
    signer: Signer,
    receiver: Verifier,
    body: Bytes,
}

impl Prepared<'_> {
    /// How long the partner waits for an answer.
    pub(crate) fn deadline(&self) -> Duration {
        self.scheme.deadline
    }

    /// Why a receiver would refuse it, unless that is on purpose.
    fn refusal(&self, request: &Request<Bytes>) -> Option<Rejection> {
        self.receiver.verify(request.clone()).err().filter(|_| !self.sender.tamper)
    }

    /// Says what the request has no place for, and what was done to the body for it.
    pub(crate) fn warn(&self, request: &Request<Bytes>) {
        let Sender { id, event, at, .. } = self.sender;
        let scheme = &self.scheme;
        for (option, given, taken) in [
            ("--id", id.is_some(), scheme.id.is_some()),
            ("--event", event.is_some(), scheme.event.is_some()),
            ("--at", at.is_some(), scheme.sent_at.is_some()),
        ] {
            if given && !taken {
                eprintln!(
                    "inhook: warning: `{option}` is not used: this partner sends no such thing"
                );
            }
        }
        let is_json = |body: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
        if *request.body() != self.body && is_json(request.body()) {
            eprintln!(
                "inhook: note: values were written into the body, so its JSON was serialised again"
            );
        }
    }

    /// A signed request. It has the id of the command line, or this one where it needs one: in a JSON body
    /// that has an id already only if all are to be distinct.
    pub(crate) fn request(&self, id: &str, distinct: bool) -> Result<Request<Bytes>, Failed> {
        let sender = self.sender;
        let mut message = Message::new(self.body.clone());
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        // What is no JSON has nothing to be filled in.
        if json.as_ref().is_some_and(Value::is_object) {
            message = message.fill_body();
        }
        let is_there = match &self.scheme.id {
            Some(Field::Pointer(at) | Field::Integer(at)) => {
                json.as_ref().is_some_and(|json| json.pointer(at).is_some())
            }
            _ => false,
        };
        let made = Some(id).filter(|_| distinct || !is_there);
        if let Some(id) = sender.id.as_deref().or(made) {
            message = message.id(id);
        }
        if let Some(event) = &sender.event {
            message = message.event(event);
        }
        if let Some(at) = sender.at {
            message = message.sent_at(At(at).now());
        }
        let mut request = self.signer.request(&message)?;
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            let kind = match serde_json::from_slice::<serde::de::IgnoredAny>(request.body()) {
                Ok(_) => "application/json",
                Err(_) => "application/octet-stream",
            };
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if sender.tamper {
            let tampered = [request.body(), b" ".as_slice()].concat();
            *request.body_mut() = tampered.into();
        }
        Ok(request)
    }
}

/// Where to send a request: an endpoint, with the query that was made for it.
pub(crate) fn destination(endpoint: &str, request: &Request<Bytes>) -> String {
    let base = endpoint.split_once('?').map_or(endpoint, |(base, _)| base);
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{base}{query}")
}

/// The request as it goes over the wire.
fn as_http(request: &Request<Bytes>, url: Option<&str>) -> Vec<u8> {
    let mut raw = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    let url = url.and_then(|url| url.parse::<http::Uri>().ok());
    let host =
        url.as_ref().and_then(|url| url.authority()).map_or("localhost", |host| host.as_str());
    raw.extend(format!("host: {host}\r\n").bytes());
    for (name, value) in request.headers() {
        raw.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    raw.extend(format!("content-length: {}\r\n\r\n", request.body().len()).bytes());
    raw.extend_from_slice(request.body());
    raw
}

/// The request as a command for a POSIX shell.
fn as_curl(request: &Request<Bytes>, url: Option<&str>) -> Result<String, Failed> {
    // Linux takes no longer argument.
    const MAX_ARGUMENT: usize = 100 * 1024;
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.len() <= MAX_ARGUMENT && !text.contains('\0'))
            .map(|text| format!("'{}'", text.replace('\'', r"'\''")))
            .ok_or("it is too long for a command, or has bytes that no command can have: leave `--curl` out")
    };
    let to = destination(url.unwrap_or("http://127.0.0.1:3000/"), request);
    let mut curl = format!("curl --globoff {}", text(to.as_bytes())?);
    for (name, value) in request.headers() {
        // A header without a value is one that curl is told to leave out.
        let separator: &[u8] = if value.is_empty() { b";" } else { b": " };
        let header = [name.as_str().as_bytes(), separator, value.as_bytes()].concat();
        curl.push_str(&format!(" \\\n  --header {}", text(&header)?));
    }
    // Unlike `--data-binary`, it takes no `@` for the name of a file.
    curl.push_str(&format!(" \\\n  --data-raw {}\n", text(request.body())?));
    Ok(curl)
}
