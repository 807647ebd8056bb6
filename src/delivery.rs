//! What a [`Verifier`](crate::Verifier) makes of a request: the proof that a partner sent it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::scheme::Answer;
use crate::verify::identity::IdentitySpec;
use crate::verify::source::Source;
use crate::verify::{Fields, Piece};

/// A verified request.
///
/// Only a [`Verifier`](crate::Verifier) makes one, and an inbox takes nothing else: that an
/// unverified request can reach a store is a type error.
#[derive(Clone)]
pub struct Delivery {
    source: Arc<Source>,
    headers: HeaderMap,
    body: Bytes,
    /// `None` where nothing but the headers had to be read.
    fields: Option<Box<Fields>>,
    /// The event type in a body that did not have to be read.
    event: OnceLock<Option<(usize, Box<str>)>>,
    key: OnceLock<Key>,
    signed_at: Option<SystemTime>,
    received_at: SystemTime,
    secret: Arc<str>,
}

impl Delivery {
    pub(crate) fn new(
        source: &Arc<Source>,
        headers: HeaderMap,
        body: Bytes,
        fields: Option<Box<Fields>>,
        signed_at: Option<SystemTime>,
        received_at: SystemTime,
        secret: Arc<str>,
    ) -> Self {
        let key = OnceLock::new();
        if let IdentitySpec::None = source.identity {
            // Drawn once per delivery, so that clones agree.
            key.get_or_init(|| Key::unique(source));
        }
        Self {
            source: source.clone(),
            headers,
            body,
            fields,
            event: OnceLock::new(),
            key,
            signed_at,
            received_at,
            secret,
        }
    }

    /// The name of the source, as configured in the [`Verifier`](crate::Verifier).
    pub fn source(&self) -> &str {
        &self.source.name
    }

    /// The partner's id of the delivery. Information: what tells deliveries apart is
    /// [`key`](Self::key), and an id that the MAC does not cover may be forged: in a header, in the body of
    /// a scheme that allows [`Danger::UnsignedBody`](crate::scheme::Danger::UnsignedBody), or in a form
    /// that may be [multipart](crate::scheme::Scheme::multipart), since the content type is not signed.
    pub fn id(&self) -> Option<&str> {
        let in_body = self.fields.as_ref().and_then(|fields| fields.id.as_deref());
        in_body.or_else(|| self.source.header_id(&self.headers))
    }

    /// The type of the event, if the request has a usable one (a string of 1 to 255 bytes). Where the MAC
    /// does not cover it, it may be forged, as an [`id`](Self::id) may.
    pub fn event(&self) -> Option<&str> {
        let elsewhere = || {
            let event = match &self.fields {
                Some(fields) => fields.event.as_ref(),
                None => self.event.get_or_init(|| self.source.body_event(&self.body)).as_ref(),
            };
            event.map(|(at, event)| (*at, &**event))
        };
        self.source.event(&self.headers, elsewhere)
    }

    /// The idempotency key: SHA-256 over the source's name and its identity, the same for each
    /// attempt of one delivery.
    pub fn key(&self) -> Key {
        *self.key.get_or_init(|| self.compute_key())
    }

    /// When the partner says that it sent this attempt; `None` where it signs no time.
    pub fn signed_at(&self) -> Option<SystemTime> {
        self.signed_at
    }

    /// When the request was verified.
    pub fn received_at(&self) -> SystemTime {
        self.received_at
    }

    /// The label of the secret that matched.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The request's headers, as they arrived. Those that the scheme does not sign may be forged: whoever has one
    /// genuine request can send it with others, so none of them should say whose delivery it is.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, byte for byte as it arrived. All of it is signed, unless the scheme allows
    /// [`Danger::UnsignedBody`](crate::scheme::Danger::UnsignedBody): then whoever has one genuine request
    /// can send it with another body, and only the fields that the scheme signs can be believed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// The body is not JSON, or not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// What the partner wants to be answered once the delivery is safe.
    pub fn answer(&self) -> &Answer {
        &self.source.answer
    }

