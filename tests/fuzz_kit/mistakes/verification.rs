//! What is not verified, or not by what was signed.

use super::*;
use crate::homemade::hmac;

#[test]
fn s5_what_is_not_verified_is_found() {
    find(&[
        (
            "no signature, no check",
            GITHUB,
            unsigned_is_unchecked,
            Oracle::RefusesMissing,
            "`x-hub-signature-256` is missing or empty",
        ),
        (
            "no signature, no check, whoever forged it",
            GITHUB,
            unsigned_is_unchecked,
            Oracle::RefusesForged,
            "it has no signature",
        ),
        (
            "an empty signature, no check",
            GITHUB,
            |verifier, request| match request.headers().get("x-hub-signature-256") {
                Some(signature) if signature.is_empty() => Some(request.body().to_vec()),
                _ => key(verifier, request),
            },
            Oracle::RefusesMissing,
            "`x-hub-signature-256` is missing or empty",
        ),
        (
            "only a POST is checked",
            GITHUB,
            |verifier, request| match request.method() {
                &Method::POST => key(verifier, request),
                _ => Some(request.body().to_vec()),
            },
            Oracle::RefusesForged,
            "its method is",
        ),
        (
            "an unknown key is an empty one",
            presets::PUSHER,
            |verifier, request| match request.headers().get("x-pusher-key")?.as_bytes() {
                b"key1" => key(verifier, request),
                _ => {
                    let signature = request.headers().get("x-pusher-signature")?;
                    let forged = const_hex::encode(hmac(b"", request.body()));
                    (signature == forged.as_str()).then(|| request.body().to_vec())
                }
            },
            Oracle::RefusesForged,
            "`nobody`",
        ),
        (
            "whatever the key is called",
            presets::PUSHER,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-pusher-key", |_| "key1".into());
                })
            },
            Oracle::RefusesChanged,
            "`nobody`",
        ),
        (
            "whatever the version of the signature",
            presets::BOX,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "box-signature-version", |_| "1".into());
                })
            },
            Oracle::RefusesChanged,
            "which has one value",
        ),
        (
            "a header that is signed if it is there, believed in either case",
            presets::MERCADOPAGO,
            |verifier, request| {
                key(verifier, request).or_else(|| {
                    changed(verifier, request, |request| {
                        request.headers_mut().remove("x-request-id");
                    })
                })
            },
            Oracle::RefusesChanged,
            "`x-request-id` was ``",
        ),
        (
            "the first item alone",
            presets::ADYEN,
            |verifier, request| {
                let mut json: Value = serde_json::from_slice(request.body()).ok()?;
                let items = json.pointer_mut("/notificationItems")?.as_array_mut()?;
                items.truncate(1);
                with_body(verifier, request, json.to_string().as_bytes())
            },
            Oracle::RefusesForged,
            "the next one wrong",
        ),
        (
            "nothing is wrong with no items",
            presets::ADYEN,
            |verifier, request| {
                let json: Value = serde_json::from_slice(request.body()).ok()?;
                match json.pointer("/notificationItems")?.as_array()?.is_empty() {
                    true => Some(Vec::new()),
                    false => key(verifier, request),
                }
            },
            Oracle::RefusesMissing,
            "no items",
        ),
        (
            "any method",
            with_target(),
            |verifier, request| {
                changed(verifier, request, |request| *request.method_mut() = Method::POST)
            },
            Oracle::RefusesChanged,
            "its method",
        ),
        (
            "any query",
            with_target(),
            |verifier, request| {
                changed(verifier, request, |request| {
                    *request.uri_mut() = "/in?data.id=5".parse().unwrap();
                })
            },
            Oracle::RefusesChanged,
            "its query",
        ),
        (
            "an id as far as its dot",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "webhook-id", |id| {
                        id.split('.').next().unwrap_or_default().to_owned()
                    })
                })
            },
            Oracle::RefusesChanged,
            "header `webhook-id` was",
        ),
        (
            "the URL by a header",
            presets::TWILIO,
            |verifier, request| {
                let hosts = request.headers().get("x-forwarded-host");
                hosts.is_none().then(|| key(verifier, request))?
            },
            Oracle::IgnoresUnrelated,
            "`x-forwarded-host`",
        ),
    ]);
}

fn unsigned_is_unchecked(verifier: &Verifier, request: &Request<Bytes>) -> Option<Vec<u8>> {
    let is_signed = request.headers().contains_key("x-hub-signature-256");
    match is_signed || request.method() != Method::POST {
        true => key(verifier, request),
        false => Some(request.body().to_vec()),
    }
}
