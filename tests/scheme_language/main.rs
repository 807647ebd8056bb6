//! What a scheme can say beyond the usual header over the body: each with a signature that is computed
//! here, by hand.

use std::borrow::Cow::Borrowed;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use http::header::CONTENT_TYPE;
use inhook::scheme::{
    Algorithm, Danger, Encoding, Field, Identity, Json, KeyFormat, KeyId, Layout, Part, Scheme,
    SentAt, Signature, TimeFormat,
};
use inhook::{ConfigError, Delivery, Rejection, Secret, Verifier, presets};

#[path = "../common/mod.rs"]
mod common;
mod content;
mod forms;
mod identity;
mod items;
mod keys;
mod one_reading;
mod printed;
mod signatures;
mod times;
mod url;

use common::{NOW, SECRET, builder};

const URL: &str = "https://hooks.example.com/webhooks/acme";

fn hmac(key: &[u8], content: &str) -> Vec<u8> {
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(content.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature of this content under the usual secret, in hex.
fn tag(content: &str) -> String {
    const_hex::encode(hmac(SECRET.as_bytes(), content))
}

fn request(target: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    let mut request = Request::post(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn verify(scheme: &Scheme, request: Request<Bytes>) -> Result<Delivery, Rejection> {
    builder(scheme.clone()).url(URL).build().unwrap().verify(request)
}

#[track_caller]
fn accepted(scheme: &Scheme, request: Request<Bytes>) -> Delivery {
    verify(scheme, request).unwrap()
}

#[track_caller]
fn refused(scheme: &Scheme, request: Request<Bytes>) -> Rejection {
    verify(scheme, request).unwrap_err()
}

/// The signature in `x-signature`.
fn scheme(content: &'static [Part]) -> Scheme {
    let field = Field::header("x-signature");
    let signature = Signature { field, ..Signature::BASE };
    Scheme { signature, content: Borrowed(content), ..Scheme::BASE }
}

fn signed(scheme: &Scheme, content: &str, target: &str, body: &str) -> Result<Delivery, Rejection> {
    verify(scheme, request(target, &[("x-signature", &tag(content))], body))
}

const TIME: SentAt =
    SentAt { field: Field::header("x-timestamp"), format: TimeFormat::UnixSeconds };