    /// How long the partner waits for the answer.
    pub fn deadline(&self) -> Duration {
        self.source.deadline
    }

    /// For how long the partner tries again when it is not answered 2xx; zero if it never does.
    pub fn retry_horizon(&self) -> Duration {
        self.source.retry_horizon
    }

    /// For how long after its accept the key has to be remembered: in a store that is volatile, or
    /// in one that is durable, where a longer window costs little.
    pub fn ttl(&self, durable: bool) -> Duration {
        let window = &self.source.window;
        if durable { window.durable } else { window.volatile }
    }

    /// For how long this very request would be fresh again if it were replayed: the tolerances in
    /// both directions, or zero where no time is judged. A key is never forgotten sooner.
    pub fn freshness(&self) -> Duration {
        self.source.window.freshness
    }

    /// Whether another request can be the same delivery.
    #[cfg(feature = "tower")]
    pub(crate) fn has_identity(&self) -> bool {
        !matches!(self.source.identity, IdentitySpec::None)
    }

    #[cfg(feature = "tower")]
    pub(crate) fn into_parts(self) -> Parts {
        let Self { source, secret, headers, body, .. } = self;
        Parts { source: source.name.clone(), secret, headers, body }
    }

    fn compute_key(&self) -> Key {
        let id = self.id().unwrap_or_default();
        let mut hash = KeyHash::new(&self.source.name);
        match &self.source.identity {
            IdentitySpec::SignedId => hash.piece(b"fields").piece(id.as_bytes()),
            IdentitySpec::Fields(_) => {
                let fields = self.fields.iter().flat_map(|fields| fields.identity.iter());
                fields.fold(hash.piece(b"fields"), |hash, field| hash.piece(field.as_bytes()))
            }
            IdentitySpec::UnsignedId => hash.piece(b"unsigned id").piece(id.as_bytes()),
            IdentitySpec::Content => self.content(hash.piece(b"content")),
            IdentitySpec::IdAndContent => {
                self.content(hash.piece(b"id and content").piece(id.as_bytes()))
            }
            IdentitySpec::None => return Key::unique(&self.source),
        };
        hash.key()
    }

    /// The signed parts without the time, which is new at each attempt.
    fn content<'h>(&self, hash: &'h mut KeyHash) -> &'h mut KeyHash {
        if let Some(signed) = self.fields.as_ref().and_then(|fields| fields.signed) {
            return hash.piece(&signed);
        }
        let content = self.source.contents.first().into_iter().flatten();
        content.fold(hash, |hash, piece| match piece {
            Piece::Body => hash.piece(&self.body),
            Piece::Id => hash.piece(self.id().unwrap_or_default().as_bytes()),
            Piece::SentAt | Piece::Literal(_) | Piece::Value(_) => hash,
        })
    }
}

/// What a record takes over from a delivery.
#[cfg(feature = "tower")]
pub(crate) struct Parts {
    pub(crate) source: Arc<str>,
    pub(crate) secret: Arc<str>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl fmt::Debug for Delivery {
    /// Without headers and body: they may hold credentials and personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("source", &self.source())
            .field("id", &self.id())
            .field("key", &self.key())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// The idempotency key of a delivery: 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// A key that was stored before.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn unique(source: &Source) -> Self {
        KeyHash::new(&source.name).piece(b"none").piece(&source.nonce()).key()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(const_hex::Buffer::<32>::new().format(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let mut bytes = [0; 32];
        const_hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseKeyError)?;
        Ok(Self(bytes))
    }
}

/// A text that is not a [`Key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 64 hexadecimal digits")]
#[non_exhaustive]
pub struct ParseKeyError;

/// SHA-256 over length-prefixed pieces, so that no two lists of pieces look alike.
struct KeyHash(Sha256);

impl KeyHash {
    fn new(source: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.piece(source.as_bytes());
        hash
    }

    fn piece(&mut self, piece: &[u8]) -> &mut Self {
        let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.0.update(len.to_be_bytes());
        self.0.update(piece);
        self
    }

    fn key(&mut self) -> Key {
        Key(self.0.finalize_reset().into())
    }
}
