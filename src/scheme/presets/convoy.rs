use std::borrow::Cow::Borrowed;

use super::{Confirmed, Preset};
use crate::scheme::{
    Algorithm, Encoding, Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat,
};

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures), advanced signatures:
/// `X-Convoy-Signature: t=<time>,v1=<hex of HMAC-SHA256(secret, "{time},{body}")>`, in any order. The
/// time is followed by a comma. The sender chooses hash and encoding; the other presets are the same
/// with these.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content. Where the sender gives no key, two
///   events with equal bodies are one.
/// - **Time**: `t`, signed, 300 s in both directions.
pub const CONVOY: Scheme = Scheme {
    name: Borrowed("convoy"),
    signature: ADVANCED,
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(",")), Part::Body]),
    sent_at: Some(SentAt {
        field: Field::Parameter(Borrowed("t")),
        format: TimeFormat::UnixSeconds,
    }),
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// As [`CONVOY`] of [Convoy](https://www.getconvoy.io/docs/product-manual/signatures),
/// in base64.
pub const CONVOY_BASE64: Scheme = Scheme { signature: ADVANCED_BASE64, ..CONVOY };

/// As [`CONVOY`] of [Convoy](https://www.getconvoy.io/docs/product-manual/signatures),
/// by HMAC-SHA512.
pub const CONVOY_SHA512: Scheme = Scheme { algorithm: Algorithm::HmacSha512, ..CONVOY };

/// As [`CONVOY`] of [Convoy](https://www.getconvoy.io/docs/product-manual/signatures),
/// by HMAC-SHA512 and in base64.
pub const CONVOY_SHA512_BASE64: Scheme =
    Scheme { algorithm: Algorithm::HmacSha512, signature: ADVANCED_BASE64, ..CONVOY };

/// [Convoy](https://www.getconvoy.io/docs/product-manual/signatures), simple signatures:
/// `X-Convoy-Signature: <hex of HMAC-SHA256(secret, raw body)>`. The advanced ones, [`CONVOY`], have a
/// time and are the better choice.
///
/// - **Identity**: `X-Convoy-Idempotency-Key`, not signed, bound to the content. Where the sender gives no key, two
///   events with equal bodies are one.
pub const CONVOY_SIMPLE: Scheme = Scheme {
    name: Borrowed("convoy"),
    signature: SIMPLE,
    id: Some(Field::Header(Borrowed("x-convoy-idempotency-key"))),
    identity: Identity::IdAndContent,
    ..Scheme::BASE
};

/// As [`CONVOY_SIMPLE`] of [Convoy](https://www.getconvoy.io/docs/product-manual/signatures),
/// in base64.
pub const CONVOY_SIMPLE_BASE64: Scheme = Scheme { signature: SIMPLE_BASE64, ..CONVOY_SIMPLE };

/// As [`CONVOY_SIMPLE`] of [Convoy](https://www.getconvoy.io/docs/product-manual/signatures),
/// by HMAC-SHA512.
pub const CONVOY_SIMPLE_SHA512: Scheme =
    Scheme { algorithm: Algorithm::HmacSha512, ..CONVOY_SIMPLE };

/// As [`CONVOY_SIMPLE`] of [Convoy](https://www.getconvoy.io/docs/product-manual/signatures),
/// by HMAC-SHA512 and in base64.
pub const CONVOY_SIMPLE_SHA512_BASE64: Scheme =
    Scheme { algorithm: Algorithm::HmacSha512, signature: SIMPLE_BASE64, ..CONVOY_SIMPLE };

const SIMPLE: Signature =
    Signature { field: Field::Header(Borrowed("x-convoy-signature")), ..Signature::BASE };
const SIMPLE_BASE64: Signature = Signature { encoding: Encoding::Base64, ..SIMPLE };
const ADVANCED: Signature =
    Signature { prefix: Borrowed("v1="), layout: Layout::List(','), ..SIMPLE };
const ADVANCED_BASE64: Signature = Signature { encoding: Encoding::Base64, ..ADVANCED };

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
