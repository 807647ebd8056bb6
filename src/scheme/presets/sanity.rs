use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{
    Encoding, Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat,
};

/// [Sanity](https://www.sanity.io/docs/content-lake/webhooks):
/// `sanity-webhook-signature: t=<time>,v1=<base64url of HMAC-SHA256(secret, "{time}.{body}")>`.
///
/// - **Identity**: `idempotency-key`, not signed, bound to the content.
/// - **Time**: `t`, signed, in milliseconds, and of any age: whether a retry has a new one is not
///   documented.
/// - **Event type**: `sanity-operation`, not signed.
/// - **Retries**: for 30 min. Sanity waits 30 s for an answer.
pub const SANITY: Scheme = Scheme {
    name: Borrowed("sanity"),
    signature: Signature {
        field: Field::Header(Borrowed("sanity-webhook-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        encoding: Encoding::Base64Url,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    id: Some(Field::Header(Borrowed("idempotency-key"))),
    event: Some(Field::Header(Borrowed("sanity-operation"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixMillis,
    }),
    tolerance: None,
    identity: Identity::IdAndContent,
    retry_horizon: Duration::from_secs(30 * 60),
    deadline: Duration::from_secs(30),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "sanity/stripe-like-ms-base64url",
    scheme: SANITY,
    confirmed: Confirmed::BySource,
    page: "https://www.sanity.io/docs/content-lake/webhooks",
    unsigned: "the idempotency key, the operation",
}];
