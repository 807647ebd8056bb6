use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Scheme, Signature};

/// [Lemon Squeezy](https://docs.lemonsqueezy.com/help/webhooks/signing-requests):
/// `X-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: the content. `id()` is `/meta/webhook_id`, where it is there.
/// - **Event type**: `/meta/event_name` in the body, or else `X-Event-Name`, not signed.
/// - **Retries**: for 3 min.
pub const LEMONSQUEEZY: Scheme = Scheme {
    name: Borrowed("lemonsqueezy"),
    signature: Signature { field: Field::Header(Borrowed("x-signature")), ..Signature::BASE },
    id: Some(Field::Pointer(Borrowed("/meta/webhook_id"))),
    event: Some(Field::FirstOf(Borrowed(&[
        Field::Pointer(Borrowed("/meta/event_name")),
        Field::Header(Borrowed("x-event-name")),
    ]))),
    retry_horizon: Duration::from_secs(3 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "lemonsqueezy/body-hex",
    scheme: LEMONSQUEEZY,
    confirmed: Confirmed::ByThirdParty,
    page: "https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
    unsigned: "the event name in a header",
}];
