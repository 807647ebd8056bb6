use std::borrow::Cow;
use std::time::Duration;

use crate::scheme::{
    Encoding, Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat,
};

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
    name: Cow::Borrowed("stripe"),
    signature: Signature {
        header: Cow::Borrowed("stripe-signature"),
        prefix: Cow::Borrowed("v1="),
        layout: Layout::List(','),
        encoding: Encoding::Hex,
    },
    content: Cow::Borrowed(&[Part::SentAt, Part::Literal(Cow::Borrowed(".")), Part::Body]),
    id: Some(Field::Pointer(Cow::Borrowed("/id"))),
    event: Some(Field::Pointer(Cow::Borrowed("/type"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Cow::Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::Fields(Cow::Borrowed(&[Field::Pointer(Cow::Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(3 * 24 * 60 * 60),
    // Stripe promises no number.
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};
