use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Part, Scheme, SentAt, Signature, TimeFormat, Tolerance};

/// [Box](https://developer.box.com/guides/webhooks/v2/signatures-v2/):
/// `BOX-SIGNATURE-PRIMARY: <base64 of HMAC-SHA256(primary key, "{body}{time}")>`, and
/// `BOX-SIGNATURE-SECONDARY` with the secondary key.
///
/// - **Secret**: one key, or both.
/// - **Identity**: the content. `id()` is `BOX-DELIVERY-ID`, which is not signed and may be new at
///   a retry.
/// - **Time**: `BOX-DELIVERY-TIMESTAMP`, signed, 600 s back and 300 s ahead.
/// - **Event type**: `/trigger` in the body.
/// - **Retries**: for 2 h. Box waits 30 s for an answer.
pub const BOX: Scheme = Scheme {
    name: Borrowed("box"),
    signature: Signature {
        field: Field::Header(Borrowed("box-signature-primary")),
        others: Borrowed(&[Borrowed("box-signature-secondary")]),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Body, Part::SentAt]),
    requires: Borrowed(&[
        (Borrowed("box-signature-version"), Borrowed("1")),
        (Borrowed("box-signature-algorithm"), Borrowed("HmacSHA256")),
    ]),
    id: Some(Field::Header(Borrowed("box-delivery-id"))),
    event: Some(Field::Pointer(Borrowed("/trigger"))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("box-delivery-timestamp")),
        format: TimeFormat::Rfc3339,
    }),
    tolerance: Some(Tolerance::past(600)),
    retry_horizon: Duration::from_secs(2 * 60 * 60),
    deadline: Duration::from_secs(30),
    ..Scheme::BASE
};

/// [Box](https://developer.box.com/guides/webhooks/v2/signatures-v2/):
/// `BOX-SIGNATURE-SECONDARY: <base64 of HMAC-SHA256(secondary key, "{body}{time}")>`, for a
/// receiver that must not accept the primary key.
///
/// - **Identity**: the content. `id()` is `BOX-DELIVERY-ID`, which is not signed and may be new at
///   a retry.
/// - **Time**: `BOX-DELIVERY-TIMESTAMP`, signed, 600 s back and 300 s ahead.
/// - **Event type**: `/trigger` in the body.
/// - **Retries**: for 2 h. Box waits 30 s for an answer.
pub const BOX_SECONDARY: Scheme = Scheme {
    signature: Signature {
        field: Field::Header(Borrowed("box-signature-secondary")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    ..BOX
};

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "box/body-ts-base64-dual-key",
        scheme: BOX,
        confirmed: Confirmed::BySource,
        page: "https://developer.box.com/guides/webhooks/v2/signatures-v2/",
        unsigned: "the delivery id, the version and algorithm that are required",
    },
    Preset {
        name: "box/secondary-key",
        scheme: BOX_SECONDARY,
        confirmed: Confirmed::BySource,
        page: "https://developer.box.com/guides/webhooks/v2/signatures-v2/",
        unsigned: "the delivery id, the version and algorithm that are required",
    },
];
