//! What is let in before anybody asks for a signature.

use super::*;

fn is(request: &Request<Bytes>, header: &str, value: &str) -> bool {
    request.headers().get(header).is_some_and(|it| it == value)
}

/// Verifies a request, and takes these as well.
fn unless(let_in: bool, verifier: &Verifier, request: &Request<Bytes>) -> Option<Vec<u8>> {
    key(verifier, request).or_else(|| let_in.then(|| b"let in".to_vec()))
}

#[test]
fn s5_what_is_let_in_unsigned_is_found() {
    find(&[
        (
            "a form is not verified",
            GITHUB,
            |verifier, request| {
                let is_form = is(request, "content-type", "application/x-www-form-urlencoded");
                unless(is_form, verifier, request)
            },
            Oracle::RefusesForged,
            "its content type is",
        ),
        (
            "a ping is not verified",
            GITHUB,
            |verifier, request| unless(is(request, "x-github-event", "ping"), verifier, request),
            Oracle::RefusesForged,
            "its event type is `ping`",
        ),
        (
            "a challenge is answered first",
            presets::SLACK,
            |verifier, request| {
                let json: Option<Value> = serde_json::from_slice(request.body()).ok();
                let kind = json.as_ref().and_then(|json| json.get("type"));
                unless(kind.is_some_and(|it| it == "url_verification"), verifier, request)
            },
            Oracle::RefusesForged,
            "url_verification",
        ),
        (
            "what comes from the machine itself",
            GITHUB,
            |verifier, request| {
                unless(is(request, "x-forwarded-for", "127.0.0.1"), verifier, request)
            },
            Oracle::RefusesForged,
            "`x-forwarded-for: 127.0.0.1`",
        ),
        (
            "what comes from the partner's address",
            GITHUB,
            |verifier, request| {
                unless(is(request, "x-forwarded-for", "203.0.113.7"), verifier, request)
            },
            Oracle::RefusesForged,
            "`x-forwarded-for: 203.0.113.7`",
        ),
        (
            "nothing at all",
            presets::STRIPE,
            |verifier, request| unless(request.body().is_empty(), verifier, request),
            Oracle::RefusesForged,
            "its body is ``",
        ),
        (
            "what is too long to be verified in memory",
            GITHUB,
            |verifier, request| unless(request.body().len() > 100_000, verifier, request),
            Oracle::RefusesForged,
            "spaces",
        ),
        (
            "a HEAD is harmless",
            presets::MAILGUN,
            |verifier, request| unless(request.method() == Method::HEAD, verifier, request),
            Oracle::RefusesForged,
            "its method is HEAD",
        ),
        (
            "a test",
            presets::SHOPIFY,
            |verifier, request| {
                let is_test =
                    request.uri().query().is_some_and(|query| query.contains("test=true"));
                unless(is_test, verifier, request)
            },
            Oracle::RefusesForged,
            "its query has `test=true`",
        ),
        (
            "only a POST is checked, where the signature is in the body",
            presets::MAILGUN,
            |verifier, request| unless(request.method() != Method::POST, verifier, request),
            Oracle::RefusesForged,
            "its method is",
        ),
    ]);
}
