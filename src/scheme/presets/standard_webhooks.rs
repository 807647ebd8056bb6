use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{
    Encoding, Field, Identity, KeyFormat, Layout, Part, Scheme, SentAt, Signature, TimeFormat,
};

/// [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
/// `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`, several of
/// them separated by spaces while a secret is rotated.
///
/// - **Secret**: base64, with or without `whsec_`.
/// - **Identity**: `webhook-id`, signed. An id with a dot in it is refused, since
///   `id.timestamp.body` would be ambiguous.
/// - **Time**: `webhook-timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/type` in the body, by the specification's convention.
/// - The `svix-…` names of the three headers are read as well; both at once must be equal.
/// - Versions other than `v1` (such as the asymmetric `v1a`) are ignored.
pub const STANDARD_WEBHOOKS: Scheme = Scheme {
    name: Borrowed("standard-webhooks"),
    key: KeyFormat::Base64 { prefix: Borrowed("whsec_") },
    signature: Signature {
        field: Field::Header(Borrowed("webhook-signature")),
        prefix: Borrowed("v1,"),
        layout: Layout::List(' '),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[
        Part::Id,
        Part::Literal(Borrowed(".")),
        Part::SentAt,
        Part::Literal(Borrowed(".")),
        Part::Body,
    ]),
    id: Some(Field::Header(Borrowed("webhook-id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("webhook-timestamp")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::Fields(Borrowed(&[Field::Header(Borrowed("webhook-id"))])),
    aliases: Borrowed(&[
        (Borrowed("webhook-signature"), Borrowed("svix-signature")),
        (Borrowed("webhook-id"), Borrowed("svix-id")),
        (Borrowed("webhook-timestamp"), Borrowed("svix-timestamp")),
    ]),
    // The specification's example schedule ends after about three days.
    retry_horizon: Duration::from_secs(3 * 24 * 60 * 60),
    deadline: Duration::from_secs(15),
    ..Scheme::BASE
};

/// [Svix](https://docs.svix.com/receiving/verifying-payloads/how-manual): the same scheme as
/// [`STANDARD_WEBHOOKS`], by the name that partners who send through Svix know it under. Both
/// presets read both sets of header names.
pub const SVIX: Scheme = Scheme { name: Borrowed("svix"), ..STANDARD_WEBHOOKS };

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "standard-webhooks/standard-v1",
        scheme: STANDARD_WEBHOOKS,
        confirmed: Confirmed::BySource,
        page: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
        unsigned: "nothing that is used",
    },
    Preset {
        name: "svix/standard-v1",
        scheme: SVIX,
        confirmed: Confirmed::BySource,
        page: "https://docs.svix.com/receiving/verifying-payloads/how-manual",
        unsigned: "nothing that is used",
    },
];
