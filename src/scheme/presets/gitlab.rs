use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset, STANDARD_WEBHOOKS};
use crate::scheme::{Field, Scheme};

/// [GitLab](https://docs.gitlab.com/user/project/integrations/webhooks/): signs by
/// [`STANDARD_WEBHOOKS`](super::STANDARD_WEBHOOKS):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`.
///
/// - **Secret**: the signing token. The older secret token, `X-Gitlab-Token`, is a password and no
///   signature; it is not looked at.
/// - **Identity**: `webhook-id`, signed.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `X-Gitlab-Event`, not signed.
pub const GITLAB: Scheme = Scheme {
    name: Borrowed("gitlab"),
    event: Some(Field::Header(Borrowed("x-gitlab-event"))),
    ..STANDARD_WEBHOOKS
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "gitlab/standard-v1-signing-token",
    scheme: GITLAB,
    confirmed: Confirmed::ByDocs,
    page: "https://docs.gitlab.com/user/project/integrations/webhooks/",
    unsigned: "the event type",
}];
