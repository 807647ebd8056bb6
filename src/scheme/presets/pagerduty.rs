use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Layout, Scheme, Signature};

/// [PagerDuty](https://developer.pagerduty.com/docs/verifying-webhook-signatures):
/// `X-PagerDuty-Signature: v1=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `/event/id` in the body, signed.
/// - **Event type**: `/event/event_type` in the body.
/// - Several signatures, separated by commas, while a secret is rotated.
/// - **Retries**: for 2 days. PagerDuty waits 5 s for an answer.
pub const PAGERDUTY: Scheme = Scheme {
    name: Borrowed("pagerduty"),
    signature: Signature {
        field: Field::Header(Borrowed("x-pagerduty-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/event/id"))),
    event: Some(Field::Pointer(Borrowed("/event/event_type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/event/id"))])),
    retry_horizon: Duration::from_secs(2 * 24 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "pagerduty/v3-versioned-list-hex",
    scheme: PAGERDUTY,
    confirmed: Confirmed::BySource,
    page: "https://developer.pagerduty.com/docs/verifying-webhook-signatures",
    unsigned: "nothing that is used",
}];
