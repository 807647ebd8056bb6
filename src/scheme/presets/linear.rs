use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, SentAt, Signature, TimeFormat, Tolerance};

/// [Linear](https://linear.app/developers/webhooks):
/// `Linear-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `Linear-Delivery` alone, although it is not signed: the body has a new time at
///   each attempt, and no id. Whoever guesses an id can make a real delivery look like a duplicate.
/// - **Time**: `/webhookTimestamp` in the body, a number of milliseconds, 60 s in both directions.
/// - **Event type**: `/type` in the body, or without it `Linear-Event`, which is not signed.
/// - **Retries**: for 421 min. Linear waits 5 s for an answer.
pub const LINEAR: Scheme = Scheme {
    name: Borrowed("linear"),
    signature: Signature { field: Field::Header(Borrowed("linear-signature")), ..Signature::BASE },
    id: Some(Field::Header(Borrowed("linear-delivery"))),
    event: Some(Field::FirstOf(Borrowed(&[
        Field::Pointer(Borrowed("/type")),
        Field::Header(Borrowed("linear-event")),
    ]))),
    sent_at: Some(SentAt {
        field: Field::Integer(Borrowed("/webhookTimestamp")),
        format: TimeFormat::UnixMillis,
    }),
    tolerance: Some(Tolerance { past: Duration::from_secs(60), future: Duration::from_secs(60) }),
    identity: Identity::UnsignedId,
    retry_horizon: Duration::from_secs(421 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "linear/body-hex-body-timestamp",
    scheme: LINEAR,
    confirmed: Confirmed::BySource,
    page: "https://linear.app/developers/webhooks",
    unsigned: "the delivery id; the event type in a header",
}];
