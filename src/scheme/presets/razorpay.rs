use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Razorpay](https://razorpay.com/docs/webhooks/validate-test/):
/// `X-Razorpay-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `x-razorpay-event-id`, not signed, bound to the content.
/// - **Event type**: `/event` in the body.
/// - **Retries**: for 24 h. Razorpay waits 5 s for an answer.
pub const RAZORPAY: Scheme = Scheme {
    name: Borrowed("razorpay"),
    signature: Signature {
        field: Field::Header(Borrowed("x-razorpay-signature")),
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-razorpay-event-id"))),
    event: Some(Field::Pointer(Borrowed("/event"))),
    identity: Identity::IdAndContent,
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "razorpay/body-hex",
    scheme: RAZORPAY,
    confirmed: Confirmed::BySource,
    page: "https://razorpay.com/docs/webhooks/validate-test/",
    unsigned: "the event id",
}];
