use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Scheme, Signature};

/// [Dropbox](https://www.dropbox.com/developers/reference/webhooks):
/// `X-Dropbox-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: none: two changes of one account have equal bodies.
/// - The endpoint is verified by a GET with a `challenge`, which needs a route of your own.
/// - Dropbox waits 10 s for an answer.
pub const DROPBOX: Scheme = Scheme {
    name: Borrowed("dropbox"),
    signature: Signature {
        field: Field::Header(Borrowed("x-dropbox-signature")),
        ..Signature::BASE
    },
    identity: Identity::None,
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "dropbox/body-hex",
    scheme: DROPBOX,
    confirmed: Confirmed::ByThirdParty,
    page: "https://www.dropbox.com/developers/reference/webhooks",
    unsigned: "nothing that is used",
}];
