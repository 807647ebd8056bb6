//! Forms, read by an independent program, and as a partner signs them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    reason = "an oracle fails by panicking"
)]

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::{Standing, URL, verify};
use crate::scheme::presets::TWILIO;
use crate::sign::{Message, Signer};
use crate::verify::{Verifier, form};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn check(data: &[u8]) -> bool {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (kind, body) = data.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let owned = |form: &[form::Parameter<'_>]| -> Pairs {
        form.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    };

    let read = form::url_encoded(body).ok().map(|form| owned(&form));
    assert_eq!(read, pairs(body), "another program reads {:?}", String::from_utf8_lossy(body));

    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_bytes(kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let in_parts = form::parameters(&headers, body).ok();
    // What is in parts is in the body as it is, so nothing was made of it.
    for (_, value) in in_parts.iter().flatten().filter(|_| kind.starts_with(b"multipart/")) {
        let stands = value.is_empty() || body.windows(value.len()).any(|part| part == &**value);
        let encoded = read.is_some();
        assert!(stands || encoded, "{:?} is not in the body", String::from_utf8_lossy(value));
    }
    if let Some(pairs) = &read {
        sorted(body, pairs);
    }
    read.is_some() && in_parts.is_some()
}

/// The pairs of a form, by a loop over its bytes; `None` for an empty pair or too many of them.
fn pairs(text: &[u8]) -> Option<Pairs> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut pairs = Vec::new();
    for pair in text.split(|byte| *byte == b'&') {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match at {
            Some(at) => (pair.get(..at)?, pair.get(at + 1..)?),
            None => (pair, b"".as_slice()),
        };
        if pair.is_empty() {
            return None;
        }
        pairs.push((decoded(name), decoded(value)));
    }
    (pairs.len() <= 1000).then_some(pairs)
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        bytes.push(match (byte, digit(text.get(at)), digit(text.get(at + 1))) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                u8::try_from(high * 16 + low).expect("two digits")
            }
            (b'+', ..) => b' ',
            (byte, ..) => *byte,
        });
    }
    bytes
}

/// A form that is signed by its names and values is the same in any order and spelling, and each pair
/// counts once.
fn sorted(body: &[u8], pairs: &Pairs) {
    let secret = "a secret of at least sixteen bytes";
    let signer = Signer::for_url(TWILIO, secret, URL).expect("a preset");
    let builder = Verifier::builder("forms", TWILIO, secret).url(URL).clock(Arc::new(Standing));
    let verifier = builder.build().expect("a preset");
    let signed = signer.request(&Message::new(body.to_vec()).id("1")).expect("a form");
    let key = |body: Vec<u8>| {
        let mut request = signed.clone();
        *request.body_mut() = Bytes::from(body);
        verify(&verifier, request).map(|delivery| delivery.key())
    };
    let first = key(body.to_vec());
    assert!(first.is_ok(), "a signed form was refused: {first:?}");
    let hex = |text: &[u8]| text.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let spelled = pairs.iter().rev().chain(pairs.first());
    let spelled = spelled.map(|(name, value)| format!("{}={}", hex(name), hex(value)));
    let other: Vec<String> = spelled.collect();
    if pairs.len() < 1000 && !pairs.is_empty() {
        assert_eq!(key(other.join("&").into_bytes()), first, "the same form, in another order");
        let mut more = body.to_vec();
        more.extend_from_slice(b"&a%00fuzzed=1");
        assert!(key(more).is_err(), "a form with another pair was accepted");
    }
}
