use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Scheme, Signature};

/// [X](https://docs.x.com/x-api/webhooks/introduction):
/// `x-twitter-webhooks-signature: sha256=<base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: the content. The partner sends no id of the delivery.
/// - The endpoint is verified by a GET with a `crc_token`, again and again, which needs a route of
///   your own.
/// - X waits 3 s for an answer.
pub const X_TWITTER: Scheme = Scheme {
    name: Borrowed("x-twitter"),
    signature: Signature {
        field: Field::Header(Borrowed("x-twitter-webhooks-signature")),
        prefix: Borrowed("sha256="),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    deadline: Duration::from_secs(3),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "x-twitter/prefixed-base64",
    scheme: X_TWITTER,
    confirmed: Confirmed::ByThirdParty,
    page: "https://docs.x.com/x-api/webhooks/introduction",
    unsigned: "nothing that is used",
}];
