//! Who sent a request, and when: pure, without I/O, usable without tower.
//!
//! ```
//! use bytes::Bytes;
//! use inhook::{Secret, Verifier, presets};
//!
//! let verifier = Verifier::new("github-acme", presets::GITHUB, Secret::new("It's a Secret to Everybody"))?;
//! let request = http::Request::post("/webhooks/github")
//!     .header("x-github-event", "ping")
//!     .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
//!     .header(
//!         "x-hub-signature-256",
//!         "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
//!     )
//!     .body(Bytes::from_static(b"Hello, World!"))?;
//! let delivery = verifier.verify(request)?;
//! assert_eq!(delivery.event(), Some("ping"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Request};

use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::error::ConfigError;
use crate::scheme::Scheme;
use crate::secret::{KeyRing, Secret};

mod body;
mod builder;
mod content;
pub(crate) mod form;
mod freshness;
mod headers;
pub(crate) mod identity;
mod lint;
pub(crate) mod mac;
mod needs;
mod place;
mod reading;
mod rejection;
mod signatures;
pub(crate) mod source;
mod unproved;
mod url;
mod wanted;
mod window;

pub(crate) use body::Fields;
pub use builder::VerifierBuilder;
pub(crate) use content::Piece;
pub(crate) use headers::Envelope;
use mac::Key;
pub(crate) use reading::{Incoming, Reading};
pub use rejection::Rejection;
use source::Source;
use unproved::{Message, Signed};
pub(crate) use unproved::{sha256_hex, signed};

/// Verifies the requests of one source.
///
/// A source is one configured sender to one endpoint (`github-acme`, not just `github`): its name
/// separates the ids of two tenants of the same partner, and of two endpoints that get the same event.
/// Clones are cheap and share the secrets, so a rotation through one is seen by all.
#[derive(Clone)]
pub struct Verifier {
    source: Arc<Source>,
    keys: Arc<ArcSwap<KeyRing>>,
    rotation: Rotation,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier with the defaults of its scheme.
    ///
    /// # Errors
    ///
    /// A scheme or secret that would let something through: see [`ConfigError`].
    pub fn new(
        source: impl Into<String>,
        scheme: Scheme,
        secret: impl Into<Secret>,
    ) -> Result<Self, ConfigError> {
        Self::builder(source, scheme, secret).build()
    }

    /// A verifier that differs from its scheme, or that has several secrets.
    ///
    /// ```
    /// use inhook::{Secret, Verifier, presets, scheme::Identity};
    ///
    /// # let (old, new) = ("an old secret, retired soon", "a new secret, in use since today");
    /// let verifier = Verifier::builder("github-acme", presets::GITHUB, Secret::new(new).label("2026-02"))
    ///     .secret(Secret::new(old).label("2026-01"))
    ///     .identity(Identity::Content)
    ///     .build()?;
    /// # Ok::<(), inhook::ConfigError>(())
    /// ```
    pub fn builder(
        source: impl Into<String>,
        scheme: Scheme,
        secret: impl Into<Secret>,
    ) -> VerifierBuilder {
        VerifierBuilder::new(source.into(), scheme, secret.into())
    }

    /// Verifies a whole request; its body must be the raw bytes as they arrived.
    ///
    /// The method and the query are looked at where the scheme signs them, or has a value there.
    ///
    /// # Errors
    ///
    /// Why the request is refused, and with which status: see [`Rejection`].
    #[inline(never)] // Inlined into a large caller it is slower.
    pub fn verify(&self, request: Request<Bytes>) -> Result<Delivery, Rejection> {
        self.verify_at(request, self.clock.now())
    }

    #[inline]
    pub(crate) fn verify_at(
        &self,
        request: Request<Bytes>,
        now: SystemTime,
    ) -> Result<Delivery, Rejection> {
        let keys = self.keys.load();
        let Proof { secret, signed_at, fields } = self.source.prove(&keys.keys, &request, now)?;
        let (parts, body) = request.into_parts();
        Ok(Delivery::new(&self.source, parts.headers, body, fields, signed_at, now, secret))
    }

