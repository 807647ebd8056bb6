use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Danger, Field, Identity, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Mailgun](https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks):
/// `/signature/signature` in the body has `<hex of HMAC-SHA256(key, "{timestamp}{token}")>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: `/signature/token`, signed.
/// - **Time**: `/signature/timestamp`, signed, and of any age: whether a retry has a new one is not
///   documented.
/// - **Event type**: `/event-data/event`, not signed.
/// - **The event is not signed**: whoever captures one request can send its signature with any
///   other event, once. Believe nothing of it before you have asked Mailgun.
/// - **Retries**: for 8 h.
pub const MAILGUN: Scheme = Scheme {
    name: Borrowed("mailgun"),
    signature: Signature {
        field: Field::Pointer(Borrowed("/signature/signature")),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Id]),
    id: Some(Field::Pointer(Borrowed("/signature/token"))),
    event: Some(Field::Pointer(Borrowed("/event-data/event"))),
    sent_at: Some(SentAt {
        field: Field::Pointer(Borrowed("/signature/timestamp")),
        format: TimeFormat::UnixSeconds,
    }),
    tolerance: None,
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/signature/token"))])),
    dangerously_allow: Borrowed(&[Danger::UnsignedBody]),
    retry_horizon: Duration::from_secs(8 * 60 * 60),
    ..Scheme::BASE
};

/// [Mailgun](https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks):
/// the form parameter `signature` has `<hex of HMAC-SHA256(key, "{timestamp}{token}")>`: the legacy
/// webhooks, and routes.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: `token`, signed.
/// - **Time**: `timestamp`, signed, and of any age: whether a retry has a new one is not
///   documented.
/// - **Event type**: `event`, not signed.
/// - **The event is not signed**: whoever captures one request can send its signature with any
///   other event, once.
/// - **Retries**: for 8 h.
pub const MAILGUN_FORM: Scheme = Scheme {
    name: Borrowed("mailgun"),
    signature: Signature { field: Field::Form(Borrowed("signature")), ..Signature::BASE },
    content: Borrowed(&[Part::SentAt, Part::Id]),
    multipart: true,
    id: Some(Field::Form(Borrowed("token"))),
    event: Some(Field::Form(Borrowed("event"))),
    sent_at: Some(SentAt {
        field: Field::Form(Borrowed("timestamp")),
        format: TimeFormat::UnixSeconds,
    }),
    tolerance: None,
    identity: Identity::Fields(Borrowed(&[Field::Form(Borrowed("token"))])),
    dangerously_allow: Borrowed(&[Danger::UnsignedBody]),
    retry_horizon: Duration::from_secs(8 * 60 * 60),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "mailgun/json-body-signature-block",
        scheme: MAILGUN,
        confirmed: Confirmed::ByThirdParty,
        page: "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
        unsigned: "the event itself",
    },
    Preset {
        name: "mailgun/form-fields",
        scheme: MAILGUN_FORM,
        confirmed: Confirmed::ByThirdParty,
        page: "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
        unsigned: "the event itself",
    },
];
