use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::Scheme;

/// [Clerk](https://clerk.com/docs/webhooks/overview): sends through [`SVIX`](super::SVIX), under
/// either set of header names:
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/type` in the body.
/// - Clerk waits 15 s for an answer.
pub const CLERK: Scheme =
    Scheme { name: Borrowed("clerk"), deadline: Duration::from_secs(15), ..STANDARD_WEBHOOKS };

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "clerk/standard-v1",
    scheme: CLERK,
    confirmed: Confirmed::BySource,
    page: "https://clerk.com/docs/webhooks/overview",
    unsigned: "nothing that is used",
}];
