use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [GitHub](https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries):
/// `X-Hub-Signature-256: sha256=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `X-GitHub-Delivery`, which a manual redelivery keeps, bound to the content
///   ([`Identity::IdAndContent`]), because GitHub signs neither the id nor a time. Somebody who
///   captured a request can run it once more under another id: where that matters, choose
///   [`Identity::Content`] in the builder.
/// - **Event type**: `X-GitHub-Event`, not signed.
/// - **The legacy `X-Hub-Signature`** (SHA-1) is never looked at.
/// - **Retries**: GitHub does not retry by itself, so answer 2xx only when the work is safe, which
///   is what [`Intake`](https://docs.rs/inhook) does; it waits 10 s. A 503 is a lost delivery unless
///   somebody sends it again by hand: a [`Spill`](https://docs.rs/inhook) makes them rare. Bodies
///   reach 25 MB: raise the body cap for repositories with large pushes.
pub const GITHUB: Scheme = Scheme {
    name: Borrowed("github"),
    signature: Signature {
        field: Field::Header(Borrowed("x-hub-signature-256")),
        prefix: Borrowed("sha256="),
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-github-delivery"))),
    event: Some(Field::Header(Borrowed("x-github-event"))),
    identity: Identity::IdAndContent,
    // What is sent again by hand, for three days, is within the shortest window.
    retry_horizon: Duration::ZERO,
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "github/hub-sha256",
    scheme: GITHUB,
    confirmed: Confirmed::BySource,
    page: "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
    unsigned: "the delivery id, the event type",
}];
