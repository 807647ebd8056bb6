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
//!         header: Cow::Borrowed("x-webhook-signature"),
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

pub mod presets;

/// How one partner signs, names and dates its requests, and what it expects of the receiver.
///
/// Write `Scheme { …, ..Scheme::BASE }`: fields are added in minor releases, with a default there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "constants are written with `..Scheme::BASE`")]
pub struct Scheme {
    /// The partner's name, for messages only. The dedup key takes the *source's* name.
    pub name: Cow<'static, str>,
    /// The MAC.
    pub algorithm: Algorithm,
    /// How the configured secret becomes the MAC's key.
    pub key: KeyFormat,
    /// Where the signature is and how it is written.
    pub signature: Signature,
    /// What is signed, in order. It must contain [`Part::Body`], as its last part.
    pub content: Cow<'static, [Part]>,
    /// The partner's id of the delivery, the same at each attempt.
    pub id: Option<Field>,
    /// The type of the event. A request without one is accepted all the same.
    pub event: Option<Field>,
    /// When this *attempt* was sent. Never the time of the event: a partner's retry of an old
    /// event would then be refused as stale.
    pub sent_at: Option<SentAt>,
    /// How far `sent_at` may lie from now.
    pub tolerance: Tolerance,
    /// What makes two requests the same delivery.
    pub identity: Identity,
    /// Headers that the partner sends under a second name: `(name, other name)`. If both are
    /// present they must be equal. Names of headers that the scheme does not use are ignored.
    pub aliases: Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>,
    /// For how long after its first attempt the partner retries, zero if it never does by itself. The
    /// dedup window is longer.
    pub retry_horizon: Duration,
    /// How long the partner waits for an answer.
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
        signature: Signature::BASE,
        content: Cow::Borrowed(&[Part::Body]),
        id: None,
        event: None,
        sent_at: None,
        tolerance: Tolerance::BASE,
        identity: Identity::Content,
        aliases: Cow::Borrowed(&[]),
        retry_horizon: Duration::from_secs(72 * 60 * 60),
        deadline: Duration::from_secs(10),
    };
}

/// The MAC of a [`Scheme`] ([RFC 2104](https://www.rfc-editor.org/rfc/rfc2104)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA1: 20 bytes. Sound as a MAC, but only for partners that offer nothing better.
    HmacSha1,
    /// HMAC-SHA256: 32 bytes.
    HmacSha256,
    /// HMAC-SHA512: 64 bytes.
    HmacSha512,
}

/// How the configured secret becomes the MAC's key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFormat {
    /// The bytes of the secret are the key.
    Raw,
    /// The secret is padded standard base64 (RFC 4648 §4), after this prefix where it is there.
    Base64 {
        /// For example `whsec_`.
        prefix: Cow<'static, str>,
    },
}

/// Where the signature is and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "constants are written with `..Signature::BASE`")]
pub struct Signature {
    /// The header's name, in any case.
    pub header: Cow<'static, str>,
    /// What stands before each signature: `sha256=`, `v1,`, or nothing.
    pub prefix: Cow<'static, str>,
    /// One signature, or several.
    pub layout: Layout,
    /// How the MAC is written.
    pub encoding: Encoding,
}

impl Signature {
    /// One signature in lower-case hex without a prefix; the header has to be named.
    pub const BASE: Signature = Signature {
        header: Cow::Borrowed(""),
        prefix: Cow::Borrowed(""),
        layout: Layout::Single,
        encoding: Encoding::Hex,
    };
}

/// How many signatures a header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// One, which must carry the prefix.
    Single,
    /// A list with this separator. Entries without the prefix (other versions, [`Field::Parameter`]),
    /// or of another length than a tag has, are ignored; any one of at most 16 others may match.
    List(char),
}

/// How a MAC is written as text. Each has exactly one spelling per MAC; others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Padded standard base64 (RFC 4648 §4).
    Base64,
}

/// A piece of the signed content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The raw body.
    Body,
    /// The value of the header that [`Scheme::id`] names.
    Id,
    /// The text of the header or parameter that [`Scheme::sent_at`] names.
    SentAt,
    /// Constant text, such as the dots in `id.timestamp.body`.
    Literal(Cow<'static, str>),
}

/// Where a value is in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// A header, by its name in any case.
    Header(Cow<'static, str>),
    /// A string in the JSON body, by its JSON pointer
    /// ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)). Read only after the MAC holds; where
    /// a key is repeated the last one counts, as in serde_json.
    Pointer(Cow<'static, str>),
    /// A parameter of the signature header, where that is a [`Layout::List`]: `t` in
    /// `t=1492774577,v1=…`. Only for [`Scheme::sent_at`]. It must be there exactly once, at any
    /// place in the list.
    Parameter(Cow<'static, str>),
}

impl Field {
    /// A header, in a constant.
    pub const fn header(name: &'static str) -> Field {
        Field::Header(Cow::Borrowed(name))
    }

    /// A JSON pointer, in a constant.
    pub const fn pointer(pointer: &'static str) -> Field {
        Field::Pointer(Cow::Borrowed(pointer))
    }

    /// A parameter of the signature header, in a constant.
    pub const fn parameter(name: &'static str) -> Field {
        Field::Parameter(Cow::Borrowed(name))
    }
}

/// When an attempt was sent: a time that the partner writes anew at each attempt and signs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a place and a format is all it is")]
pub struct SentAt {
    /// Where it is. A header or parameter must also be in [`Scheme::content`], as [`Part::SentAt`].
    pub field: Field,
    /// How it is written.
    pub format: TimeFormat,
}

/// How a time is written. Only the canonical spelling counts: no sign, no leading zeros, no space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeFormat {
    /// Whole seconds since 1970.
    UnixSeconds,
    /// Whole milliseconds since 1970.
    UnixMillis,
    /// [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339), upper-case `T` and `Z`, at most nine
    /// fractional digits, no leap second: `2026-01-15T09:30:00.142Z`.
    Rfc3339,
}

/// How far [`Scheme::sent_at`] may lie from now; the bounds themselves are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there are two directions")]
pub struct Tolerance {
    /// How old a request may be: 1 s to 24 h.
    pub past: Duration,
    /// How far ahead of our clock it may be dated: 1 s to 24 h.
    pub future: Duration,
}

impl Tolerance {
    /// 300 s in both directions.
    pub const BASE: Tolerance =
        Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(300) };
}

/// What makes two requests the same delivery.
///
/// It decides what a replayed request can do, so each variant says what it does *not* catch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// Fields that the MAC covers, together. The best there is: a replay can't change them. A
    /// request that lacks one is answered 400.
    Fields(Cow<'static, [Field]>),
    /// The signed content without its timestamp. A replay is always caught; two events with equal
    /// bodies count as one.
    Content,
    /// [`Scheme::id`], which the MAC does not cover, bound to the content. Equal bodies under new
    /// ids both run; a captured request sent again under a new id runs again. A missing id counts
    /// as empty.
    IdAndContent,
    /// [`Scheme::id`] alone, although the MAC does not cover it: for partners that write a new time
    /// into the body at each attempt and sign no id. Whoever guesses an id can make the real
    /// delivery look like a duplicate, and a captured request under a new id runs again.
    UnsignedId,
    /// Nothing: every verified request is a delivery of its own.
    None,
}
