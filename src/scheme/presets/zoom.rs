use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Zoom](https://developers.zoom.us/docs/api/webhooks/):
/// `x-zm-signature: v0=<hex of HMAC-SHA256(secret, "v0:{time}:{body}")>`.
///
/// - **Identity**: the content. The partner sends no id of the delivery.
/// - **Time**: `x-zm-request-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/event` in the body.
/// - `endpoint.url_validation` is a signed request like any other, and Zoom waits for a token in
///   the answer: it needs a handler of your own.
/// - Zoom waits 3 s for an answer.
pub const ZOOM: Scheme = Scheme {
    name: Borrowed("zoom"),
    signature: Signature {
        field: Field::Header(Borrowed("x-zm-signature")),
        prefix: Borrowed("v0="),
        ..Signature::BASE
    },
    content: Borrowed(&[
        Part::Literal(Borrowed("v0:")),
        Part::SentAt,
        Part::Literal(Borrowed(":")),
        Part::Body,
    ]),
    event: Some(Field::Pointer(Borrowed("/event"))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("x-zm-request-timestamp")),
        format: TimeFormat::UnixSeconds,
    }),
    deadline: Duration::from_secs(3),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "zoom/zoom-v0",
    scheme: ZOOM,
    confirmed: Confirmed::BySource,
    page: "https://developers.zoom.us/docs/api/webhooks/",
    unsigned: "nothing that is used",
}];
