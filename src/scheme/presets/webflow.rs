use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Webflow](https://developers.webflow.com/data/docs/working-with-webhooks):
/// `x-webflow-signature: <hex of HMAC-SHA256(secret, "{time}:{body}")>`.
///
/// - **Identity**: the content, without the time. The partner sends no id of the delivery. Where a stock goes from 100
///   to 99 and to 100 again, the last `ecomm_inventory_changed` counts as a duplicate of the first: for an endpoint that
///   gets these, choose [`Identity::None`](crate::scheme::Identity::None) in the builder, and take the stock from the
///   API.
/// - **Time**: `x-webflow-timestamp`, signed, in milliseconds, and of any age: retries come after
///   10 min, and whether they have a new one is not documented.
/// - **Event type**: `/triggerType` in the body.
/// - **Retries**: for 30 min.
pub const WEBFLOW: Scheme = Scheme {
    name: Borrowed("webflow"),
    signature: Signature {
        field: Field::Header(Borrowed("x-webflow-signature")),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(":")), Part::Body]),
    event: Some(Field::Pointer(Borrowed("/triggerType"))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("x-webflow-timestamp")),
        format: TimeFormat::UnixMillis,
    }),
    tolerance: None,
    retry_horizon: Duration::from_secs(30 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "webflow/ts-colon-body-hex",
    scheme: WEBFLOW,
    confirmed: Confirmed::BySource,
    page: "https://developers.webflow.com/data/docs/working-with-webhooks",
    unsigned: "nothing that is used",
}];
