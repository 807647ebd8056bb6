use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [The generic scheme](https://docs.rs/inhook):
/// `X-Webhook-Signature: sha256=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `/webhook_id` in the body, signed.
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
