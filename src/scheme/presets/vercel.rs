use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Algorithm, Field, Identity, Scheme, Signature};

/// [Vercel](https://vercel.com/docs/webhooks/webhooks-api):
/// `x-vercel-signature: <hex of HMAC-SHA1(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: `/id` in the body, signed.
/// - **Event type**: `/type` in the body.
/// - **Retries**: for 24 h. Vercel waits 30 s for an answer.
pub const VERCEL: Scheme = Scheme {
    name: Borrowed("vercel"),
    algorithm: Algorithm::HmacSha1,
    signature: Signature {
        field: Field::Header(Borrowed("x-vercel-signature")),
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(30),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "vercel/body-sha1-hex",
    scheme: VERCEL,
    confirmed: Confirmed::ByThirdParty,
    page: "https://vercel.com/docs/webhooks/webhooks-api",
    unsigned: "nothing that is used",
}];
