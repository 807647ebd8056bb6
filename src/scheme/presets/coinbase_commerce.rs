use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Coinbase Commerce](https://docs.cdp.coinbase.com/commerce/docs/webhooks-security):
/// `X-CC-Webhook-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `/event/id` in the body, signed.
/// - **Event type**: `/event/type` in the body.
/// - **Retries**: for 3 days.
pub const COINBASE_COMMERCE: Scheme = Scheme {
    name: Borrowed("coinbase-commerce"),
    signature: Signature {
        field: Field::Header(Borrowed("x-cc-webhook-signature")),
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/event/id"))),
    event: Some(Field::Pointer(Borrowed("/event/type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/event/id"))])),
    retry_horizon: Duration::from_secs(3 * 24 * 60 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "coinbase-commerce/body-hex",
    scheme: COINBASE_COMMERCE,
    confirmed: Confirmed::BySource,
    page: "https://docs.cdp.coinbase.com/commerce/docs/webhooks-security",
    unsigned: "nothing that is used",
}];
