use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Layout, Part, Scheme, SentAt, Signature, TimeFormat, Tolerance};

/// [Calendly](https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures):
/// `Calendly-Webhook-Signature: t=<time>,v1=<hex of HMAC-SHA256(secret, "{time}.{body}")>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: the content. `id()` is `/payload/uri`, which a cancellation shares with the
///   booking.
/// - **Time**: `t`, signed, 180 s back and 300 s ahead.
/// - **Event type**: `/event` in the body.
/// - **Retries**: for 24 h.
pub const CALENDLY: Scheme = Scheme {
    name: Borrowed("calendly"),
    signature: Signature {
        field: Field::Header(Borrowed("calendly-webhook-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    id: Some(Field::Pointer(Borrowed("/payload/uri"))),
    event: Some(Field::Pointer(Borrowed("/event"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    tolerance: Some(Tolerance::past(180)),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "calendly/stripe-like",
    scheme: CALENDLY,
    confirmed: Confirmed::ByThirdParty,
    page: "https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures",
    unsigned: "nothing that is used",
}];
