use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Notion](https://developers.notion.com/reference/webhooks):
/// `X-Notion-Signature: sha256=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Secret**: the `verification_token` that Notion sends once, unsigned, when the endpoint is
///   added: a person has to take it over.
/// - **Identity**: `/id` in the body, signed.
/// - **Event type**: `/type` in the body.
/// - **Retries**: for 24 h.
pub const NOTION: Scheme = Scheme {
    name: Borrowed("notion"),
    signature: Signature {
        field: Field::Header(Borrowed("x-notion-signature")),
        prefix: Borrowed("sha256="),
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "notion/prefixed-hex",
    scheme: NOTION,
    confirmed: Confirmed::ByThirdParty,
    page: "https://developers.notion.com/reference/webhooks",
    unsigned: "nothing that is used",
}];
