use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Viber](https://developers.viber.com/docs/api/rest-bot-api/):
/// `X-Viber-Content-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: all that is signed. `/message_token` is the id of a
///   [message](https://creators.viber.com/docs/bots-api/events/message-seen), whose `delivered`, `seen` and `failed`
///   have it as well, each of several devices its own.
/// - **Event type**: `/event` in the body.
pub const VIBER: Scheme = Scheme {
    name: Borrowed("viber"),
    signature: Signature {
        field: Field::Header(Borrowed("x-viber-content-signature")),
        ..Signature::BASE
    },
    id: Some(Field::Integer(Borrowed("/message_token"))),
    event: Some(Field::Pointer(Borrowed("/event"))),
    identity: Identity::Content,
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "viber/body-hex",
    scheme: VIBER,
    confirmed: Confirmed::BySource,
    page: "https://developers.viber.com/docs/api/rest-bot-api/",
    unsigned: "nothing that is used",
}];
