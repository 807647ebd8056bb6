use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Encoding, Field, Layout, Scheme, Signature};

/// [DocuSign](https://developers.docusign.com/platform/webhooks/connect/hmac/):
/// `X-DocuSign-Signature-1: <base64 of HMAC-SHA256(secret, raw body)>`, and `-2`, `-3`, … for
/// further keys.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: the content. If a retry counts itself in the body it is a delivery of its own:
///   `/data/envelopeId`, `/event` and `/generatedDateTime` tell.
/// - **Event type**: `/event` in the body.
/// - Any of the first 16 keys may match.
/// - **Retries**: for 15 days. DocuSign waits 100 s for an answer.
pub const DOCUSIGN: Scheme = Scheme {
    name: Borrowed("docusign"),
    signature: Signature {
        field: Field::Header(Borrowed("x-docusign-signature-")),
        layout: Layout::Numbered,
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    event: Some(Field::Pointer(Borrowed("/event"))),
    retry_horizon: Duration::from_secs(15 * 24 * 60 * 60),
    deadline: Duration::from_secs(100),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "docusign/multi-header-base64",
    scheme: DOCUSIGN,
    confirmed: Confirmed::ByThirdParty,
    page: "https://developers.docusign.com/platform/webhooks/connect/hmac/",
    unsigned: "nothing that is used",
}];
