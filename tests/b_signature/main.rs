//! Signatures: what has to be refused, and the one spelling that is accepted.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use inhook::scheme::{Algorithm, Encoding, Field, Identity, Layout, Part, Scheme, Signature};
use inhook::{Intake, MemoryInbox, Rejection, Verifier, VerifyLayer, presets};
use tower::{ServiceBuilder, ServiceExt};

#[path = "../common/mod.rs"]
mod common;
mod content;
mod headers;
mod tags;

use common::{
    NOW, PRESETS, SECRET, SHORTLINKS, builder, mac, set, shortlink, signed, text, verifier,
};

const BODY: &[u8] = br#"{"type":"contact.created","data":{"id":1}}"#;

const STRIPE_BODY: &str = r#"{"id":"evt_1","type":"charge.succeeded","created":946684800}"#;

/// A scheme that signs the body only.
fn scheme(algorithm: Algorithm, encoding: Encoding, layout: Layout) -> Scheme {
    Scheme {
        algorithm,
        signature: Signature {
            field: Field::header("x-signature"),
            prefix: Cow::Borrowed("v1,"),
            layout,
            encoding,
            ..Signature::BASE
        },
        ..Scheme::BASE
    }
}

/// Every algorithm, encoding and layout.
fn schemes() -> Vec<Scheme> {
    let mut schemes = Vec::new();
    for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha512] {
        for encoding in [Encoding::Hex, Encoding::Base64] {
            for layout in [Layout::Single, Layout::List(' '), Layout::List(';')] {
                schemes.push(scheme(algorithm, encoding, layout));
            }
        }
    }
    schemes
}

fn with(encoding: Encoding) -> impl Iterator<Item = Scheme> {
    schemes().into_iter().filter(move |scheme| scheme.signature.encoding == encoding)
}

/// A request with this in the signature header and nothing else.
fn carrying(signature: &str, body: &[u8]) -> Request<Bytes> {
    let mut request = Request::new(Bytes::copy_from_slice(body));
    set(&mut request, "x-signature", signature);
    request
}

/// The tag of [`BODY`] as text, without a prefix.
fn right(scheme: &Scheme) -> String {
    text(scheme.signature.encoding, &mac(scheme, BODY))
}

fn wrong(scheme: &Scheme, n: u64) -> String {
    text(scheme.signature.encoding, &mac(scheme, &n.to_be_bytes()))
}

/// One request for each preset and one more, with the names of the headers that have to be there.
fn presets() -> [(Scheme, Request<Bytes>, &'static [&'static str]); 7] {
    const STANDARD: &[&str] = &["webhook-signature", "webhook-id", "webhook-timestamp"];
    const SLACK: &[&str] = &["x-slack-signature", "x-slack-request-timestamp"];
    let time = NOW.to_string();
    let make = |scheme: Scheme, body: Bytes, needed: &'static [&'static str]| {
        let request = signed(&scheme, Some(b"msg_1"), time.as_bytes(), body);
        (scheme, request, needed)
    };
    let body = Bytes::from_static(BODY);
    [
        make(presets::GITHUB, body.clone(), &["x-hub-signature-256"]),
        make(presets::STANDARD_WEBHOOKS, body.clone(), STANDARD),
        make(presets::SVIX, body.clone(), STANDARD),
        make(presets::SHOPIFY, body.clone(), &["x-shopify-hmac-sha256"]),
        make(presets::SLACK, body, SLACK),
        make(presets::STRIPE, STRIPE_BODY.into(), &["stripe-signature"]),
        make(SHORTLINKS, shortlink("wh_1").into(), &["x-webhook-signature"]),
    ]
}

fn refused(verifier: &Verifier, request: Request<Bytes>) -> Rejection {
    let rejection = verifier.verify(request).expect_err("it must not be accepted");
    assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED, "{rejection}");
    rejection
}
