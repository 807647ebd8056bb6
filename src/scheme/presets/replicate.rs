use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::{Field, Scheme};

/// [Replicate](https://replicate.com/docs/topics/webhooks/verify-webhook): signs by
/// [`STANDARD_WEBHOOKS`](super::STANDARD_WEBHOOKS):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: Replicate has none; `/status` of the prediction stands in for it.
pub const REPLICATE: Scheme = Scheme {
    name: Borrowed("replicate"),
    event: Some(Field::Pointer(Borrowed("/status"))),
    ..STANDARD_WEBHOOKS
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "replicate/standard-v1",
    scheme: REPLICATE,
    confirmed: Confirmed::BySource,
    page: "https://replicate.com/docs/topics/webhooks/verify-webhook",
    unsigned: "nothing that is used",
}];
