use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Algorithm, Danger, Encoding, Field, Json, Part, Scheme, Signature};

/// [Mandrill](https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/):
/// `X-Mandrill-Signature: <base64 of HMAC-SHA1(webhook key, "{URL}{parameters}")>`: each parameter
/// of the form, sorted, as its name and its value.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: the content, which has the ids of the events.
/// - **Event type**: that of the first event, `/0/event` in `mandrill_events`.
/// - **URL**: the public one, exactly as it is configured there; give it to `VerifierBuilder::url`.
/// - **Ambiguous**: nothing separates the parameters.
/// - **Retries**: for 24 h.
pub const MANDRILL: Scheme = Scheme {
    name: Borrowed("mandrill"),
    algorithm: Algorithm::HmacSha1,
    signature: Signature {
        field: Field::Header(Borrowed("x-mandrill-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Url, Part::SortedForm]),
    json: Json::Form(Borrowed("mandrill_events")),
    event: Some(Field::Pointer(Borrowed("/0/event"))),
    dangerously_allow: Borrowed(&[Danger::AmbiguousContent]),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "mandrill/url-sorted-params-sha1",
    scheme: MANDRILL,
    confirmed: Confirmed::ByThirdParty,
    page: "https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/",
    unsigned: "where one form parameter ends and the next begins",
}];
