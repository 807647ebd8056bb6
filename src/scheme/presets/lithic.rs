use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::{Field, Scheme};

/// [Lithic](https://docs.lithic.com/docs/events-api): signs by
/// [`STANDARD_WEBHOOKS`](super::STANDARD_WEBHOOKS):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/event_type` in the body.
pub const LITHIC: Scheme = Scheme {
    name: Borrowed("lithic"),
    event: Some(Field::Pointer(Borrowed("/event_type"))),
    ..STANDARD_WEBHOOKS
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "lithic/standard-v1",
    scheme: LITHIC,
    confirmed: Confirmed::BySource,
    page: "https://docs.lithic.com/docs/events-api",
    unsigned: "nothing that is used",
}];
