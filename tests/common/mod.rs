//! What several tests use: one scheme that is not a preset, and requests that are signed by hand, so
//! that what the crate verifies was not made by the crate.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Request};
use inhook::scheme::{
    Algorithm, Encoding, Field, Identity, KeyFormat, Layout, Part, Scheme, SentAt, Signature,
    TimeFormat,
};
use inhook::testing::FakeClock;
use inhook::verify::VerifierBuilder;
use inhook::{Verifier, presets};

pub(crate) mod guard;
pub(crate) mod store;
pub(crate) mod worker;

/// Usable as raw text and, decoded, as 24 bytes.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Where a new `FakeClock` stands, in seconds and in RFC 3339.
pub(crate) const NOW: u64 = 1_768_469_400;
pub(crate) const NOW_RFC3339: &str = "2026-01-15T09:30:00Z";

/// All presets.
pub(crate) const PRESETS: [Scheme; 6] = [
    presets::GITHUB,
    presets::SHOPIFY,
    presets::SLACK,
    presets::STANDARD_WEBHOOKS,
    presets::STRIPE,
    presets::SVIX,
];

/// A partner whose id, event type and time are all inside the signed body.
pub(crate) const SHORTLINKS: Scheme = Scheme {
    name: Cow::Borrowed("shortlinks"),
    signature: Signature {
        field: Field::header("x-webhook-signature"),
        prefix: Cow::Borrowed("sha256="),
        ..Signature::BASE
    },
    id: Some(Field::pointer("/webhook_id")),
    event: Some(Field::pointer("/event")),
    sent_at: Some(SentAt { field: Field::pointer("/delivered_at"), format: TimeFormat::Rfc3339 }),
    identity: Identity::Fields(Cow::Borrowed(&[Field::pointer("/webhook_id")])),
    ..Scheme::BASE
};

/// A body of `SHORTLINKS`, sent now.
pub(crate) fn shortlink(id: &str) -> String {
    format!(r#"{{"event":"link.created","webhook_id":"{id}","delivered_at":"{NOW_RFC3339}"}}"#)
}

/// That many seconds after 1970.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Source `acme` with [`SECRET`], at a clock that stands at [`NOW`].
pub(crate) fn builder(scheme: Scheme) -> VerifierBuilder {
    Verifier::builder("acme", scheme, SECRET).clock(Arc::new(FakeClock::new()))
}

/// What [`builder`] builds.
pub(crate) fn verifier(scheme: Scheme) -> Verifier {
    builder(scheme).build().unwrap()
}

/// The request that the partner would send with this content, made with [`SECRET`]. The id and the
/// time go into headers if the scheme has them there, whatever bytes they are; a time that is a
/// parameter goes before the tag.
pub(crate) fn signed(
    scheme: &Scheme,
    id: Option<&[u8]>,
    time: &[u8],
    body: impl Into<Bytes>,
) -> Request<Bytes> {
    let body = body.into();
    let content: Vec<u8> = scheme
        .content
        .iter()
        .flat_map(|part| match part {
            Part::Body => body.to_vec(),
            Part::Id => id.unwrap_or_default().to_vec(),
            Part::SentAt => time.to_vec(),
            Part::Literal(text) => text.as_bytes().to_vec(),
            _ => panic!("a part that this helper does not know"),
        })
        .collect();
    let tag = text(scheme.signature.encoding, &mac(scheme, &content));
    let mut request = Request::new(body);
    let mut signature = format!("{}{tag}", scheme.signature.prefix).into_bytes();
    if let (Some(SentAt { field: Field::Parameter(name), .. }), Layout::List(separator)) =
        (&scheme.sent_at, scheme.signature.layout)
    {
        let time = [name.as_bytes(), b"=", time, separator.to_string().as_bytes()].concat();
        signature.splice(..0, time);
    }
    set(&mut request, scheme.signature.field.as_header().unwrap(), signature);
    if let (Some(Field::Header(name)), Some(id)) = (&scheme.id, id) {
        set(&mut request, name, id);
    }
    if let Some(SentAt { field: Field::Header(name), .. }) = &scheme.sent_at {
        set(&mut request, name, time);
    }
    request
}

/// Sets a header to any bytes that a header can hold.
pub(crate) fn set(request: &mut Request<Bytes>, name: &str, value: impl AsRef<[u8]>) {
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    request.headers_mut().insert(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
}

/// The MAC of `content` under [`SECRET`].
pub(crate) fn mac(scheme: &Scheme, content: &[u8]) -> Vec<u8> {
    fn hmac<M: Mac + KeyInit>(key: &[u8], content: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
        mac.update(content);
        mac.finalize().into_bytes().to_vec()
    }
    let key = match &scheme.key {
        KeyFormat::Base64 { prefix } => {
            Base64::decode_vec(SECRET.strip_prefix(&**prefix).unwrap()).unwrap()
        }
        _ => SECRET.as_bytes().to_vec(),
    };
    match scheme.algorithm {
        Algorithm::HmacSha1 => hmac::<Hmac<sha1::Sha1>>(&key, content),
        Algorithm::HmacSha256 => hmac::<Hmac<sha2::Sha256>>(&key, content),
        Algorithm::HmacSha512 => hmac::<Hmac<sha2::Sha512>>(&key, content),
        _ => panic!("an algorithm that this helper does not know"),
    }
}

/// A MAC, or part of one, as text.
pub(crate) fn text(encoding: Encoding, tag: &[u8]) -> String {
    match encoding {
        Encoding::Hex => const_hex::encode(tag),
        Encoding::Base64 => Base64::encode_string(tag),
        _ => panic!("an encoding that this helper does not know"),
    }
}
