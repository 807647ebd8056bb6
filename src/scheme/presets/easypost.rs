use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, KeyFormat, Scheme, Signature};

/// [EasyPost](https://docs.easypost.com/guides/webhooks-guide):
/// `X-Hmac-Signature: hmac-sha256-hex=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Secret**: its Unicode compatibility decomposition is the key.
/// - **Identity**: `/id` in the body, signed.
/// - **Event type**: `/description` in the body.
/// - EasyPost waits 7 s for an answer.
pub const EASYPOST: Scheme = Scheme {
    name: Borrowed("easypost"),
    key: KeyFormat::Nfkd,
    signature: Signature {
        field: Field::Header(Borrowed("x-hmac-signature")),
        prefix: Borrowed("hmac-sha256-hex="),
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/description"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    deadline: Duration::from_secs(7),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "easypost/prefixed-hex-nfkd-secret",
    scheme: EASYPOST,
    confirmed: Confirmed::BySource,
    page: "https://docs.easypost.com/guides/webhooks-guide",
    unsigned: "nothing that is used",
}];
