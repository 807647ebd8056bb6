use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Checkout.com](https://www.checkout.com/docs/developer-resources/event-notifications/receive-webhooks/set-up-your-webhook-receiver):
/// `Cko-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `/id` in the body, signed.
/// - **Event type**: `/type` in the body.
/// - **Retries**: for 30 h. Checkout.com waits 10 s for an answer.
pub const CHECKOUT_COM: Scheme = Scheme {
    name: Borrowed("checkout-com"),
    signature: Signature { field: Field::Header(Borrowed("cko-signature")), ..Signature::BASE },
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(30 * 60 * 60),
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "checkout-com/body-hex",
    scheme: CHECKOUT_COM,
    confirmed: Confirmed::ByDocs,
    page: "https://www.checkout.com/docs/developer-resources/event-notifications/receive-webhooks/set-up-your-webhook-receiver",
    unsigned: "nothing that is used",
}];
