use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Layout, Part, Scheme, SentAt, Signature, TimeFormat, Tolerance};

/// [ElevenLabs](https://elevenlabs.io/docs/product-guides/administration/webhooks):
/// `ElevenLabs-Signature: t=<time>,v0=<hex of HMAC-SHA256(secret, "{time}.{body}")>`.
///
/// - **Identity**: the content. The partner sends no id of the delivery; `id()` is that of the
///   conversation, `/data/conversation_id` in the body, which may have several.
/// - **Time**: `t`, signed, 1800 s back and 300 s ahead.
/// - **Event type**: `/type` in the body.
/// - **Retries**: none.
pub const ELEVENLABS: Scheme = Scheme {
    name: Borrowed("elevenlabs"),
    signature: Signature {
        field: Field::Header(Borrowed("elevenlabs-signature")),
        prefix: Borrowed("v0="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    id: Some(Field::Pointer(Borrowed("/data/conversation_id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    tolerance: Some(Tolerance::past(1800)),
    retry_horizon: Duration::ZERO,
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "elevenlabs/stripe-like-v0",
    scheme: ELEVENLABS,
    confirmed: Confirmed::BySource,
    page: "https://elevenlabs.io/docs/product-guides/administration/webhooks",
    unsigned: "nothing that is used",
}];
