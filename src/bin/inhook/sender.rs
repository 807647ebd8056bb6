//! What is signed by `inhook sign` and `inhook send`, and how.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::value_parser;
use http::{HeaderValue, Request, header};
use inhook::clock::Clock;
use inhook::scheme::{Danger, Field, Json, Part, Scheme};
use inhook::sign::{Message, Signer};
use inhook::{ConfigError, Delivery, Secret, Verifier};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};
use serde_json::Value;

use crate::output::note;
use crate::secrets::Secrets;
use crate::verify::{At, YEAR_9999, wrong};
use crate::{Failed, request, scheme};

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
        let url = url.map(str::to_owned);
        signer(&scheme, &secret, url.as_deref())?;
        let body = request::bytes(&self.body)
            .map_err(|error| format!("{}: {error}", self.body.display()))?;
        let body = as_signed_field(&scheme, body);
        let mut receiver =
            Verifier::builder("inhook", scheme.clone(), secret.clone()).allow_weak_secret();
        if let Some(url) = &url {
            receiver = receiver.url(url);
        }
        if let Some(at) = self.at {
            receiver = receiver.clock(Arc::new(At(at)));
        }
        let receiver = receiver.build()?;
        Ok(Prepared { sender: self, scheme, secret, url, receiver, body: body.into() })
    }

    /// The public URL that was given.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

/// An endpoint, where none is given.
pub(crate) const ANYWHERE: &str = "http://127.0.0.1:3000/";

/// All that it takes to sign a request.
pub(crate) struct Prepared<'s> {
    sender: &'s Sender,
    scheme: Scheme,
    secret: Secret,
    url: Option<String>,
    receiver: Verifier,
    body: Bytes,
}

impl Prepared<'_> {
    /// How long the partner waits for an answer.
    pub(crate) fn deadline(&self) -> Duration {
        self.scheme.deadline
    }

    /// Says what a receiver refuses, or does not find of what was asked for, and what was done to the
    /// body.
    pub(crate) fn check(&self, endpoint: &str, request: &Request<Bytes>) {
        let Sender { id, event, at, .. } = self.sender;
        let scheme = &self.scheme;
        let received = self.receiver.verify(request.clone());
        if let Err(rejection) = &received {
            note(format_args!("warning: a receiver refuses this request: {rejection}"));
        }
        let found = received.as_ref().ok();
        let at = at.map(|at| at.to_string());
        for (option, given, has_place, found) in [
            ("--id", id, scheme.id.is_some(), found.map(Delivery::id)),
            ("--event", event, scheme.event.is_some(), found.map(Delivery::event)),
            // Where it can't be written, the request is refused.
            ("--at", &at, scheme.sent_at.is_some(), None),
        ] {
            match (given, has_place, found) {
                (Some(_), false, _) => note(format_args!(
                    "warning: `{option}` is not used: this partner sends no such thing"
                )),
                (Some(given), true, Some(found)) if found != Some(given) => {
                    let found = found.map_or("none".to_owned(), |found| format!("`{found}`"));
                    note(format_args!("warning: `{option}`: what a receiver finds is {found}"));
                }
                _ => {}
            }
        }
        if self.sender.tamper && self.receiver.verify(self.tampered(request.clone())).is_ok() {
            note(format_args!(
                "warning: a receiver accepts it although it was tampered with: the body is not what is signed"
            ));
        }
        let own = endpoint.split_once('?').map_or("", |(_, own)| own);
        if !self.destination(endpoint, request).contains(own) {
            note(format_args!(
                "warning: the query of the endpoint is left out: another one is signed"
            ));
        }
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(request.body()).is_ok();
        if is_json && !request.body().starts_with(&self.body) {
            note(format_args!(
                "note: values were written into the body, so its JSON was serialised again"
            ));
        }
    }

    /// The URL, with a parameter in the query that is signed and nothing else writes: the first one, or,
    /// where that is optional, the first one that is signed instead of the body. Without it no two
    /// requests could be told apart.
    fn with_signed_parameter(&self, id: &str) -> Option<String> {
        let scheme = &self.scheme;
        let unsigned_body = scheme.dangerously_allow.contains(&Danger::UnsignedBody);
        let mut parts = scheme.content.iter().flat_map(|part| match part {
            Part::Optional(parts) if unsigned_body => parts.iter(),
            part => std::slice::from_ref(part).iter(),
        });
        let name = parts.find_map(|part| match part {
            Part::Field(field @ Field::Query(name)) if !is_written(scheme, field) => Some(name),
            _ => None,
        });
        // A parameter of a URL that is signed as a whole is part of that.
        let name = name.filter(|_| !scheme.content.contains(&Part::Url));
        let Some(name) = name else { return self.url.clone() };
        let url = self.url.as_deref().unwrap_or(ANYWHERE);
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        if query.split('&').any(|pair| is_named(pair.as_bytes(), name)) {
            return Some(url.to_owned());
        }
        let query = if query.is_empty() { String::new() } else { format!("{query}&") };
        Some(format!("{base}?{query}{}", parameter(name, id.as_bytes())))
    }

    /// A signed request. It has the id of the command line, or this one where it needs one: in a JSON body
    /// that has an id already only if all are to be distinct.
    pub(crate) fn request(&self, id: &str, distinct: bool) -> Result<Request<Bytes>, Failed> {
        let sender = self.sender;
        let mut message = Message::new(self.body.clone());
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        let is_there = |field: Option<&Field>| match (field, &json) {
            (Some(Field::Pointer(at) | Field::Integer(at)), Some(json)) => {
                json.pointer(at).is_some()
            }
            _ => false,
        };
        let made = Some(id).filter(|_| distinct || !is_there(self.scheme.id.as_ref()));
        let given = sender.id.as_deref();
        let written_id = given.or(made);
        // What is neither an object nor has room for them has nothing to be filled in.
        let is_object = json.as_ref().is_some_and(Value::is_object);
        let written = [
            self.scheme.id.as_ref().filter(|_| written_id.is_some()),
            first(&self.scheme.event).filter(|_| sender.event.is_some()),
            self.scheme.sent_at.as_ref().map(|sent_at| &sent_at.field),
        ];
        let mut in_json = written.into_iter().filter(|field| field.is_some_and(is_in_json));
        if is_object || json.is_some() && in_json.all(is_there) {
            message = message.fill_body();
        }
        if let Some(id) = written_id {
            message = message.id(id);
        }
        if let Some(event) = &sender.event {
            message = message.event(event);
        }
        if let Some(at) = sender.at {
            message = message.sent_at(At(at).now());
        }
        let url = self.with_signed_parameter(given.unwrap_or(id));
        let mut request = signer(&self.scheme, &self.secret, url.as_deref())?.request(&message)?;
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            let kind = match serde_json::from_slice::<serde::de::IgnoredAny>(request.body()) {
                Ok(_) => "application/json",
                Err(_) => "application/octet-stream",
            };
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        Ok(request)
    }

    /// With what `--tamper` changes.
    pub(crate) fn tampered(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        if self.sender.tamper {
            let tampered = [request.body(), b" ".as_slice()].concat();
            *request.body_mut() = tampered.into();
        }
        request
    }

    /// Where to send a request: an endpoint with the query of the request, and with its own before that
    /// where a receiver does not mind.
    pub(crate) fn destination(&self, endpoint: &str, request: &Request<Bytes>) -> String {
        let (base, own) = endpoint.split_once('?').unwrap_or((endpoint, ""));
        let query = request.uri().query().unwrap_or_default();
        let query = match own {
            own if own.is_empty() || query == own || query.starts_with(&format!("{own}&")) => {
                query.to_owned()
            }
            own if query.is_empty() => own.to_owned(),
            own => format!("{own}&{query}"),
        };
        let mut sent = request.clone();
        let uri = format!("{}?{query}", request.uri().path()).parse();
        if let Ok(uri) = uri {
            *sent.uri_mut() = uri;
        }
        let query = match self.receiver.verify(sent) {
            Err(_) if self.receiver.verify(request.clone()).is_ok() => {
                request.uri().query().unwrap_or_default().to_owned()
            }
            _ => query,
        };
        if query.is_empty() { base.to_owned() } else { format!("{base}?{query}") }
    }
}

