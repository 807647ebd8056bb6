use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Layout, Scheme, Signature};

/// [Mollie](https://docs.mollie.com/reference/webhooks-new):
/// `X-Mollie-Signature: sha256=<hex of HMAC-SHA256(secret, raw body)>`, once for each secret.
///
/// - **Identity**: `/id` in the body, signed.
/// - **Event type**: `/type` in the body.
/// - Classic webhooks, a form with an `id`, are not signed: fetch the object instead of believing
///   them.
/// - **Retries**: for 26 h. Mollie waits 15 s for an answer.
pub const MOLLIE: Scheme = Scheme {
    name: Borrowed("mollie"),
    signature: Signature {
        field: Field::Header(Borrowed("x-mollie-signature")),
        prefix: Borrowed("sha256="),
        layout: Layout::Repeated,
        ..Signature::BASE
    },
    id: Some(Field::Pointer(Borrowed("/id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    retry_horizon: Duration::from_secs(26 * 60 * 60),
    deadline: Duration::from_secs(15),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "mollie/next-gen-sha256",
    scheme: MOLLIE,
    confirmed: Confirmed::BySource,
    page: "https://docs.mollie.com/reference/webhooks-new",
    unsigned: "nothing that is used",
}];
