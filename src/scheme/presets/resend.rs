use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::Scheme;

/// [Resend](https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests): sends through
/// [`SVIX`](super::SVIX), under either set of header names:
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/type` in the body.
/// - Resend waits 15 s for an answer.
pub const RESEND: Scheme =
    Scheme { name: Borrowed("resend"), deadline: Duration::from_secs(15), ..STANDARD_WEBHOOKS };

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "resend/standard-v1",
    scheme: RESEND,
    confirmed: Confirmed::BySource,
    page: "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
    unsigned: "nothing that is used",
}];