fn signer(scheme: &Scheme, secret: &Secret, url: Option<&str>) -> Result<Signer, Failed> {
    let (scheme, secret) = (scheme.clone(), secret.clone());
    let signer = match url {
        Some(url) => Signer::for_url(scheme, secret, url),
        None => Signer::new(scheme, secret),
    };
    signer.map_err(wrong)
}

/// The place that an event type is written to.
fn first(event: &Option<Field>) -> Option<&Field> {
    match event {
        Some(Field::FirstOf(fields)) => fields.first(),
        event => event.as_ref(),
    }
}

fn is_in_json(field: &Field) -> bool {
    matches!(field, Field::Pointer(_) | Field::Integer(_))
}

/// Whether the signer writes this field itself, as the id, the event type, the time or the digest.
fn is_written(scheme: &Scheme, field: &Field) -> bool {
    let event = first(&scheme.event);
    let sent_at = scheme.sent_at.as_ref().map(|sent_at| &sent_at.field);
    [scheme.id.as_ref(), event, sent_at, scheme.digest.as_ref()].contains(&Some(field))
}

/// The body, or the form that has it as the one field that is signed: that is what such a partner sends.
fn as_signed_field(scheme: &Scheme, body: Vec<u8>) -> Vec<u8> {
    match &*scheme.content {
        [Part::Field(field @ Field::Form(name))]
            if scheme.json == Json::Body && !is_written(scheme, field) =>
        {
            let is_there = body.split(|byte| *byte == b'&').any(|pair| is_named(pair, name));
            if is_there { body } else { parameter(name, &body).into_bytes() }
        }
        _ => body,
    }
}

/// `name=value`, encoded.
fn parameter(name: &str, value: &[u8]) -> String {
    let encode = |text| percent_encode(text, NON_ALPHANUMERIC);
    format!("{}={}", encode(name.as_bytes()), encode(value))
}

fn is_named(pair: &[u8], name: &str) -> bool {
    let found = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    percent_decode(found).eq(name.bytes())
}
