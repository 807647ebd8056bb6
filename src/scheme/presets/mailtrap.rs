use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Scheme, Signature};

/// [Mailtrap](https://docs.mailtrap.io/email-api-smtp/advanced/webhooks):
/// `Mailtrap-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: the content. The partner sends no id of the delivery.
/// - **Event type**: that of the first event, `/events/0/event` in the body, or `/type`.
pub const MAILTRAP: Scheme = Scheme {
    name: Borrowed("mailtrap"),
    signature: Signature {
        field: Field::Header(Borrowed("mailtrap-signature")),
        ..Signature::BASE
    },
    event: Some(Field::FirstOf(Borrowed(&[
        Field::Pointer(Borrowed("/events/0/event")),
        Field::Pointer(Borrowed("/type")),
    ]))),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "mailtrap/body-hex",
    scheme: MAILTRAP,
    confirmed: Confirmed::ByThirdParty,
    page: "https://docs.mailtrap.io/email-api-smtp/advanced/webhooks",
    unsigned: "nothing that is used",
}];
