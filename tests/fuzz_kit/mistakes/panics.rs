//! What panics at a header that is taken for granted.

use super::*;

#[test]
fn s5_headers_that_are_taken_for_granted_are_found() {
    find(&[
        (
            "an event type that has to be there",
            GITHUB,
            |verifier, request| {
                assert!(request.headers().contains_key("x-github-event"), "a planted panic");
                key(verifier, request)
            },
            Oracle::NoPanic,
            "header `x-github-event` is missing",
        ),
        (
            "an event type that has to be text",
            presets::SHOPIFY,
            |verifier, request| {
                let topic = request.headers().get("x-shopify-topic");
                topic.map(|topic| topic.to_str().expect("a planted panic"));
                key(verifier, request)
            },
            Oracle::NoPanic,
            "header `x-shopify-topic` has a value that nobody expects",
        ),
        (
            "an id that has to be there",
            GITHUB,
            |verifier, request| {
                assert!(request.headers().contains_key("x-github-delivery"), "a planted panic");
                key(verifier, request)
            },
            Oracle::NoPanic,
            "header `x-github-delivery` is missing",
        ),
        (
            "a content type that has to be text",
            presets::STRIPE,
            |verifier, request| {
                let kind = request.headers().get("content-type");
                kind.map(|kind| kind.to_str().expect("a planted panic"));
                key(verifier, request)
            },
            Oracle::NoPanic,
            "header `content-type` has a value that nobody expects",
        ),
    ]);
}
