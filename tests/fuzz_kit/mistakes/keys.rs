//! Keys that make two deliveries of one, or one of two.

use inhook::scheme::Danger;

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
            "what lacks an id that nobody signs has no key",
            presets::GITHUB,
            |verifier, request| {
                let is_there = request.headers().contains_key("x-github-delivery");
                key(verifier, request).map(|key| if is_there { key } else { Vec::new() })
            },
            Oracle::OneKey,
            "it has no key",
        ),
        (
            "the signed bytes count only beside an id that nobody signs",
            GITHUB,
            |verifier, request| {
                let is_there = request.headers().contains_key("x-github-delivery");
                key(verifier, request).map(|key| if is_there { key } else { Vec::new() })
            },
            Oracle::OneKey,
            "`x-github-delivery`, which nobody signs, is missing",
        ),
        (
            "one key for all",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| key(verifier, request).map(|_| Vec::from(*b"webhook")),
            Oracle::TwoKeys,
            "another message",
        ),
        (
            "one key for all, where a delivery has no id",
            identified_by(&["/event/id"]),
            |verifier, request| key(verifier, request).map(|_| Vec::from(*b"webhook")),
            Oracle::TwoKeys,
            "another message",
        ),
        (
            "the first of two fields that identify it together",
            identified_by(&["/shop", "/event/id"]),
            |verifier, request| {
                key(verifier, request)?;
                let json: Value = serde_json::from_slice(request.body()).ok()?;
                Some(json.get("shop")?.to_string().into_bytes())
            },
            Oracle::TwoKeys,
            "another message",
        ),
        (
            "the second of two fields that identify it together",
            identified_by(&["/shop", "/event/id"]),
            |verifier, request| {
                key(verifier, request)?;
                let json: Value = serde_json::from_slice(request.body()).ok()?;
                Some(json.pointer("/event/id")?.to_string().into_bytes())
            },
            Oracle::TwoKeys,
            "another message",
        ),
        (
            "two fields that identify it together, joined",
            identified_by(&["/shop", "/event/id"]),
            |verifier, request| {
                key(verifier, request)?;
                let json: Value = serde_json::from_slice(request.body()).ok()?;
                let (shop, id) =
                    (json.get("shop")?.as_str()?, json.pointer("/event/id")?.as_str()?);
                Some([shop, id].concat().into_bytes())
            },
            Oracle::TwoKeys,
            "where it is joined",
        ),
        (
            "an id joined with the body",
            presets::GITHUB,
            |verifier, request| {
                key(verifier, request)?;
                let id = request.headers().get("x-github-delivery");
                let id = id.map_or(&b""[..], HeaderValue::as_bytes);
                Some([id, request.body()].concat())
            },
            Oracle::TwoKeys,
            "where it is joined",
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
            "which attempt it is, in the key",
            presets::SLACK,
            |verifier, request| {
                let attempt = request.headers().get("x-slack-retry-num");
                let attempt = attempt.map_or(&b""[..], HeaderValue::as_bytes);
                Some([key(verifier, request)?, attempt.to_vec()].concat())
            },
            Oracle::OneKey,
            "`x-slack-retry-num`",
        ),
        (
            "a body as the key, which another delivery may have as well",
            presets::GITHUB,
            |verifier, request| key(verifier, request).map(|_| request.body().to_vec()),
            Oracle::TwoKeys,
            "another message",
        ),
        (
            "a body without what is around it as the key",
            GITHUB,
            |verifier, request| {
                key(verifier, request).map(|_| request.body().trim_ascii().to_vec())
            },
            Oracle::TwoKeys,
            "another message",
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

/// GitHub's, with fields of the JSON as identity.
fn identified_by(pointers: &[&'static str]) -> Scheme {
    let fields: Vec<Field> = pointers.iter().map(|pointer| Field::pointer(pointer)).collect();
    Scheme { id: None, identity: Identity::Fields(fields.into()), ..GITHUB }
}

/// Whatever a partner signs, and wherever its ids are.
#[test]
fn s5_keys_that_are_wrong_are_found_for_every_preset() {
    let mut missed = Vec::new();
    for preset in presets::all().filter(|it| it.scheme.identity != Identity::None) {
        let scheme = &preset.scheme;
        let [secret, _] = secrets_of(scheme);
        let attack = Attack::for_url(scheme.clone(), secret.clone(), URL).unwrap();
        let verifier = Verifier::builder("acme", scheme.clone(), secret).url(URL);
        let verifier = verifier.clock(Arc::new(FakeClock::new())).build().unwrap();
        let one: Wrong = |verifier, request| key(verifier, request).map(|_| b"one".to_vec());
        let timed: Wrong = |verifier, request| {
            let delivery = verifier.verify(request.clone()).ok()?;
            Some([key_of(&delivery), format!("{:?}", delivery.signed_at()).into()].concat())
        };
        let finds = |wrong: Wrong, oracle| {
            let finding = attack.run(&Wrapped(verifier.clone(), wrong), 20_000, 1).err();
            finding.is_some_and(|finding| finding.oracle == oracle)
        };
        if !finds(one, Oracle::TwoKeys) {
            missed.push(format!("{}: one key for all", preset.name));
        }
        if scheme.sent_at.is_some() && !finds(timed, Oracle::OneKey) {
            missed.push(format!("{}: the time is in the key", preset.name));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
