//! Keys that make two deliveries of one, or one of two.

use super::*;

#[test]
fn s5_keys_of_deliveries_that_are_wrong_are_found() {
    let time_only = vec![Part::Id, Part::Literal(".".into()), Part::SentAt];
    let unsigned_body = Scheme {
        content: time_only.into(),
        dangerously_allow: vec![Danger::UnsignedBody].into(),
        ..presets::STANDARD_WEBHOOKS
    };
    find(&[
        (
            "what is not signed is in the key",
            unsigned_body,
            |verifier, request| Some([key(verifier, request)?, request.body().to_vec()].concat()),
            Oracle::OneKey,
            "the body",
        ),
        (
            "the event type is in the key, in a header that nobody signs",
            GITHUB,
            |verifier, request| {
                let event = request.headers().get("x-github-event")?.as_bytes().to_vec();
                Some([key(verifier, request)?, event].concat())
            },
            Oracle::OneKey,
            "`x-github-event`, which nobody signs",
        ),
        (
            "the time of the attempt is in the key",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                let time = request.headers().get("webhook-timestamp")?.as_bytes().to_vec();
                Some([key(verifier, request)?, time].concat())
            },
            Oracle::OneKey,
            "signed again",
        ),
        (
            "one key for all",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| key(verifier, request).map(|_| Vec::from(*b"webhook")),
            Oracle::TwoKeys,
            "another message",
        ),
        (
            "the type of the content is in the key",
            GITHUB,
            |verifier, request| {
                let content_type = request.headers().get("content-type");
                let is_form = content_type.is_some_and(|it| it.as_bytes().ends_with(b"urlencoded"));
                Some([key(verifier, request)?, vec![u8::from(is_form)]].concat())
            },
            Oracle::OneKey,
            "its content type",
        ),
        (
            "an id of at most eight characters",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                let delivery = verifier.verify(request.clone()).ok()?;
                Some(delivery.id()?.bytes().take(8).collect())
            },
            Oracle::TwoKeys,
            "another message",
        ),
        (
            "an id in one case",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                let delivery = verifier.verify(request.clone()).ok()?;
                Some(delivery.id()?.to_ascii_lowercase().into_bytes())
            },
            Oracle::TwoKeys,
            "another message",
        ),
        (
            "an id that has to be a number",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                let delivery = verifier.verify(request.clone()).ok()?;
                delivery.id()?.parse::<u64>().ok().map(|_| key_of(&delivery))
            },
            Oracle::AcceptsGenuine,
            "as it was signed",
        ),
    ]);
}
