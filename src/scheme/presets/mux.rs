use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Mux](https://www.mux.com/docs/core/verify-webhook-signatures):
/// `Mux-Signature: t=<time>,v1=<hex of HMAC-SHA256(secret, "{time}.{body}")>`.
///
/// - **Identity**: `/id` in the body, signed.
/// - **Time**: `t`, signed, 300 s in both directions.
/// - **Event type**: `/type` in the body.
/// - **Retries**: for 24 h. Mux waits 5 s for an answer.
pub const MUX: Scheme = Scheme {
    name: Borrowed("mux"),
    signature: Signature {
        field: Field::Header(Borrowed("mux-signature")),
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
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "mux/stripe-like",
    scheme: MUX,
    confirmed: Confirmed::BySource,
    page: "https://www.mux.com/docs/core/verify-webhook-signatures",
    unsigned: "nothing that is used",
}];
