use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Sentry](https://docs.sentry.io/organization/integrations/integration-platform/webhooks/):
/// `Sentry-Hook-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `Request-ID`, not signed, bound to the content.
/// - **Event type**: `Sentry-Hook-Resource`, not signed.
/// - **Retries**: three, 5 min apart, where it gets no answer, and each with another id: what is answered too late runs
///   again. Of an answer of 503 nothing is documented, so a [`Spill`](crate::Spill) takes what the store can't. Sentry
///   waits 1 s for an answer.
pub const SENTRY: Scheme = Scheme {
    name: Borrowed("sentry"),
    signature: Signature {
        field: Field::Header(Borrowed("sentry-hook-signature")),
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("request-id"))),
    event: Some(Field::Header(Borrowed("sentry-hook-resource"))),
    identity: Identity::IdAndContent,
    retry_horizon: Duration::ZERO,
    deadline: Duration::from_secs(1),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "sentry/body-hex",
    scheme: SENTRY,
    confirmed: Confirmed::ByDocs,
    page: "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
    unsigned: "the request id, the resource",
}];
