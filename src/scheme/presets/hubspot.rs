use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Part, Scheme, SentAt, Signature, TimeFormat};

/// [HubSpot](https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests):
/// `X-HubSpot-Signature-v3: <base64 of HMAC-SHA256(secret, "{method}{URL}{body}{time}")>`.
///
/// - **Identity**: the content. A retry counts its attempts in the body, so it is a delivery of its
///   own: look at `eventId` and `attemptNumber` in the events. `id()` is the first `eventId`.
/// - **Time**: `X-HubSpot-Request-Timestamp`, signed, in milliseconds, 300 s in both directions.
/// - **Event type**: that of the first event, `/0/subscriptionType` in the body.
/// - **URL**: the public one, as it is configured at HubSpot. Its documentation decodes some
///   percent escapes before it signs, its libraries do not: use a URL without any.
/// - **Retries**: for 24 h. HubSpot waits 5 s for an answer.
pub const HUBSPOT: Scheme = Scheme {
    name: Borrowed("hubspot"),
    signature: Signature {
        field: Field::Header(Borrowed("x-hubspot-signature-v3")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Method, Part::Url, Part::Body, Part::SentAt]),
    id: Some(Field::Integer(Borrowed("/0/eventId"))),
    event: Some(Field::Pointer(Borrowed("/0/subscriptionType"))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("x-hubspot-request-timestamp")),
        format: TimeFormat::UnixMillis,
    }),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "hubspot/v3-hmac-base64",
    scheme: HUBSPOT,
    confirmed: Confirmed::BySource,
    page: "https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests",
    unsigned: "nothing that is used",
}];
