use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{
    Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat, Tolerance,
};

/// [Paddle](https://developer.paddle.com/webhooks/signature-verification):
/// `Paddle-Signature: ts=<time>;h1=<hex of HMAC-SHA256(secret, "{time}:{body}")>`.
///
/// - **Identity**: `/event_id` in the body, signed.
/// - **Time**: `ts`, signed, 5 s back and 300 s ahead.
/// - **Event type**: `/event_type` in the body.
/// - Any of several `h1` may match, while a secret is rotated. The 5 s are Paddle's own: where your
///   clock or your network needs more, set it in the builder.
/// - **Retries**: for 3 days. Paddle waits 5 s for an answer.
pub const PADDLE: Scheme = Scheme {
    name: Borrowed("paddle"),
    signature: Signature {
        field: Field::Header(Borrowed("paddle-signature")),
        prefix: Borrowed("h1="),
        layout: Layout::List(';'),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(":")), Part::Body]),
    id: Some(Field::Pointer(Borrowed("/event_id"))),
    event: Some(Field::Pointer(Borrowed("/event_type"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("ts")),
        format: TimeFormat::UnixSeconds,
    }),
    tolerance: Some(Tolerance::past(5)),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/event_id"))])),
    retry_horizon: Duration::from_secs(3 * 24 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "paddle/paddle-h1",
    scheme: PADDLE,
    confirmed: Confirmed::BySource,
    page: "https://developer.paddle.com/webhooks/signature-verification",
    unsigned: "nothing that is used",
}];
