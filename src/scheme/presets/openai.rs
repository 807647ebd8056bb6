use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::{KeyFormat, Scheme};

/// [OpenAI](https://platform.openai.com/docs/guides/webhooks): signs by
/// [`STANDARD_WEBHOOKS`](super::STANDARD_WEBHOOKS):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Secret**: base64 after `whsec_`; one without that prefix is used as it is.
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/type` in the body.
/// - **Retries**: for 3 days.
pub const OPENAI: Scheme = Scheme {
    name: Borrowed("openai"),
    key: KeyFormat::Base64If { prefix: Borrowed("whsec_") },
    retry_horizon: Duration::from_secs(3 * 24 * 60 * 60),
    ..STANDARD_WEBHOOKS
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "openai/standard-v1",
    scheme: OPENAI,
    confirmed: Confirmed::BySource,
    page: "https://platform.openai.com/docs/guides/webhooks",
    unsigned: "nothing that is used",
}];
