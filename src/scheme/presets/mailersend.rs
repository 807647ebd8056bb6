use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Scheme, Signature};

/// [MailerSend](https://developers.mailersend.com/api/v1/webhooks.html):
/// `Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: the content. The partner sends no id of the delivery.
/// - **Event type**: `/type` in the body.
pub const MAILERSEND: Scheme = Scheme {
    name: Borrowed("mailersend"),
    signature: Signature { field: Field::Header(Borrowed("signature")), ..Signature::BASE },
    event: Some(Field::Pointer(Borrowed("/type"))),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "mailersend/body-hex",
    scheme: MAILERSEND,
    confirmed: Confirmed::ByThirdParty,
    page: "https://developers.mailersend.com/api/v1/webhooks.html",
    unsigned: "nothing that is used",
}];
