use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Answer, Danger, Encoding, Field, KeyFormat, Part, Scheme, Signature};

/// [Adyen](https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures/): in each
/// item `additionalData.hmacSignature` has `<base64 of HMAC-SHA256(secret,
/// "{pspReference}:{originalReference}:{merchantAccountCode}:{merchantReference}:{amount.value}:{amount.currency}:{eventCode}:{success}")>`.
///
/// - **Secret**: hexadecimal.
/// - **Identity**: the content: the eight fields of all items. `id()` is the `pspReference` of the
///   first one. One that is sent again with other values elsewhere, as a later `eventDate`, is a duplicate.
/// - **Event type**: the `eventCode` of the first item.
/// - **Only these eight fields are signed**: believe no others. They are joined as they are, so a
///   colon can move from one to the next.
/// - Every item has to be right. **Each is signed alone**, so items of captured requests can be put
///   together anew: let your handler look at each `pspReference`, `eventCode` and `success`.
/// - Adyen wants to be answered `[accepted]`.
/// - **Retries**: for 30 days. Adyen waits 10 s for an answer.
pub const ADYEN: Scheme = Scheme {
    name: Borrowed("adyen"),
    key: KeyFormat::Hex,
    signature: Signature {
        field: Field::Pointer(Borrowed("/NotificationRequestItem/additionalData/hmacSignature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[
        Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed(
            "/NotificationRequestItem/pspReference",
        )))])),
        Part::Literal(Borrowed(":")),
        Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed(
            "/NotificationRequestItem/originalReference",
        )))])),
        Part::Literal(Borrowed(":")),
        Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed(
            "/NotificationRequestItem/merchantAccountCode",
        )))])),
        Part::Literal(Borrowed(":")),
        Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed(
            "/NotificationRequestItem/merchantReference",
        )))])),
        Part::Literal(Borrowed(":")),
        Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed(
            "/NotificationRequestItem/amount/value",
        )))])),
        Part::Literal(Borrowed(":")),
        Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed(
            "/NotificationRequestItem/amount/currency",
        )))])),
        Part::Literal(Borrowed(":")),
        Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed(
            "/NotificationRequestItem/eventCode",
        )))])),
        Part::Literal(Borrowed(":")),
        Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed(
            "/NotificationRequestItem/success",
        )))])),
    ]),
    items: Some(Borrowed("/notificationItems")),
    id: Some(Field::Pointer(Borrowed("/notificationItems/0/NotificationRequestItem/pspReference"))),
    event: Some(Field::Pointer(Borrowed("/notificationItems/0/NotificationRequestItem/eventCode"))),
    dangerously_allow: Borrowed(&[
        Danger::UnsignedBody,
        Danger::AmbiguousContent,
        Danger::LooseItems,
    ]),
    answer: Answer { body: Borrowed("[accepted]"), ..Answer::BASE },
    retry_horizon: Duration::from_secs(30 * 24 * 60 * 60),
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

/// [Adyen for
/// Platforms](https://docs.adyen.com/platforms/development-resources/verify-hmac-signatures/):
/// `HmacSignature: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Secret**: hexadecimal.
/// - **Identity**: the content.
/// - **Event type**: `/type` in the body.
/// - **Retries**: for 30 days. Adyen for Platforms waits 10 s for an answer.
pub const ADYEN_PLATFORM: Scheme = Scheme {
    name: Borrowed("adyen"),
    key: KeyFormat::Hex,
    signature: Signature {
        field: Field::Header(Borrowed("hmacsignature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    event: Some(Field::Pointer(Borrowed("/type"))),
    retry_horizon: Duration::from_secs(30 * 24 * 60 * 60),
    deadline: Duration::from_secs(10),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "adyen/payments-item-hmac",
        scheme: ADYEN,
        confirmed: Confirmed::BySource,
        page: "https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures/",
        unsigned: "all but these eight fields of each item; which items come together",
    },
    Preset {
        name: "adyen/platform-body-base64",
        scheme: ADYEN_PLATFORM,
        confirmed: Confirmed::BySource,
        page: "https://docs.adyen.com/platforms/development-resources/verify-hmac-signatures/",
        unsigned: "nothing that is used",
    },
];
