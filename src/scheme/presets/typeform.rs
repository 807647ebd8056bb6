use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Identity, Scheme, Signature};

/// [Typeform](https://www.typeform.com/developers/webhooks/secure-your-webhooks/):
/// `Typeform-Signature: sha256=<base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `/event_id` in the body, signed.
/// - **Event type**: `/event_type` in the body.
/// - Typeform waits 30 s for an answer.
pub const TYPEFORM: Scheme = Scheme {
    name: Borrowed("typeform"),
    signature: Signature {
        field: Field::Header(Borrowed("typeform-signature")),
        prefix: Borrowed("sha256="),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/event_id"))),
    event: Some(Field::Pointer(Borrowed("/event_type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/event_id"))])),
    deadline: Duration::from_secs(30),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "typeform/prefixed-base64",
    scheme: TYPEFORM,
    confirmed: Confirmed::ByDocs,
    page: "https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
    unsigned: "nothing that is used",
}];
