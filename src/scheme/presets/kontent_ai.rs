use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Scheme, Signature};

/// [Kontent.ai](https://kontent.ai/learn/docs/webhooks):
/// `X-Kontent-ai-Signature: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: the content. The partner sends no id of the delivery.
/// - **Event type**: that of the first notification, `/notifications/0/message/action` in the body.
pub const KONTENT_AI: Scheme = Scheme {
    name: Borrowed("kontent-ai"),
    signature: Signature {
        field: Field::Header(Borrowed("x-kontent-ai-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    event: Some(Field::Pointer(Borrowed("/notifications/0/message/action"))),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "kontent-ai/body-base64",
    scheme: KONTENT_AI,
    confirmed: Confirmed::BySource,
    page: "https://kontent.ai/learn/docs/webhooks",
    unsigned: "nothing that is used",
}];
