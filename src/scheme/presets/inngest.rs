use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{
    Field, Identity, KeyFormat, Layout, Part, Scheme, SentAt, Signature, TimeFormat,
};

/// [Inngest](https://www.inngest.com/docs/platform/signing-keys):
/// `X-Inngest-Signature: t=<time>&s=<hex of HMAC-SHA256(key, "{body}{time}")>`.
///
/// - **Secret**: the signing key; `signkey-` and the name of the environment are no part of the
///   key.
/// - **Identity**: none. A request is a call whose answer is wanted, and two steps of one run have equal bodies: which
///   step it is stands in the query, which nobody signs.
/// - **Time**: `t`, signed, 300 s in both directions.
pub const INNGEST: Scheme = Scheme {
    name: Borrowed("inngest"),
    key: KeyFormat::Tail { prefix: Borrowed("signkey-"), separator: '-' },
    signature: Signature {
        field: Field::Header(Borrowed("x-inngest-signature")),
        prefix: Borrowed("s="),
        layout: Layout::List('&'),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Body, Part::SentAt]),
    identity: Identity::None,
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "inngest/query-style-t-s",
    scheme: INNGEST,
    confirmed: Confirmed::BySource,
    page: "https://www.inngest.com/docs/platform/signing-keys",
    unsigned: "the query, which names the step",
}];
