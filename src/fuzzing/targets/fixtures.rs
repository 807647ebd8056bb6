//! What the targets are tried on: secrets, a clock, and schemes that are not presets.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::clock::Clock;
use crate::scheme::presets::STRIPE;
use crate::scheme::{
    Algorithm, Encoding, Field, Identity, KeyFormat, Layout, Part, Scheme, SentAt, Signature,
    TimeFormat,
};
use crate::secret::Secret;
use crate::verify::Verifier;

/// The new secret and the old one, usable as text and as base64.
pub(super) const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

/// One that has all that is signed of a URL.
pub(super) const URL: &str = "https://hooks.example.com/fuzzed?e=1&data.id=5";

/// A secret in the notation of the scheme, with a name that a request of it may have.
pub(super) fn secret(scheme: &Scheme) -> Secret {
    let text = match &scheme.key {
        KeyFormat::Hex => "6b".repeat(32),
        KeyFormat::Base64 { prefix } | KeyFormat::Base64If { prefix } => {
            format!("{prefix}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        }
        _ => "a secret of at least sixteen bytes".into(),
    };
    Secret::new(text).label("key1")
}

/// The oracles know schemes whose signature is in a header.
pub(super) fn signature_header(scheme: &Scheme) -> &str {
    scheme.signature.field.as_header().expect("a signature in a header")
}

/// A clock that stands still, so that a finding stays one.
#[derive(Debug)]
pub(super) struct Standing;

impl Standing {
    /// 2026-01-15T09:30:00Z.
    pub(super) const UNIX_SECONDS: u64 = 1_768_469_400;
}

impl Clock for Standing {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(Self::UNIX_SECONDS)
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

pub(super) fn verifier(scheme: &Scheme, secrets: impl IntoIterator<Item = Secret>) -> Verifier {
    let mut secrets = secrets.into_iter();
    let first = secrets.next().expect("a secret");
    let builder = Verifier::builder("fuzzed", scheme.clone(), first).allow_weak_secret();
    let builder = secrets.fold(builder, |builder, secret| builder.secret(secret));
    builder.clock(Arc::new(Standing)).build().expect("a scheme that builds")
}

/// Tags in hex, several of them, over a time in milliseconds and the body.
pub(super) const LISTED: Scheme = Scheme {
    algorithm: Algorithm::HmacSha512,
    signature: Signature {
        field: Field::header("x-signature"),
        prefix: Cow::Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Cow::Borrowed(&[
        Part::Literal(Cow::Borrowed("v1:")),
        Part::SentAt,
        Part::Literal(Cow::Borrowed(":")),
        Part::Body,
    ]),
    sent_at: Some(SentAt { field: Field::header("x-timestamp"), format: TimeFormat::UnixMillis }),
    ..Scheme::BASE
};

/// Stripe's, without what is inside the body.
pub(super) const STRIPE_HEADER: Scheme =
    Scheme { id: None, event: None, identity: Identity::Content, ..STRIPE };

/// Tags in base64 and the time in one list.
pub(super) const KEYED: Scheme = Scheme {
    algorithm: Algorithm::HmacSha1,
    signature: Signature {
        field: Field::header("x-signature"),
        prefix: Cow::Borrowed("h1="),
        layout: Layout::List(';'),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Cow::Borrowed(&[Part::SentAt, Part::Literal(Cow::Borrowed(":")), Part::Body]),
    sent_at: Some(SentAt { field: Field::parameter("ts"), format: TimeFormat::UnixMillis }),
    ..Scheme::BASE
};

/// Only the signature is in a header.
pub(super) const IN_BODY: Scheme = Scheme {
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
