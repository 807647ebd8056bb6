use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Algorithm, Encoding, Field, Identity, Part, Scheme, Signature};

/// [Trello](https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/):
/// `X-Trello-Webhook: <base64 of HMAC-SHA1(secret, "{body}{URL}")>`.
///
/// - **Identity**: `/action/id` in the body, signed.
/// - **Event type**: `/action/type` in the body.
/// - **URL**: the public one, exactly as it is configured there; give it to `VerifierBuilder::url`.
/// - The endpoint is verified by a HEAD request, which needs a route of your own.
/// - **Retries**: for 210 s.
pub const TRELLO: Scheme = Scheme {
    name: Borrowed("trello"),
    algorithm: Algorithm::HmacSha1,
    signature: Signature {
        field: Field::Header(Borrowed("x-trello-webhook")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Body, Part::Url]),
    id: Some(Field::Pointer(Borrowed("/action/id"))),
    event: Some(Field::Pointer(Borrowed("/action/type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/action/id"))])),
    retry_horizon: Duration::from_secs(210),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "trello/body-url-sha1-base64",
    scheme: TRELLO,
    confirmed: Confirmed::ByDocs,
    page: "https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
    unsigned: "nothing that is used",
}];
