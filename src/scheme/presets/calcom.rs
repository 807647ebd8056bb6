use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Scheme, Signature};

/// [Cal.com](https://cal.com/docs/developing/guides/automation/webhooks):
/// `X-Cal-Signature-256: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: the content. The partner sends no id of the delivery. A payload template of your own needs
///   `{{createdAt}}` and `{{uid}}`: two events with equal bodies are one.
/// - **Event type**: `/triggerEvent` in the body.
/// - **Retries**: none.
pub const CALCOM: Scheme = Scheme {
    name: Borrowed("calcom"),
    signature: Signature {
        field: Field::Header(Borrowed("x-cal-signature-256")),
        ..Signature::BASE
    },
    event: Some(Field::Pointer(Borrowed("/triggerEvent"))),
    retry_horizon: Duration::ZERO,
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "calcom/body-hex",
    scheme: CALCOM,
    confirmed: Confirmed::BySource,
    page: "https://cal.com/docs/developing/guides/automation/webhooks",
    unsigned: "nothing that is used",
}];
