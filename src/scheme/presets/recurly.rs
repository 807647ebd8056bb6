use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Layout, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Recurly](https://docs.recurly.com/recurly-subscriptions/docs/signature-headers):
/// `recurly-signature: <time>,<hex of HMAC-SHA256(secret, "{time}.{body}")>`, with a signature for
/// each key.
///
/// - **Identity**: the content. `id()` is `/id`, that of the object. Two changes of one object within a second have
///   equal bodies, and are one.
/// - **Time**: the first entry, signed, in milliseconds, 300 s in both directions.
/// - **Event type**: `/event_type` in the body.
pub const RECURLY: Scheme = Scheme {
    name: Borrowed("recurly"),
    signature: Signature {
        field: Field::Header(Borrowed("recurly-signature")),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/event_type"))),
    sent_at: Some(SentAt { field: Field::Entry(0), format: TimeFormat::UnixMillis }),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "recurly/ms-positional-list",
    scheme: RECURLY,
    confirmed: Confirmed::BySource,
    page: "https://docs.recurly.com/recurly-subscriptions/docs/signature-headers",
    unsigned: "nothing that is used",
}];
