use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Identity, Scheme, Signature};

/// [Heroku](https://devcenter.heroku.com/articles/app-webhooks):
/// `Heroku-Webhook-Hmac-SHA256: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: `/id` in the body, signed.
/// - **Event type**: `/resource` in the body.
/// - **Retries**: for 3 days.
pub const HEROKU: Scheme = Scheme {
    name: Borrowed("heroku"),
    signature: Signature {
        field: Field::Header(Borrowed("heroku-webhook-hmac-sha256")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/resource"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(3 * 24 * 60 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "heroku/body-base64",
    scheme: HEROKU,
    confirmed: Confirmed::ByThirdParty,
    page: "https://devcenter.heroku.com/articles/app-webhooks",
    unsigned: "nothing that is used",
}];
