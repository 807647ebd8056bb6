use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Scheme, Signature};

/// [GoCardless](https://developer.gocardless.com/resources/testing-webhooks-cli/):
/// `Webhook-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: the content, which has the ids of the events. `id()` is `/meta/webhook_id`,
///   where it is there.
/// - **Event type**: that of the first of up to 250 events, `/events/0/resource_type` in the body.
/// - GoCardless waits 10 s for an answer.
pub const GOCARDLESS: Scheme = Scheme {
    name: Borrowed("gocardless"),
    signature: Signature { field: Field::Header(Borrowed("webhook-signature")), ..Signature::BASE },
    id: Some(Field::Pointer(Borrowed("/meta/webhook_id"))),
    event: Some(Field::Pointer(Borrowed("/events/0/resource_type"))),
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "gocardless/body-hex",
    scheme: GOCARDLESS,
    confirmed: Confirmed::BySource,
    page: "https://developer.gocardless.com/resources/testing-webhooks-cli/",
    unsigned: "nothing that is used",
}];
