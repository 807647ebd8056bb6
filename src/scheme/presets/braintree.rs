use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Algorithm, Danger, Field, KeyFormat, KeyId, Layout, Part, Scheme, Signature};

/// [Braintree](https://developer.paypal.com/braintree/docs/guides/webhooks/parse): the form
/// parameter `bt_signature` has `<public key>|<hex of HMAC-SHA1(SHA-1(private key), bt_payload)>`,
/// for several keys separated by `&`.
///
/// - **Secret**: the private key; label it with the public key.
/// - **Identity**: the content.
/// - **Event type**: none: it is inside the base64 of `bt_payload`.
/// - The line break at the end of `bt_payload` may be signed or not: both are tried.
/// - The endpoint is verified by a GET with a `bt_challenge`, which needs a route of your own.
/// - **Retries**: for 24 h. Braintree waits 30 s for an answer.
pub const BRAINTREE: Scheme = Scheme {
    name: Borrowed("braintree"),
    algorithm: Algorithm::HmacSha1,
    key: KeyFormat::Sha1,
    key_id: Some(KeyId::Prefix('|')),
    signature: Signature {
        field: Field::Form(Borrowed("bt_signature")),
        layout: Layout::List('&'),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Field(Field::Form(Borrowed("bt_payload")))]),
    optional_end: Some(Borrowed("\n")),
    dangerously_allow: Borrowed(&[Danger::UnsignedBody, Danger::AmbiguousContent]),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(30),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "braintree/form-bt-signature-sha1",
    scheme: BRAINTREE,
    confirmed: Confirmed::BySource,
    page: "https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
    unsigned: "form parameters other than `bt_payload`",
}];
