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
            "see the message above",
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
            "see the message above",
        ),
        (
            "an id that has to be there",
            GITHUB,
            |verifier, request| {
                assert!(request.headers().contains_key("x-github-delivery"), "a planted panic");
                key(verifier, request)
            },
            Oracle::NoPanic,
            "see the message above",
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
            "see the message above",
        ),
        (
            "a length that has to be a number",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                let length = request.headers().get("content-length");
                length.map(|it| it.to_str().unwrap().parse::<u64>().expect("a planted panic"));
                key(verifier, request)
            },
            Oracle::NoPanic,
            "see the message above",
        ),
    ]);
}
