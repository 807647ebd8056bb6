use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Persona](https://docs.withpersona.com/webhooks-best-practices):
/// `Persona-Signature: t=<time>,v1=<hex of HMAC-SHA256(secret, "{time}.{body}")>`.
///
/// - **Identity**: `/data/id` in the body, signed.
/// - **Time**: `t`, signed, 300 s in both directions.
/// - **Event type**: `/data/attributes/name` in the body.
/// - While a secret is rotated there are two such lists, separated by a space, with the same time.
/// - **Retries**: for 24 h. Persona waits 5 s for an answer.
pub const PERSONA: Scheme = Scheme {
    name: Borrowed("persona"),
    signature: Signature {
        field: Field::Header(Borrowed("persona-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::Lists(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    id: Some(Field::Pointer(Borrowed("/data/id"))),
    event: Some(Field::Pointer(Borrowed("/data/attributes/name"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/data/id"))])),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "persona/stripe-like-space-sets",
    scheme: PERSONA,
    confirmed: Confirmed::ByDocs,
    page: "https://docs.withpersona.com/webhooks-best-practices",
    unsigned: "nothing that is used",
}];
