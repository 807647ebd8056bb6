use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Viber](https://developers.viber.com/docs/api/rest-bot-api/):
/// `X-Viber-Content-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `/message_token` in the body, a number, signed.
/// - **Event type**: `/event` in the body.
pub const VIBER: Scheme = Scheme {
    name: Borrowed("viber"),
    signature: Signature {
        field: Field::Header(Borrowed("x-viber-content-signature")),
        ..Signature::BASE
    },
    id: Some(Field::Integer(Borrowed("/message_token"))),
    event: Some(Field::Pointer(Borrowed("/event"))),
    identity: Identity::Fields(Borrowed(&[Field::Integer(Borrowed("/message_token"))])),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "viber/body-hex",
    scheme: VIBER,
    confirmed: Confirmed::BySource,
    page: "https://developers.viber.com/docs/api/rest-bot-api/",
    unsigned: "nothing that is used",
}];
