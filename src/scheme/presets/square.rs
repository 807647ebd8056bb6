use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Identity, Part, Scheme, Signature};

/// [Square](https://developer.squareup.com/docs/webhooks/step3validate):
/// `x-square-hmacsha256-signature: <base64 of HMAC-SHA256(signature key, "{URL}{body}")>`.
///
/// - **Identity**: `/event_id` in the body, signed.
/// - **Event type**: `/type` in the body.
/// - **URL**: the public one, exactly as it is configured there; give it to `VerifierBuilder::url`.
/// - **Retries**: for 24 h. Square waits 10 s for an answer.
pub const SQUARE: Scheme = Scheme {
    name: Borrowed("square"),
    signature: Signature {
        field: Field::Header(Borrowed("x-square-hmacsha256-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Url, Part::Body]),
    id: Some(Field::Pointer(Borrowed("/event_id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/event_id"))])),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "square/url-body-base64",
    scheme: SQUARE,
    confirmed: Confirmed::BySource,
    page: "https://developer.squareup.com/docs/webhooks/step3validate",
    unsigned: "nothing that is used",
}];
