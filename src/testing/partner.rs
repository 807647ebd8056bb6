#![allow(clippy::expect_used, clippy::panic, reason = "a helper for tests fails by panicking")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;

use crate::clock::{Clock, SystemClock};
use crate::error::ConfigError;
use crate::scheme::{Field, Scheme, SentAt, Tolerance};
use crate::secret::Secret;
use crate::sign::{Message, Signer};

/// A partner that signs requests as its scheme says, and some that must be refused.
///
/// Each request is a POST with `content-type: application/json` and the signature. Where the scheme has
/// the id in a header and the message has none, each request gets a new one; where it has the signed
/// time in the JSON body, it is written there, beside the message's id and event type.
pub struct Partner {
    scheme: Scheme,
    right: Signer,
    wrong: Signer,
    uri: Option<Uri>,
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
        Self::signing(scheme, secret.into(), Signer::new)
    }

    /// A partner that signs the public URL of the endpoint.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), or it is no URL.
    pub fn for_url(scheme: Scheme, secret: impl Into<Secret>, url: &str) -> Self {
        Self::signing(scheme, secret.into(), |scheme, secret| Signer::for_url(scheme, secret, url))
    }

    fn signing(
        scheme: Scheme,
        secret: Secret,
        signer: impl Fn(Scheme, Secret) -> Result<Signer, ConfigError>,
    ) -> Self {
        // Of digits, so that it suits each key format.
        let other = secret.sibling("00112233445566778899aabbccddeeff");
        let signer = |secret| signer(scheme.clone(), secret).expect("a scheme that signs");
        let (right, wrong) = (signer(secret), signer(other));
        let clock = Arc::new(SystemClock);
        Self { scheme, right, wrong, uri: None, clock, requests: AtomicU64::new(0) }
    }

    /// Where it sends its requests, instead of `/` or the path of the URL. Without a query of its own it keeps
    /// that of the URL, and what is signed in it.
    ///
    /// # Panics
    ///
    /// It is no URI.
    pub fn uri(mut self, uri: &str) -> Self {
        self.uri = Some(uri.parse().expect("a URI"));
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
        self.valid(message).map(|body| {
            let body = body.into_inner().unwrap_or_default();
            Full::new([&body, b" ".as_slice()].concat().into())
        })
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
        let mut message = message.clone().sent_at(sent_at);
        if let Some(SentAt { field: Field::Pointer(_), .. }) = &self.scheme.sent_at {
            message = message.fill_body();
        }
        if let Some(Field::Header(_)) = &self.scheme.id
            && !message.has_id()
        {
            let n = self.requests.fetch_add(1, Ordering::Relaxed);
            message = message.id(format!("test-{n}-{:x}", fastrand::u64(..)));
        }
        let mut request = signer.request(&message).expect("a message that can be signed");
        if let Some(uri) = &self.uri {
            let own = request.uri().query().filter(|_| uri.query().is_none());
            *request.uri_mut() = match own {
                Some(query) => format!("{uri}?{query}").parse().expect("a URI and a query"),
                None => uri.clone(),
            };
        }
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
        request.map(Full::new)
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
