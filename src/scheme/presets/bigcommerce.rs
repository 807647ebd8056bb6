use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::{Field, KeyFormat, Scheme};

/// [BigCommerce](https://developer.bigcommerce.com/docs/integrations/webhooks/https-webhook-overview):
/// signs by [`STANDARD_WEBHOOKS`](super::STANDARD_WEBHOOKS):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Secret**: the app's client secret as it is, which is not decoded.
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/scope` in the body.
/// - **Retries**: for 2 days.
pub const BIGCOMMERCE: Scheme = Scheme {
    name: Borrowed("bigcommerce"),
    key: KeyFormat::Raw,
    event: Some(Field::Pointer(Borrowed("/scope"))),
    retry_horizon: Duration::from_secs(2 * 24 * 60 * 60),
    ..STANDARD_WEBHOOKS
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "bigcommerce/standard-v1-utf8-secret",
    scheme: BIGCOMMERCE,
    confirmed: Confirmed::ByDocs,
    page: "https://developer.bigcommerce.com/docs/integrations/webhooks/https-webhook-overview",
    unsigned: "nothing that is used",
}];
