use std::borrow::Cow;
use std::time::Duration;

use crate::scheme::{Encoding, Field, Identity, Scheme, Signature};

/// [Shopify](https://shopify.dev/docs/apps/build/webhooks/subscribe/https):
/// `X-Shopify-Hmac-SHA256: <base64 of HMAC-SHA256(the app's client secret, raw body)>`.
///
/// - **Identity**: `X-Shopify-Webhook-Id`, the same at each attempt, bound to the content
///   ([`Identity::IdAndContent`]), because Shopify signs neither the id nor a time. Somebody who
///   captured a request can run it once more under another id: where that matters, choose
///   [`Identity::Content`] in the builder.
/// - **Time**: none. `X-Shopify-Triggered-At` is not signed, and is that of the event: a retry has
///   the same one.
/// - **Event type**: `X-Shopify-Topic`, not signed. Nor is `X-Shopify-Shop-Domain`: one secret signs
///   for all shops of an app, so take the shop from the body where it matters.
/// - **Retries**: 8 within 4 h. Shopify waits 5 s for an answer.
pub const SHOPIFY: Scheme = Scheme {
    name: Cow::Borrowed("shopify"),
    signature: Signature {
        header: Cow::Borrowed("x-shopify-hmac-sha256"),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Header(Cow::Borrowed("x-shopify-webhook-id"))),
    event: Some(Field::Header(Cow::Borrowed("x-shopify-topic"))),
    identity: Identity::IdAndContent,
    retry_horizon: Duration::from_secs(4 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};
