use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Scheme, Signature};

/// [Asana](https://developers.asana.com/docs/webhooks-guide):
/// `X-Hook-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Secret**: the `X-Hook-Secret` of the handshake, an unsigned POST that needs a handler of
///   your own.
/// - **Identity**: the content. The partner sends no id of the delivery. Heartbeats, which have no
///   events, all look alike.
/// - **Event type**: that of the first event, `/events/0/action` in the body.
/// - **Retries**: for 24 h. Asana waits 10 s for an answer.
pub const ASANA: Scheme = Scheme {
    name: Borrowed("asana"),
    signature: Signature { field: Field::Header(Borrowed("x-hook-signature")), ..Signature::BASE },
    event: Some(Field::Pointer(Borrowed("/events/0/action"))),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "asana/body-hex",
    scheme: ASANA,
    confirmed: Confirmed::ByDocs,
    page: "https://developers.asana.com/docs/webhooks-guide",
    unsigned: "nothing that is used",
}];
