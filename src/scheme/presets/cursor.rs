use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Cursor](https://docs.cursor.com/background-agent/api/webhooks):
/// `X-Webhook-Signature: sha256=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `X-Webhook-ID`, not signed, bound to the content.
/// - **Event type**: `X-Webhook-Event`, not signed.
pub const CURSOR: Scheme = Scheme {
    name: Borrowed("cursor"),
    signature: Signature {
        field: Field::Header(Borrowed("x-webhook-signature")),
        prefix: Borrowed("sha256="),
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-webhook-id"))),
    event: Some(Field::Header(Borrowed("x-webhook-event"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "cursor/x-webhook-signature-sha256",
    scheme: CURSOR,
    confirmed: Confirmed::ByDocs,
    page: "https://docs.cursor.com/background-agent/api/webhooks",
    unsigned: "the webhook id, the event type",
}];
