//! How a partner signs its requests, as data.
//!
//! A [`Scheme`] is a plain value: the partners that Inhook knows are constants in [`presets`], and
//! one that it does not know is ten lines of yours:
//!
//! ```
//! use std::borrow::Cow;
//! use inhook::scheme::{Field, Identity, Scheme, SentAt, Signature, TimeFormat};
//!
//! // X-Webhook-Signature: sha256=<hex of HMAC-SHA256(secret, raw body)>
//! const SHORTLINKS: Scheme = Scheme {
//!     name: Cow::Borrowed("shortlinks"),
//!     signature: Signature {
//!         field: Field::header("x-webhook-signature"),
//!         prefix: Cow::Borrowed("sha256="),
//!         ..Signature::BASE
//!     },
//!     id: Some(Field::pointer("/webhook_id")),
//!     event: Some(Field::pointer("/event")),
//!     sent_at: Some(SentAt { field: Field::pointer("/delivered_at"), format: TimeFormat::Rfc3339 }),
//!     identity: Identity::Fields(Cow::Borrowed(&[Field::pointer("/webhook_id")])),
//!     ..Scheme::BASE
//! };
//! # let secret = inhook::Secret::new("a secret of at least sixteen bytes");
//! let verifier = inhook::Verifier::new("shortlinks-acme", SHORTLINKS, secret)?;
//! # Ok::<(), inhook::ConfigError>(())
//! ```
//!
//! A scheme is checked when a [`Verifier`](crate::Verifier) is built from it: one that would let
//! something unsigned through is a [`ConfigError`](crate::ConfigError), not a surprise in
//! production.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod content;
mod duration;
#[cfg(feature = "toml")]
mod file;
mod identity;
mod key;
pub mod presets;
mod signature;
mod time;

pub use content::{Danger, Field, Json, Part};
#[cfg(feature = "toml")]
pub use file::SchemeFileError;
pub use identity::Identity;
pub use key::{Algorithm, KeyFormat, KeyId};
pub use signature::{Encoding, Layout, Signature};
pub use time::{SentAt, TimeFormat, Tolerance};

/// How one partner signs, names and dates its requests, and what it expects of the receiver.
///
/// Write `Scheme { …, ..Scheme::BASE }`: fields are added in minor releases, with a default there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "constants are written with `..Scheme::BASE`")]
pub struct Scheme {
    /// The partner's name, for messages only. The dedup key takes the *source's* name.
    pub name: Cow<'static, str>,
    /// The MAC.
    pub algorithm: Algorithm,
    /// How the configured secret becomes the MAC's key.
    pub key: KeyFormat,
    /// How a request says which of several keys it is signed with, where it does.
    pub key_id: Option<KeyId>,
    /// Where the signature is and how it is written.
    pub signature: Signature,
    /// What is signed, in order. Only parts that can't be taken for another may touch, and the body
    /// must be covered: by [`Part::Body`], [`Part::BodySha256`] or [`digest`](Self::digest). There are
    /// at most 32 parts, those of optional parts among them; literals have at most 255 bytes, and no
    /// value is there twice.
    pub content: Cow<'static, [Part]>,
    /// The JSON pointer to an array of which each item is signed on its own: pointers in
    /// [`content`](Self::content) and [`signature`](Self::signature) begin at the item then. All of
    /// at most 100 items must be right; a request is one delivery all the same, the same one in
    /// whatever order and however often its items are there.
    pub items: Option<Cow<'static, str>>,
    /// Where the SHA-256 of the body is, as 64 lower-case hexadecimal digits, for a partner that
    /// signs it in place of the body. It is compared with the body's.
    pub digest: Option<Field>,
    /// Headers that must have exactly this value: `(name, value)`, at most 16.
    pub requires: Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>,
    /// Where the JSON is that pointers point into.
    pub json: Json,
    /// Constant text that the partner may have signed at the end of the content, or not; both are tried.
    /// That makes it ambiguous: [`Danger::AmbiguousContent`].
    pub optional_end: Option<Cow<'static, str>>,
    /// Whether a form may be `multipart/form-data` as well, where its content type says so; then a request
    /// with two content types is refused, since either could be the one that counts. Without this it is
    /// `application/x-www-form-urlencoded`, whatever the content type says, which is not signed.
    pub multipart: bool,
    /// Whether the partner may sign the URL with its default port (443, or 80 for http) or without;
    /// both are tried then.
    pub either_port: bool,
    /// The partner's id of the delivery, the same at each attempt.
    pub id: Option<Field>,
    /// The type of the event. A request without one is accepted all the same.
    pub event: Option<Field>,
    /// When this *attempt* was sent. Never the time of the event: a partner's retry of an old
    /// event would then be refused as stale.
    pub sent_at: Option<SentAt>,
    /// How far `sent_at` may lie from now. `None`, any age, is for partners that may send the time
    /// of the first attempt again.
    #[serde(with = "time::tolerance")]
    pub tolerance: Option<Tolerance>,
    /// What makes two requests the same delivery.
    pub identity: Identity,
    /// Headers that the partner sends under a second name: `(name, other name)`. If both are
    /// present they must be equal. Names of headers that the scheme does not use are ignored. At most 16.
    pub aliases: Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>,
    /// What is unsafe in this scheme, because the partner leaves no choice. What is not is an error.
    pub dangerously_allow: Cow<'static, [Danger]>,
    /// What the partner wants to be answered.
    pub answer: Answer,
    /// For how long after its first attempt the partner retries, zero if it never does by itself, or
    /// nobody knows that it does after a 503. The dedup window is longer.
    #[serde(with = "duration")]
    pub retry_horizon: Duration,
    /// How long the partner waits for an answer.
    #[serde(with = "duration")]
    pub deadline: Duration,
}

impl Scheme {
    /// HMAC-SHA256 over the raw body in lower-case hex, nothing known about ids and times, and the
    /// strictest identity, the content.
    ///
    /// It has no signature header, so it does not build on its own.
    pub const BASE: Scheme = Scheme {
        name: Cow::Borrowed("custom"),
        algorithm: Algorithm::HmacSha256,
        key: KeyFormat::Raw,
        key_id: None,
        signature: Signature::BASE,
        content: Cow::Borrowed(&[Part::Body]),
        items: None,
        digest: None,
        requires: Cow::Borrowed(&[]),
        json: Json::Body,
        optional_end: None,
        multipart: false,
        either_port: false,
        id: None,
        event: None,
        sent_at: None,
        tolerance: Some(Tolerance::BASE),
        identity: Identity::Content,
        aliases: Cow::Borrowed(&[]),
        dangerously_allow: Cow::Borrowed(&[]),
        answer: Answer::BASE,
        retry_horizon: Duration::from_secs(72 * 60 * 60),
        deadline: Duration::from_secs(10),
    };

    /// Where the event type may be.
    pub(crate) fn events(&self) -> &[Field] {
        match &self.event {
            Some(Field::FirstOf(fields)) => fields,
            event => event.as_slice(),
        }
    }
}

impl Default for Scheme {
    fn default() -> Self {
        Self::BASE
    }
}

/// What a partner wants to be answered when its request was accepted, or is a duplicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "a status and a body is all there is")]
pub struct Answer {
    /// 200 to 299.
    pub status: u16,
    /// Plain text, for most partners empty.
    pub body: Cow<'static, str>,
}

impl Default for Answer {
    fn default() -> Self {
        Self::BASE
    }
}

impl Answer {
    /// 200 with an empty body.
    pub const BASE: Answer = Answer { status: 200, body: Cow::Borrowed("") };
}
