use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Gitea](https://docs.gitea.com/usage/webhooks):
/// `X-Gitea-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `X-Gitea-Delivery`, not signed, bound to the content.
/// - **Event type**: `X-Gitea-Event`, not signed.
/// - Without a secret Gitea sends the header empty, which is refused.
/// - Choose the content type `application/json` for the webhook: of a form Gitea signs the decoded
///   payload.
/// - **Retries**: none. Gitea waits 5 s for an answer.
pub const GITEA: Scheme = Scheme {
    name: Borrowed("gitea"),
    signature: Signature { field: Field::Header(Borrowed("x-gitea-signature")), ..Signature::BASE },
    id: Some(Field::Header(Borrowed("x-gitea-delivery"))),
    event: Some(Field::Header(Borrowed("x-gitea-event"))),
    identity: Identity::IdAndContent,
    retry_horizon: Duration::ZERO,
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "gitea/body-hex",
    scheme: GITEA,
    confirmed: Confirmed::BySource,
    page: "https://docs.gitea.com/usage/webhooks",
    unsigned: "the delivery id, the event type",
}];
