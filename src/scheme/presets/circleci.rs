use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Layout, Scheme, Signature};

/// [CircleCI](https://circleci.com/docs/outbound-webhooks/):
/// `circleci-signature: v1=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: the content. `id()` is `/id` in the body.
/// - **Event type**: `/type` in the body, or else `circleci-event-type`, not signed.
/// - Several signatures, separated by commas; other versions than `v1` are ignored.
/// - **Retries**: for 1 min. CircleCI waits 5 s for an answer.
pub const CIRCLECI: Scheme = Scheme {
    name: Borrowed("circleci"),
    signature: Signature {
        field: Field::Header(Borrowed("circleci-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::FirstOf(Borrowed(&[
        Field::Pointer(Borrowed("/type")),
        Field::Header(Borrowed("circleci-event-type")),
    ]))),
    retry_horizon: Duration::from_secs(60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "circleci/versioned-list-hex",
    scheme: CIRCLECI,
    confirmed: Confirmed::ByDocs,
    page: "https://circleci.com/docs/outbound-webhooks/",
    unsigned: "the event type in a header",
}];
