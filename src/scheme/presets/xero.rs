use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Scheme, Signature};

/// [Xero](https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/):
/// `x-xero-signature: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: the content. The partner sends no id of the delivery.
/// - **Event type**: that of the first event, `/events/0/eventType` in the body.
/// - To verify the endpoint Xero sends requests that are signed wrongly, and wants 401 for them.
/// - **Retries**: for 24 h. Xero waits 5 s for an answer.
pub const XERO: Scheme = Scheme {
    name: Borrowed("xero"),
    signature: Signature {
        field: Field::Header(Borrowed("x-xero-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    event: Some(Field::Pointer(Borrowed("/events/0/eventType"))),
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(5),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "xero/body-base64",
    scheme: XERO,
    confirmed: Confirmed::ByDocs,
    page: "https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/",
    unsigned: "nothing that is used",
}];
