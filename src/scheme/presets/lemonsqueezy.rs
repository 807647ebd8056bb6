use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Scheme, Signature};

/// [Lemon Squeezy](https://docs.lemonsqueezy.com/help/webhooks/signing-requests):
/// `X-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: the content. The partner sends no id of the delivery.
/// - **Event type**: `X-Event-Name`, not signed.
/// - **Retries**: for 3 min.
pub const LEMONSQUEEZY: Scheme = Scheme {
    name: Borrowed("lemonsqueezy"),
    signature: Signature { field: Field::Header(Borrowed("x-signature")), ..Signature::BASE },
    event: Some(Field::Header(Borrowed("x-event-name"))),
    retry_horizon: Duration::from_secs(3 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "lemonsqueezy/body-hex",
    scheme: LEMONSQUEEZY,
    confirmed: Confirmed::ByThirdParty,
    page: "https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
    unsigned: "the event name",
}];
