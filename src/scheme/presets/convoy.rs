use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{
    Algorithm, Encoding, Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat,
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures):
/// `X-Convoy-Signature: t=<time>,v1=<hex of HMAC-SHA256(secret, "{time},{body}")>`, in any order.
/// The time is followed by a comma.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content.
/// - **Time**: `t`, signed, 300 s in both directions.
pub const CONVOY: Scheme = Scheme {
    name: Borrowed("convoy"),
    signature: Signature {
        field: Field::Header(Borrowed("x-convoy-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(",")), Part::Body]),
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures):
/// `X-Convoy-Signature: t=<time>,v1=<base64 of HMAC-SHA256(secret, "{time},{body}")>`, in any
/// order. The time is followed by a comma.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content.
/// - **Time**: `t`, signed, 300 s in both directions.
pub const CONVOY_BASE64: Scheme = Scheme {
    name: Borrowed("convoy"),
    signature: Signature {
        field: Field::Header(Borrowed("x-convoy-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(",")), Part::Body]),
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures):
/// `X-Convoy-Signature: t=<time>,v1=<hex of HMAC-SHA512(secret, "{time},{body}")>`, in any order.
/// The time is followed by a comma.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content.
/// - **Time**: `t`, signed, 300 s in both directions.
pub const CONVOY_SHA512: Scheme = Scheme {
    name: Borrowed("convoy"),
    algorithm: Algorithm::HmacSha512,
    signature: Signature {
        field: Field::Header(Borrowed("x-convoy-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(",")), Part::Body]),
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures):
/// `X-Convoy-Signature: t=<time>,v1=<base64 of HMAC-SHA512(secret, "{time},{body}")>`, in any
/// order. The time is followed by a comma.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content.
/// - **Time**: `t`, signed, 300 s in both directions.
pub const CONVOY_SHA512_BASE64: Scheme = Scheme {
    name: Borrowed("convoy"),
    algorithm: Algorithm::HmacSha512,
    signature: Signature {
        field: Field::Header(Borrowed("x-convoy-signature")),
        prefix: Borrowed("v1="),
        layout: Layout::List(','),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(",")), Part::Body]),
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures):
/// `X-Convoy-Signature: <hex of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content.
/// - The simple signatures of Convoy. The advanced ones have a time, and are the better choice.
pub const CONVOY_SIMPLE: Scheme = Scheme {
    name: Borrowed("convoy"),
    signature: Signature {
        field: Field::Header(Borrowed("x-convoy-signature")),
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures):
/// `X-Convoy-Signature: <base64 of HMAC-SHA256(secret, raw body)>`.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content.
/// - The simple signatures of Convoy. The advanced ones have a time, and are the better choice.
pub const CONVOY_SIMPLE_BASE64: Scheme = Scheme {
    name: Borrowed("convoy"),
    signature: Signature {
        field: Field::Header(Borrowed("x-convoy-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures):
/// `X-Convoy-Signature: <hex of HMAC-SHA512(secret, raw body)>`.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content.
/// - The simple signatures of Convoy. The advanced ones have a time, and are the better choice.
pub const CONVOY_SIMPLE_SHA512: Scheme = Scheme {
    name: Borrowed("convoy"),
    algorithm: Algorithm::HmacSha512,
    signature: Signature {
        field: Field::Header(Borrowed("x-convoy-signature")),
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures):
/// `X-Convoy-Signature: <base64 of HMAC-SHA512(secret, raw body)>`.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content.
/// - The simple signatures of Convoy. The advanced ones have a time, and are the better choice.
pub const CONVOY_SIMPLE_SHA512_BASE64: Scheme = Scheme {
    name: Borrowed("convoy"),
    algorithm: Algorithm::HmacSha512,
    signature: Signature {
        field: Field::Header(Borrowed("x-convoy-signature")),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "convoy/advanced-sha256-hex",
        scheme: CONVOY,
        confirmed: Confirmed::BySource,
        page: "https://www.getconvoy.io/docs/product-manual/signatures",
        unsigned: "the idempotency key",
    },
    Preset {
        name: "convoy/advanced-sha256-base64",
        scheme: CONVOY_BASE64,
        confirmed: Confirmed::BySource,
        page: "https://www.getconvoy.io/docs/product-manual/signatures",
        unsigned: "the idempotency key",
    },
    Preset {
        name: "convoy/advanced-sha512-hex",
        scheme: CONVOY_SHA512,
        confirmed: Confirmed::BySource,
        page: "https://www.getconvoy.io/docs/product-manual/signatures",
        unsigned: "the idempotency key",
    },
    Preset {
        name: "convoy/advanced-sha512-base64",
        scheme: CONVOY_SHA512_BASE64,
        confirmed: Confirmed::BySource,
        page: "https://www.getconvoy.io/docs/product-manual/signatures",
        unsigned: "the idempotency key",
    },
    Preset {
        name: "convoy/simple-sha256-hex",
        scheme: CONVOY_SIMPLE,
        confirmed: Confirmed::BySource,
        page: "https://www.getconvoy.io/docs/product-manual/signatures",
        unsigned: "the idempotency key",
    },
    Preset {
        name: "convoy/simple-sha256-base64",
        scheme: CONVOY_SIMPLE_BASE64,
        confirmed: Confirmed::BySource,
        page: "https://www.getconvoy.io/docs/product-manual/signatures",
        unsigned: "the idempotency key",
    },
    Preset {
        name: "convoy/simple-sha512-hex",
        scheme: CONVOY_SIMPLE_SHA512,
        confirmed: Confirmed::BySource,
        page: "https://www.getconvoy.io/docs/product-manual/signatures",
        unsigned: "the idempotency key",
    },
    Preset {
        name: "convoy/simple-sha512-base64",
        scheme: CONVOY_SIMPLE_SHA512_BASE64,
        confirmed: Confirmed::BySource,
        page: "https://www.getconvoy.io/docs/product-manual/signatures",
        unsigned: "the idempotency key",
    },
];
