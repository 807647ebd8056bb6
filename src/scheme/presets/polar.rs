use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::{KeyFormat, Scheme};

/// [Polar](https://docs.polar.sh/integrate/webhooks/delivery): signs by
/// [`STANDARD_WEBHOOKS`](super::STANDARD_WEBHOOKS):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Secret**: the text as it is, which is not decoded.
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/type` in the body.
pub const POLAR: Scheme =
    Scheme { name: Borrowed("polar"), key: KeyFormat::Raw, ..STANDARD_WEBHOOKS };

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "polar/standard-v1-utf8-secret",
    scheme: POLAR,
    confirmed: Confirmed::BySource,
    page: "https://docs.polar.sh/integrate/webhooks/delivery",
    unsigned: "nothing that is used",
}];
