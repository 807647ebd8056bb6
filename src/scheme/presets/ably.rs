use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, KeyFormat, Scheme, Signature};

/// [Ably](https://ably.com/docs/platform/integrations/webhooks):
/// `X-Ably-Signature: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Secret**: the key that `X-Ably-Key` names, or only what follows the colon in it, which is
///   what signs. Of several, each is tried.
/// - **Identity**: the content. The partner sends no id of the delivery. A batch that is sent again may have newer items
///   in it, and is another delivery then: tell the items apart by their own ids.
/// - **Event type**: that of the first item, `/items/0/source` in the body.
/// - **Retries**: for 5 min. Ably waits 15 s for an answer.
pub const ABLY: Scheme = Scheme {
    name: Borrowed("ably"),
    key: KeyFormat::Tail { prefix: Borrowed(""), separator: ':' },
    signature: Signature {
        field: Field::Header(Borrowed("x-ably-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    event: Some(Field::Pointer(Borrowed("/items/0/source"))),
    retry_horizon: Duration::from_secs(5 * 60),
    deadline: Duration::from_secs(15),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "ably/body-base64-keyid",
    scheme: ABLY,
    confirmed: Confirmed::ByDocs,
    page: "https://ably.com/docs/platform/integrations/webhooks",
    unsigned: "nothing that is used",
}];
