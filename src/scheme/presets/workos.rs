use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{
    Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat, Tolerance,
};

/// [WorkOS](https://workos.com/docs/events/data-syncing/webhooks):
/// `WorkOS-Signature: t=<time>, v1=<hex of HMAC-SHA256(secret, "{time}.{body}")>`.
///
/// - **Identity**: `/id` in the body, signed.
/// - **Time**: `t`, signed, in milliseconds, 180 s back and 300 s ahead.
/// - **Event type**: `/event` in the body.
/// - **Retries**: for 3 days.
pub const WORKOS: Scheme = Scheme {
    name: Borrowed("workos"),
    signature: Signature {
        field: Field::Header(Borrowed("workos-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::SpacedList(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/event"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixMillis,
    }),
    tolerance: Some(Tolerance::past(180)),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(3 * 24 * 60 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "workos/stripe-like-ms",
    scheme: WORKOS,
    confirmed: Confirmed::BySource,
    page: "https://workos.com/docs/events/data-syncing/webhooks",
    unsigned: "nothing that is used",
}];
