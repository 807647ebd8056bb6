use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Identity, Scheme, Signature};

/// [Hookdeck](https://hookdeck.com/docs/signing-secret):
/// `x-hookdeck-signature: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `x-hookdeck-eventid`, not signed, bound to the content.
/// - While the secret is rotated `x-hookdeck-signature-2` has a signature as well.
pub const HOOKDECK: Scheme = Scheme {
    name: Borrowed("hookdeck"),
    signature: Signature {
        field: Field::Header(Borrowed("x-hookdeck-signature")),
        others: Borrowed(&[Borrowed("x-hookdeck-signature-2")]),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-hookdeck-eventid"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "hookdeck/body-base64",
    scheme: HOOKDECK,
    confirmed: Confirmed::ByDocs,
    page: "https://hookdeck.com/docs/signing-secret",
    unsigned: "the event id",
}];
