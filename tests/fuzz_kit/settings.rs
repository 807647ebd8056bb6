//! What an attack is told of the partner and of the endpoint: ids, bodies, events and headers.

use http::header::USER_AGENT;

use super::*;

/// A receiver that wants of ids and bodies what the partner does is not accused, once that is said.
#[test]
fn s5_ids_and_bodies_are_as_the_partner_has_them() {
    let preset = presets::GITHUB;
    let verifier = builder(preset.clone()).build().unwrap();
    let receiver = Wrapped(verifier, |verifier, request| {
        let id = request.headers().get("x-github-delivery")?.to_str().ok()?;
        (id.len() == 36 && request.body().len() <= 4_096).then(|| key(verifier, request))?
    });
    let finding = Attack::new(preset.clone(), SECRET).unwrap().run(&receiver, 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "{finding}");
    assert!(finding.what.contains("with the id `16777216` and"), "{finding}");
    let attack = Attack::new(preset, SECRET).unwrap();
    let attack = attack.ids(|n| format!("{n:08x}-8cf0-11ef-9b1c-0242ac120002"));
    let long = attack.run(&receiver, 20_000, 1).unwrap_err();
    assert!(long.request.body().len() > 4_096, "{long}");
    let attack = attack.max_body(4_096);
    attack.run(&receiver, 20_000, 1).unwrap();
}

/// Nor is one that reads the body first.
#[test]
fn s5_bodies_are_as_the_partner_has_them() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Opened {
        #[serde(rename = "action")]
        _action: String,
        number: u32,
    }
    for scheme in [presets::GITHUB, presets::STANDARD_WEBHOOKS] {
        let receiver = Wrapped(builder(scheme.clone()).build().unwrap(), |verifier, request| {
            let opened: Opened = serde_json::from_slice(request.body()).ok()?;
            let key = key(verifier, request)?;
            (opened.number > 0).then_some(key)
        });
        let attack = || Attack::new(scheme.clone(), SECRET).unwrap();
        let finding = attack().run(&receiver, 100, 1).unwrap_err();
        assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "{finding}");
        let attack = attack().bodies(|n| format!(r#"{{"action":"opened","number":{n}}}"#));
        attack.run(&receiver, 20_000, 1).unwrap();
    }
    // What the scheme has in the body is there as well.
    let scheme = common::SHORTLINKS;
    let receiver = Wrapped(builder(scheme.clone()).build().unwrap(), |verifier, request| {
        let json: Value = serde_json::from_slice(request.body()).ok()?;
        json.get("link")?.as_str().filter(|link| link.starts_with("https://"))?;
        key(verifier, request)
    });
    let attack = Attack::new(scheme, SECRET).unwrap();
    let attack = attack.bodies(|n| format!(r#"{{"link":"https://example.com/{n}"}}"#));
    attack.run(&receiver, 20_000, 1).unwrap();
}

/// Nor is one that wants more than the scheme does.
#[test]
fn s5_events_and_other_headers_are_as_the_endpoint_wants_them() {
    let receiver = Wrapped(builder(presets::GITHUB).build().unwrap(), |verifier, request| {
        let headers = request.headers();
        let is = |name: &str, value: &str| headers.get(name).is_none_or(|it| it == value);
        let fits = is("x-github-event", "issues")
            && headers.contains_key("user-agent")
            && is("x-forwarded-proto", "https");
        fits.then(|| key(verifier, request))?
    });
    let attack = || Attack::new(presets::GITHUB, SECRET).unwrap().event("issues");
    let finding = attack().run(&receiver, 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "{finding}");
    assert!(finding.to_string().contains("`header` whatever else"), "{finding}");
    let agent = (USER_AGENT, HeaderValue::from_static("GitHub-Hookshot/1"));
    let attack = || attack().header(agent.0.clone(), agent.1.clone());
    let finding = attack().run(&receiver, 20_000, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::IgnoresUnrelated, "{finding}");
    assert!(finding.to_string().contains("have each request carry what it wants"), "{finding}");
    let proto = HeaderName::from_static("x-forwarded-proto");
    let attack = attack().header(proto, HeaderValue::from_static("https"));
    attack.run(&receiver, 20_000, 1).unwrap();
}

/// Bodies that are none for the scheme are not left out in silence.
#[test]
fn s5_bodies_that_can_not_be_are_a_finding() {
    let scheme = common::SHORTLINKS;
    let attack = Attack::new(scheme.clone(), SECRET).unwrap().bodies(|n| format!("link={n}"));
    let finding = attack.run(&builder(scheme).build().unwrap(), 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Tried, "{finding}");
    assert!(finding.what.contains("needs to be a JSON object"), "{finding}");
}
