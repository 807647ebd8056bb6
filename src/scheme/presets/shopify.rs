use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
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
    name: Borrowed("shopify"),
    signature: Signature {
        field: Field::Header(Borrowed("x-shopify-hmac-sha256")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-shopify-webhook-id"))),
    event: Some(Field::Header(Borrowed("x-shopify-topic"))),
    identity: Identity::IdAndContent,
    retry_horizon: Duration::from_secs(4 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

/// [Shopify](https://shopify.dev/docs/apps/build/events): the events webhooks, which have the headers
/// of [`SHOPIFY`] without their `X-`, and everything else alike.
pub const SHOPIFY_EVENTS: Scheme = Scheme {
    signature: Signature {
        field: Field::Header(Borrowed("shopify-hmac-sha256")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("shopify-webhook-id"))),
    event: Some(Field::Header(Borrowed("shopify-topic"))),
    ..SHOPIFY
};

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "shopify/body-base64",
        scheme: SHOPIFY,
        confirmed: Confirmed::BySource,
        page: "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
        unsigned: "the webhook id, the topic, the shop's domain",
    },
    Preset {
        name: "shopify/events-body-base64",
        scheme: SHOPIFY_EVENTS,
        confirmed: Confirmed::BySource,
        page: "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
        unsigned: "the webhook id, the topic, the shop's domain",
    },
];
