use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Algorithm, Field, Identity, Scheme, Signature};

/// [Intercom](https://developers.intercom.com/docs/references/webhooks/webhook-models):
/// `X-Hub-Signature: sha1=<hex of HMAC-SHA1(secret, raw body)>`.
///
/// - **Identity**: `/id` in the body, signed. A request without one, as a ping may be, is answered
///   400.
/// - **Event type**: `/topic` in the body.
/// - **Retries**: for 1 min. Intercom waits 5 s for an answer.
pub const INTERCOM: Scheme = Scheme {
    name: Borrowed("intercom"),
    algorithm: Algorithm::HmacSha1,
    signature: Signature {
        field: Field::Header(Borrowed("x-hub-signature")),
        prefix: Borrowed("sha1="),
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/topic"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "intercom/hub-sha1",
    scheme: INTERCOM,
    confirmed: Confirmed::ByDocs,
    page: "https://developers.intercom.com/docs/references/webhooks/webhook-models",
    unsigned: "nothing that is used",
}];