    /// What can be refused before the body is read: a missing, repeated or malformed header, a
    /// signature that can't be one, a stale time. [`verify`](Self::verify) checks it all again.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn check_headers(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        self.source.read(headers, self.clock.now()).map(drop)
    }

    /// Replaces all secrets at once. Requests that are being verified finish with the old ones;
    /// every later one uses the new ones, and a secret that is left out is refused at once.
    ///
    /// # Errors
    ///
    /// If any secret is wrong, or there is none, all the old ones stay in use.
    pub fn rotate(&self, secrets: impl IntoIterator<Item = Secret>) -> Result<(), ConfigError> {
        let Rotation { scheme, allow_weak_secret } = &self.rotation;
        let keys = KeyRing::prepare(scheme, secrets, *allow_weak_secret)?;
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// The time by which it judges.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// How many MACs a request with this body may cost: one for each secret, unless the scheme leaves open what is
    /// signed, or has items.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn max_macs(&self, body: &[u8]) -> usize {
        let Source { contents, ends, unproved, .. } = &*self.source;
        let has_items = unproved.as_ref().is_some_and(|unproved| unproved.items.is_some());
        // Each is an object; in a form its brace is escaped.
        let braces = || body.iter().filter(|byte| b"{%".contains(byte)).count();
        let items = if has_items { braces().min(unproved::MAX_ITEMS) } else { 1 };
        let counts = [contents.len(), ends.len().max(1), items];
        counts.into_iter().fold(self.keys.load().keys.len(), usize::saturating_mul)
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.source.name
    }

    /// How long the partner waits for an answer, from its scheme.
    pub fn deadline(&self) -> Duration {
        self.source.deadline
    }
}

/// What is known of a request whose MAC holds.
pub(crate) struct Proof {
    /// The label of the secret that matched.
    secret: Arc<str>,
    signed_at: Option<SystemTime>,
    /// `None` where nothing but headers had to be read.
    fields: Option<Box<Fields>>,
}

impl Source {
    /// Whether somebody who has one of these keys signed the request, and what it says.
    pub(crate) fn prove(
        &self,
        keys: &[(Arc<str>, Key)],
        request: &Request<Bytes>,
        now: SystemTime,
    ) -> Result<Proof, Rejection> {
        let (headers, body) = (request.headers(), request.body());
        let envelope = self.read(headers, now)?;
        let (method, query) = (request.method(), request.uri().query());
        let mut reading = Reading::new(Incoming { method, query, headers, body });
        let messages = match &self.unproved {
            None => None,
            Some(unproved) => {
                reading.parse(self)?;
                Some(self.messages(unproved, &reading, true)?)
            }
        };

        // The label of the secret, and what was signed behind the content.
        let mut matched: Option<(Arc<str>, &[u8])> = None;
        for (label, key) in keys {
            if envelope.key_id.is_some_and(|id| id != label.as_bytes()) {
                continue;
            }
            // Which key it was is no secret; that every key is tried is cheap and constant.
            let end = match &messages {
                None => self.is_signed(label, key, &envelope, body).then_some(&[][..]),
                Some(messages) => self.are_signed(label, key, &envelope, messages, body),
            };
            if matched.is_none() {
                matched = end.map(|end| (label.clone(), end));
            }
        }
        let (secret, end) = matched.ok_or(Rejection::WrongSignature)?;

        // From here on the partner wrote every byte that is signed.
        self.check_digest(&reading)?;
        let signed = messages.as_deref().map(|messages| Signed { messages, end });
        let fields = self.read_fields(&reading, signed, envelope.id)?;
        let signed_at = match fields.as_ref().and_then(|fields| fields.sent_at) {
            Some(sent_at) => Some(self.judge(sent_at, now)?),
            None => envelope.sent_at,
        };
        Ok(Proof { secret, signed_at, fields })
    }

    /// Whether a request of an ordinary scheme is signed with this key.
    fn is_signed(&self, label: &str, key: &Key, envelope: &Envelope<'_>, body: &[u8]) -> bool {
        let is_tag = |content: &Vec<Piece>| {
            let tag = key.mac(signed(content, &[], envelope, body));
            self.signature.has(&tag, envelope.signatures, label.as_bytes())
        };
        self.contents.iter().any(is_tag)
    }

    /// Whether all messages are: what was signed behind them, which may be nothing.
    #[inline(never)] // It is rare, and would be in the way of the usual case.
    fn are_signed<'s>(
        &'s self,
        label: &str,
        key: &Key,
        envelope: &Envelope<'_>,
        messages: &[Message<'_>],
        body: &[u8],
    ) -> Option<&'s [u8]> {
        let is_signed = |content: &[Piece], end: &[u8], message: &Message<'_>| {
            let content = signed(content, message.values(), envelope, body);
            let tag = key.mac(content.chain([end]));
            let signatures = message.signatures(self, envelope.signatures);
            self.signature.has(&tag, signatures, label.as_bytes())
        };
        let mut ends = self.ends.iter().map(|end| &**end);
        ends.find(|end| {
            let mut contents = self.contents.iter();
            contents.any(|content| messages.iter().all(|message| is_signed(content, end, message)))
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.load();
        let labels: Vec<&str> = keys.keys.iter().map(|(label, _)| &**label).collect();
        f.debug_struct("Verifier")
            .field("source", &self.source.name)
            .field("scheme", &self.rotation.scheme.name)
            .field("secrets", &labels)
            .finish_non_exhaustive()
    }
}

/// What `rotate` needs to prepare new keys.
#[derive(Clone)]
struct Rotation {
    scheme: Arc<Scheme>,
    allow_weak_secret: bool,
}
