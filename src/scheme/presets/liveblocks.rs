use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::Scheme;

/// [Liveblocks](https://liveblocks.io/docs/platform/webhooks): signs by
/// [`STANDARD_WEBHOOKS`](super::STANDARD_WEBHOOKS):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/type` in the body.
pub const LIVEBLOCKS: Scheme = Scheme { name: Borrowed("liveblocks"), ..STANDARD_WEBHOOKS };

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "liveblocks/standard-v1",
    scheme: LIVEBLOCKS,
    confirmed: Confirmed::BySource,
    page: "https://liveblocks.io/docs/platform/webhooks",
    unsigned: "nothing that is used",
}];
