use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Buildkite](https://buildkite.com/docs/apis/webhooks/pipelines): `X-Buildkite-Signature:
/// timestamp=<time>,signature=<hex of HMAC-SHA256(secret, "{time}.{body}")>`.
///
/// - **Identity**: `X-Buildkite-Request`, not signed, bound to the content.
/// - **Time**: `timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/event` in the body, or else `X-Buildkite-Event`, not signed.
/// - The alternative, `X-Buildkite-Token`, is a password and no signature; it is not looked at.
pub const BUILDKITE: Scheme = Scheme {
    name: Borrowed("buildkite"),
    signature: Signature {
        field: Field::Header(Borrowed("x-buildkite-signature")),
        prefix: Borrowed("signature="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    id: Some(Field::Header(Borrowed("x-buildkite-request"))),
    event: Some(Field::FirstOf(Borrowed(&[
        Field::Pointer(Borrowed("/event")),
        Field::Header(Borrowed("x-buildkite-event")),
    ]))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("timestamp")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "buildkite/timestamp-signature-list",
    scheme: BUILDKITE,
    confirmed: Confirmed::ByDocs,
    page: "https://buildkite.com/docs/apis/webhooks/pipelines",
    unsigned: "the request id, the event type",
}];
