use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, KeyId, Scheme, Signature};

/// [Pusher](https://pusher.com/docs/channels/server_api/webhooks/):
/// `X-Pusher-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Secret**: that of the key which `X-Pusher-Key` names; label it with the key.
/// - **Identity**: the content, which has the time of the event in milliseconds.
/// - **Event type**: that of the first event, `/events/0/name` in the body.
/// - **Retries**: for 5 min.
pub const PUSHER: Scheme = Scheme {
    name: Borrowed("pusher"),
    key_id: Some(KeyId::Header(Borrowed("x-pusher-key"))),
    signature: Signature {
        field: Field::Header(Borrowed("x-pusher-signature")),
        ..Signature::BASE
    },
    event: Some(Field::Pointer(Borrowed("/events/0/name"))),
    retry_horizon: Duration::from_secs(5 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "pusher/body-hex-keyid",
    scheme: PUSHER,
    confirmed: Confirmed::BySource,
    page: "https://pusher.com/docs/channels/server_api/webhooks/",
    unsigned: "nothing that is used",
}];
