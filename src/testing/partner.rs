#![allow(clippy::expect_used, clippy::panic, reason = "a helper for tests fails by panicking")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use serde_json::Value;

use crate::clock::{Clock, SystemClock};
use crate::scheme::{Field, Scheme, SentAt, TimeFormat, Tolerance};
use crate::secret::Secret;
use crate::sign::{Message, Signer};
use crate::timestamp;

/// A partner that signs requests as its scheme says, and some that must be refused.
///
/// Each request is a POST with `content-type: application/json` and the signature. Where the scheme has
/// the id in a header and the message has none, each request gets a new one; where it has the signed
/// time in the JSON body, it is written there.
pub struct Partner {
    scheme: Scheme,
    right: Signer,
    wrong: Signer,
    uri: Uri,
    clock: Arc<dyn Clock>,
    requests: AtomicU64,
}

impl Partner {
    /// A partner with this scheme and secret.
    ///
    /// # Panics
    ///
    /// No [`Verifier`](crate::Verifier) can be built from them either.
    pub fn new(scheme: Scheme, secret: impl Into<Secret>) -> Self {
        // As raw text and as base64, so that it suits each key format.
        let other = "b3RoZXIgc2VjcmV0IG9mIGEgZm9yZ2Vy";
        let signer =
            |secret: Secret| Signer::new(scheme.clone(), secret).expect("a scheme that signs");
        let (right, wrong) = (signer(secret.into()), signer(other.into()));
        let (uri, clock) = (Uri::from_static("/"), Arc::new(SystemClock));
        Self { scheme, right, wrong, uri, clock, requests: AtomicU64::new(0) }
    }

    /// Where it sends its requests, instead of `/`.
    ///
    /// # Panics
    ///
    /// It is no URI.
    pub fn uri(mut self, uri: &str) -> Self {
        self.uri = uri.parse().expect("a URI");
        self
    }

    /// The clock that it dates its requests by; give the verifier the same one.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A request that is right, sent now.
    ///
    /// # Panics
    ///
    /// The message can't be sent: see [`SignError`](crate::sign::SignError). The same holds for all
    /// others.
    pub fn valid(&self, message: &Message) -> Request<Full<Bytes>> {
        self.sign(&self.right, message, self.clock.now())
    }

    /// A request that is right, but a second older than the scheme tolerates.
    ///
    /// # Panics
    ///
    /// The scheme judges no time, so no request of it is ever stale.
    pub fn stale(&self, message: &Message) -> Request<Full<Bytes>> {
        let age = self.tolerance().past.saturating_add(Duration::from_secs(2));
        let then = self.clock.now().checked_sub(age).expect("a clock after 1970");
        self.sign(&self.right, message, then)
    }

    /// A request that is right, but dated further ahead than the scheme tolerates.
    ///
    /// # Panics
    ///
    /// The scheme judges no time.
    pub fn future(&self, message: &Message) -> Request<Full<Bytes>> {
        let ahead = self.tolerance().future.saturating_add(Duration::from_secs(2));
        let then = self.clock.now().checked_add(ahead).expect("a clock before the end of time");
        self.sign(&self.right, message, then)
    }

    /// A request whose body was changed after it was signed: by a space at its end, which no JSON parser
    /// sees.
    pub fn tampered(&self, message: &Message) -> Request<Full<Bytes>> {
        let (parts, _) = self.valid(message).into_parts();
        let mut body = BytesMut::from(&*self.body(message, self.clock.now()));
        body.extend_from_slice(b" ");
        Request::from_parts(parts, Full::new(body.freeze()))
    }

    /// A request that somebody signed who does not know the secret.
    pub fn wrong_secret(&self, message: &Message) -> Request<Full<Bytes>> {
        self.sign(&self.wrong, message, self.clock.now())
    }

    fn sign(
        &self,
        signer: &Signer,
        message: &Message,
        sent_at: SystemTime,
    ) -> Request<Full<Bytes>> {
        let body = self.body(message, sent_at);
        let mut message = message.clone().body(body.clone()).sent_at(sent_at);
        if let Some(Field::Header(_)) = &self.scheme.id
            && !message.has_id()
        {
            let n = self.requests.fetch_add(1, Ordering::Relaxed);
            message = message.id(format!("test-{n}-{:x}", fastrand::u64(..)));
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = signer.sign(&message).expect("a message that can be signed");
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        request
    }

    /// The body, with the time in it where the scheme has it there.
    fn body(&self, message: &Message, sent_at: SystemTime) -> Bytes {
        let Some(SentAt { field: Field::Pointer(pointer), format }) = &self.scheme.sent_at else {
            return message.bytes().clone();
        };
        let mut body: Value = serde_json::from_slice(message.bytes()).expect("a JSON body");
        let time = body.pointer_mut(pointer);
        let time =
            time.unwrap_or_else(|| panic!("the body needs a time at {pointer}, whatever it is"));
        let text = timestamp::write(*format, sent_at);
        *time = match format {
            TimeFormat::Rfc3339 => Value::String(text),
            TimeFormat::UnixSeconds | TimeFormat::UnixMillis => {
                Value::Number(text.parse().expect("a number"))
            }
        };
        body.to_string().into()
    }

    fn tolerance(&self) -> Tolerance {
        assert!(self.scheme.sent_at.is_some(), "{} signs no time", self.scheme.name);
        self.scheme.tolerance.expect("a scheme that judges its time")
    }
}

impl fmt::Debug for Partner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partner")
            .field("scheme", &self.scheme.name)
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}
