use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Modern Treasury](https://docs.moderntreasury.com/platform/reference/webhooks):
/// `X-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `X-Event-ID`, not signed, bound to the content.
/// - **Event type**: `/event` in the body; what it happened to is in `X-Topic`, not signed.
pub const MODERN_TREASURY: Scheme = Scheme {
    name: Borrowed("modern-treasury"),
    signature: Signature { field: Field::Header(Borrowed("x-signature")), ..Signature::BASE },
    id: Some(Field::Header(Borrowed("x-event-id"))),
    event: Some(Field::Pointer(Borrowed("/event"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "modern-treasury/body-hex",
    scheme: MODERN_TREASURY,
    confirmed: Confirmed::BySource,
    page: "https://docs.moderntreasury.com/platform/reference/webhooks",
    unsigned: "the event id, the topic",
}];
