use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Part, Scheme, Signature};

/// [Tebex](https://docs.tebex.io/developers/webhooks/overview):
/// `X-Signature: <hex of HMAC-SHA256(secret, <hex of SHA-256(raw body)>)>`.
///
/// - **Identity**: `/id` in the body, signed.
/// - **Event type**: `/type` in the body.
/// - `validation.webhook` is a signed request like any other, and Tebex waits for `{"id": …}` in
///   the answer: it needs a handler of your own.
pub const TEBEX: Scheme = Scheme {
    name: Borrowed("tebex"),
    signature: Signature { field: Field::Header(Borrowed("x-signature")), ..Signature::BASE },
    content: Borrowed(&[Part::BodySha256]),
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "tebex/hmac-of-sha256hex",
    scheme: TEBEX,
    confirmed: Confirmed::ByDocs,
    page: "https://docs.tebex.io/developers/webhooks/overview",
    unsigned: "nothing that is used",
}];
