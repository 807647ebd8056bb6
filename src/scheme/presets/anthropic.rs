use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::{Field, Scheme};

/// [Anthropic](https://docs.anthropic.com/en/api/webhooks): signs by
/// [`STANDARD_WEBHOOKS`](super::STANDARD_WEBHOOKS):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/data/type` in the body.
pub const ANTHROPIC: Scheme = Scheme {
    name: Borrowed("anthropic"),
    event: Some(Field::Pointer(Borrowed("/data/type"))),
    ..STANDARD_WEBHOOKS
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "anthropic/standard-v1",
    scheme: ANTHROPIC,
    confirmed: Confirmed::BySource,
    page: "https://docs.anthropic.com/en/api/webhooks",
    unsigned: "nothing that is used",
}];
