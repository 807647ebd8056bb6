use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Identity, Scheme, Signature};

/// [WooCommerce](https://woocommerce.com/document/webhooks/):
/// `X-WC-Webhook-Signature: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: `X-WC-Webhook-Delivery-ID`, not signed, bound to the content.
/// - **Event type**: `X-WC-Webhook-Topic`, not signed.
/// - When a webhook is created WooCommerce sends an unsigned form, `webhook_id=…`, which is
///   refused.
/// - **Retries**: none. WooCommerce waits 1 min for an answer.
pub const WOOCOMMERCE: Scheme = Scheme {
    name: Borrowed("woocommerce"),
    signature: Signature {
        field: Field::Header(Borrowed("x-wc-webhook-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-wc-webhook-delivery-id"))),
    event: Some(Field::Header(Borrowed("x-wc-webhook-topic"))),
    identity: Identity::IdAndContent,
    retry_horizon: Duration::ZERO,
    deadline: Duration::from_secs(60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "woocommerce/body-base64",
    scheme: WOOCOMMERCE,
    confirmed: Confirmed::ByThirdParty,
    page: "https://woocommerce.com/document/webhooks/",
    unsigned: "the delivery id, the topic",
}];
