use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Scheme, Signature};

/// [LINE](https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/):
/// `x-line-signature: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: the content, since the events may be none. A redelivery says in its body that it
///   is one, so it is a delivery of its own: look at `webhookEventId`, which is `id()` for the
///   first event.
/// - **Event type**: that of the first event, `/events/0/type` in the body.
/// - LINE waits 2 s for an answer.
pub const LINE: Scheme = Scheme {
    name: Borrowed("line"),
    signature: Signature {
        field: Field::Header(Borrowed("x-line-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/events/0/webhookEventId"))),
    event: Some(Field::Pointer(Borrowed("/events/0/type"))),
    deadline: Duration::from_secs(2),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "line/body-base64",
    scheme: LINE,
    confirmed: Confirmed::BySource,
    page: "https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
    unsigned: "nothing that is used",
}];
