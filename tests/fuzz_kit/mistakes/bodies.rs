//! A body that is not what arrived.

use super::*;

#[test]
fn s5_a_body_that_is_not_what_arrived_is_found() {
    find(&[
        (
            "a body that has to be text",
            GITHUB,
            |verifier, request| {
                std::str::from_utf8(request.body()).ok()?;
                key(verifier, request)
            },
            Oracle::AcceptsGenuine,
            "as it was signed",
        ),
        (
            "a body that is read as if it were UTF-8",
            presets::STRIPE,
            |verifier, request| {
                let text = String::from_utf8_lossy(request.body());
                with_body(verifier, request, text.as_bytes())
            },
            Oracle::RefusesRespelled,
            "the body is spelled otherwise",
        ),
        (
            "a body without its zeros",
            presets::STRIPE,
            |verifier, request| {
                let body: Vec<u8> =
                    request.body().iter().copied().filter(|byte| *byte != 0).collect();
                with_body(verifier, request, &body)
            },
            Oracle::RefusesChanged,
            "the body was changed",
        ),
        (
            "a body without what is around it",
            GITHUB,
            |verifier, request| with_body(verifier, request, request.body().trim_ascii()),
            Oracle::AcceptsGenuine,
            "as it was signed",
        ),
        (
            "a body without a line feed at its end, which no partner writes",
            presets::SHOPIFY,
            |verifier, request| {
                let body = request.body();
                key(verifier, request).or_else(|| {
                    with_body(verifier, request, body.strip_suffix(b"\n").unwrap_or(body))
                })
            },
            Oracle::RefusesRespelled,
            "the body is spelled otherwise",
        ),
        (
            "lines that end in one way",
            GITHUB,
            |verifier, request| {
                let text = String::from_utf8_lossy(request.body()).replace("\r\n", "\n");
                key(verifier, request).or_else(|| with_body(verifier, request, text.as_bytes()))
            },
            Oracle::RefusesRespelled,
            "the body is spelled otherwise",
        ),
        (
            "a body of one KiB",
            GITHUB,
            |verifier, request| {
                let body = request.body();
                with_body(verifier, request, body.get(..1024).unwrap_or(body))
            },
            Oracle::AcceptsGenuine,
            "as it was signed",
        ),
        (
            "a body of less than 64 KiB",
            GITHUB,
            |verifier, request| {
                (request.body().len() < 65_536).then(|| key(verifier, request)).flatten()
            },
            Oracle::AcceptsGenuine,
            "as it was signed",
        ),
        (
            "more in a form than was signed",
            presets::TWILIO,
            |verifier, request| {
                let body = request.body();
                with_body(verifier, request, body.strip_suffix(b"&admin=1").unwrap_or(body))
            },
            Oracle::RefusesChanged,
            "its form",
        ),
    ]);
}
