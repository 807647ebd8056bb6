use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Scheme, Signature};

/// [Meta](https://developers.facebook.com/docs/graph-api/webhooks/getting-started):
/// `X-Hub-Signature-256: sha256=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: the content. The partner sends no id of the delivery. Entries inside have ids of
///   their own.
/// - **Event type**: `/object` in the body.
/// - Facebook, Instagram, Messenger and WhatsApp sign alike. The endpoint is verified by a GET,
///   which needs a route of your own.
/// - **Retries**: for 36 h.
pub const META: Scheme = Scheme {
    name: Borrowed("meta"),
    signature: Signature {
        field: Field::Header(Borrowed("x-hub-signature-256")),
        prefix: Borrowed("sha256="),
        ..Signature::BASE
    },
    event: Some(Field::Pointer(Borrowed("/object"))),
    retry_horizon: Duration::from_secs(36 * 60 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "meta/hub-sha256",
    scheme: META,
    confirmed: Confirmed::ByDocs,
    page: "https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
    unsigned: "nothing that is used",
}];
