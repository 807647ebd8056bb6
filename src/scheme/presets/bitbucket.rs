use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Bitbucket](https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/):
/// `X-Hub-Signature: sha256=<hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `X-Request-UUID`, not signed, bound to the content.
/// - **Event type**: `X-Event-Key`, not signed.
/// - The header's name is that of GitHub's SHA-1; the prefix has to say `sha256`.
/// - **Retries**: for 1 h. Bitbucket waits 10 s for an answer.
pub const BITBUCKET: Scheme = Scheme {
    name: Borrowed("bitbucket"),
    signature: Signature {
        field: Field::Header(Borrowed("x-hub-signature")),
        prefix: Borrowed("sha256="),
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-request-uuid"))),
    event: Some(Field::Header(Borrowed("x-event-key"))),
    identity: Identity::IdAndContent,
    retry_horizon: Duration::from_secs(60 * 60),
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "bitbucket/hub-sha256",
    scheme: BITBUCKET,
    confirmed: Confirmed::ByDocs,
    page: "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
    unsigned: "the request id, the event key",
}];
