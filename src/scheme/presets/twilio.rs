use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Algorithm, Danger, Encoding, Field, Identity, Part, Scheme, Signature};

/// [Twilio](https://www.twilio.com/docs/usage/webhooks/webhooks-security):
/// `X-Twilio-Signature: <base64 of HMAC-SHA1(auth token, "{URL}{parameters}")>`: each parameter of
/// the form, sorted, as its name and its value.
///
/// - **Secret**: the auth token of the account.
/// - **Identity**: `I-Twilio-Idempotency-Token`, not signed, bound to the content.
/// - **Event type**: `MessageStatus`, `CallStatus` or `EventType` in the form.
/// - **URL**: the public one, exactly as it is configured there; give it to `VerifierBuilder::url`.
///   With or without its default port, as Twilio does.
/// - **Ambiguous**: nothing separates the parameters, so somebody who captured a request can move
///   characters from one to the next.
/// - Twilio waits 15 s for an answer.
pub const TWILIO: Scheme = Scheme {
    name: Borrowed("twilio"),
    algorithm: Algorithm::HmacSha1,
    signature: Signature {
        field: Field::Header(Borrowed("x-twilio-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Url, Part::SortedForm]),
    either_port: true,
    id: Some(Field::Header(Borrowed("i-twilio-idempotency-token"))),
    event: Some(Field::FirstOf(Borrowed(&[
        Field::Form(Borrowed("MessageStatus")),
        Field::Form(Borrowed("CallStatus")),
        Field::Form(Borrowed("EventType")),
    ]))),
    identity: Identity::IdAndContent,
    dangerously_allow: Borrowed(&[Danger::AmbiguousContent]),
    deadline: Duration::from_secs(15),
    ..Scheme::BASE
};

/// [Twilio](https://www.twilio.com/docs/usage/webhooks/webhooks-security):
/// `X-Twilio-Signature: <base64 of HMAC-SHA1(auth token, URL)>`, where the URL has the parameter
/// `bodySHA256`.
///
/// - **Secret**: the auth token of the account.
/// - **Identity**: `I-Twilio-Idempotency-Token`, not signed, bound to the content.
/// - **URL**: the public one, exactly as it is configured there; give it to `VerifierBuilder::url`.
///   Its query is that of the request, which has the digest of the body.
/// - Twilio waits 15 s for an answer.
pub const TWILIO_JSON: Scheme = Scheme {
    content: Borrowed(&[
        Part::Url,
        Part::Optional(Borrowed(&[Part::Literal(Borrowed("?")), Part::Query])),
    ]),
    digest: Some(Field::Query(Borrowed("bodySHA256"))),
    event: None,
    dangerously_allow: Borrowed(&[]),
    ..TWILIO
};

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "twilio/form-params-sha1",
        scheme: TWILIO,
        confirmed: Confirmed::BySource,
        page: "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
        unsigned: "the idempotency token; where one form parameter ends and the next begins, and their order",
    },
    Preset {
        name: "twilio/json-body-sha256",
        scheme: TWILIO_JSON,
        confirmed: Confirmed::BySource,
        page: "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
        unsigned: "the idempotency token",
    },
];
