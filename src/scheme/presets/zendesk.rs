use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Identity, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Zendesk](https://developer.zendesk.com/documentation/webhooks/verifying/):
/// `X-Zendesk-Webhook-Signature: <base64 of HMAC-SHA256(secret, "{time}{body}")>`.
///
/// - **Secret**: the text as it is. It looks like base64 and is not decoded.
/// - **Identity**: `X-Zendesk-Webhook-Invocation-Id`, not signed, bound to the content.
/// - **Time**: `X-Zendesk-Webhook-Signature-Timestamp`, signed, and of any age: no tolerance is
///   documented.
/// - **Event type**: `/type` in the body, where the event has one.
/// - Zendesk waits 12 s for an answer.
pub const ZENDESK: Scheme = Scheme {
    name: Borrowed("zendesk"),
    signature: Signature {
        field: Field::Header(Borrowed("x-zendesk-webhook-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Body]),
    id: Some(Field::Header(Borrowed("x-zendesk-webhook-invocation-id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("x-zendesk-webhook-signature-timestamp")),
        format: TimeFormat::Rfc3339,
    }),
    tolerance: None,
    identity: Identity::IdAndContent,
    deadline: Duration::from_secs(12),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "zendesk/ts-body-base64",
    scheme: ZENDESK,
    confirmed: Confirmed::ByDocs,
    page: "https://developer.zendesk.com/documentation/webhooks/verifying/",
    unsigned: "the invocation id",
}];
