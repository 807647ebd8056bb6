use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Stripe](https://docs.stripe.com/webhooks/signature):
/// `Stripe-Signature: t=<time>,v1=<hex of HMAC-SHA256(secret, "{time}.{body}")>`, in any order, with
/// a `v1` for each secret while one is rolled.
///
/// - **Secret**: the endpoint's whole `whsec_…` text. It looks like base64 and is not decoded.
/// - **Identity**: `/id` in the body (`evt_…`), signed and the same at each attempt.
/// - **Time**: `t`, signed and new at each attempt, 300 s in both directions. A header with two of
///   them is refused. The event's own `created` is never judged.
/// - **Event type**: `/type` in the body.
/// - Other schemes, such as `v0`, are ignored.
/// - **Retries**: for up to three days.
pub const STRIPE: Scheme = Scheme {
    name: Borrowed("stripe"),
    signature: Signature {
        field: Field::Header(Borrowed("stripe-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(3 * 24 * 60 * 60),
    // Stripe promises no number.
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "stripe/stripe-v1",
    scheme: STRIPE,
    confirmed: Confirmed::BySource,
    page: "https://docs.stripe.com/webhooks/signature",
    unsigned: "nothing that is used",
}];
