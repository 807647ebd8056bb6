use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, KeyFormat, Scheme, Signature};

/// [Airtable](https://airtable.com/developers/web/api/webhooks-overview):
/// `X-Airtable-Content-MAC: hmac-sha256=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Secret**: base64, the `macSecretBase64` of the webhook.
/// - **Identity**: the content. The partner sends no id of the delivery. It only says that there is
///   something to fetch.
pub const AIRTABLE: Scheme = Scheme {
    name: Borrowed("airtable"),
    key: KeyFormat::Base64 { prefix: Borrowed("") },
    signature: Signature {
        field: Field::Header(Borrowed("x-airtable-content-mac")),
        prefix: Borrowed("hmac-sha256="),
        ..Signature::BASE
    },
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "airtable/prefixed-hex-base64-key",
    scheme: AIRTABLE,
    confirmed: Confirmed::ByDocs,
    page: "https://airtable.com/developers/web/api/webhooks-overview",
    unsigned: "nothing that is used",
}];
