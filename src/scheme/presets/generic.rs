use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, SentAt, Signature, TimeFormat};

/// [The generic scheme](https://docs.rs/inhook):
/// `X-Webhook-Signature: sha256=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `/webhook_id` in the body, signed.
/// - **Time**: `/delivered_at` in the body, signed, 300 s in both directions.
/// - **Event type**: `/event` in the body.
pub const GENERIC: Scheme = Scheme {
    name: Borrowed("generic"),
    signature: Signature {
        field: Field::Header(Borrowed("x-webhook-signature")),
        prefix: Borrowed("sha256="),
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/webhook_id"))),
    event: Some(Field::Pointer(Borrowed("/event"))),
    sent_at: Some(SentAt {
        field: Field::Pointer(Borrowed("/delivered_at")),
        format: TimeFormat::Rfc3339,
    }),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/webhook_id"))])),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "generic/x-webhook-signature-sha256",
    scheme: GENERIC,
    confirmed: Confirmed::ByDocs,
    page: "https://docs.rs/inhook",
    unsigned: "nothing that is used",
}];
