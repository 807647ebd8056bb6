use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{Danger, Field, Layout, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Mercado
/// Pago](https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks):
/// `x-signature: ts=<time>,v1=<hex of HMAC-SHA256(secret,
/// "id:{data.id};request-id:{x-request-id};ts:{time};")>`, where `data.id` is in the query, and
/// what is missing is left out.
///
/// - **Identity**: the content: `data.id`, which is the payment, and `x-request-id`. A request with
///   neither is answered 400.
/// - **Time**: `ts`, signed, and of any age: whether a retry has a new one is not documented.
/// - **Event type**: `/type` in the body or `type` in the query, not signed.
/// - **The body is not signed**, and with it `id()`, the notification's: take `data.id` from the
///   query, and fetch the payment.
pub const MERCADOPAGO: Scheme = Scheme {
    name: Borrowed("mercadopago"),
    signature: Signature {
        field: Field::Header(Borrowed("x-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("id:")),
            Part::Field(Field::Query(Borrowed("data.id"))),
            Part::Literal(Borrowed(";")),
        ])),
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("request-id:")),
            Part::Field(Field::Header(Borrowed("x-request-id"))),
            Part::Literal(Borrowed(";")),
        ])),
        Part::Literal(Borrowed("ts:")),
        Part::SentAt,
        Part::Literal(Borrowed(";")),
    ]),
    id: Some(Field::Integer(Borrowed("/id"))),
    event: Some(Field::FirstOf(Borrowed(&[
        Field::Pointer(Borrowed("/type")),
        Field::Query(Borrowed("type")),
    ]))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("ts")),
        format: TimeFormat::UnixSeconds,
    }),
    tolerance: None,
    dangerously_allow: Borrowed(&[Danger::UnsignedBody]),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "mercadopago/manifest-hmac-hex",
    scheme: MERCADOPAGO,
    confirmed: Confirmed::BySource,
    page: "https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks",
    unsigned: "the body, and so the id and the event type",
}];
