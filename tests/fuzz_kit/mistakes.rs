//! What people do beside the verification, each time with what finds it.

use std::cell::Cell;

use http::{HeaderValue, Method};
use inhook::Delivery;
use serde_json::Value;

use super::*;

/// A receiver around a verifier that is right; what it does instead; what finds that, and how.
type Mistake = (&'static str, Scheme, Wrong, Oracle, &'static str);
type Wrong = fn(&Verifier, &Request<Bytes>) -> Option<Vec<u8>>;

const URL: &str = "https://hooks.example.com/in?data.id=5";

fn key_of(delivery: &Delivery) -> Vec<u8> {
    delivery.key().as_bytes().to_vec()
}

fn key(verifier: &Verifier, request: &Request<Bytes>) -> Option<Vec<u8>> {
    verifier.verify(request.clone()).ok().as_ref().map(key_of)
}

/// The key of the request as somebody changes it first.
fn changed(
    verifier: &Verifier,
    request: &Request<Bytes>,
    change: impl FnOnce(&mut Request<Bytes>),
) -> Option<Vec<u8>> {
    let mut request = request.clone();
    change(&mut request);
    key(verifier, &request)
}

fn with_body(verifier: &Verifier, request: &Request<Bytes>, body: &[u8]) -> Option<Vec<u8>> {
    changed(verifier, request, |request| *request.body_mut() = Bytes::copy_from_slice(body))
}

/// A header, where it is there once and is text.
fn header(request: &mut Request<Bytes>, name: &'static str, change: impl FnOnce(&str) -> String) {
    let mut values = request.headers().get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return };
    let Ok(value) = value.to_str() else { return };
    let value = HeaderValue::from_str(&change(value)).unwrap();
    request.headers_mut().insert(name, value);
}

/// Of two headers of a name one, and the other.
fn one_header(
    request: &Request<Bytes>,
    name: &'static str,
    which: fn(&[HeaderValue]) -> Option<&HeaderValue>,
) -> Option<HeaderValue> {
    let values: Vec<HeaderValue> = request.headers().get_all(name).iter().cloned().collect();
    which(&values).cloned()
}

/// The list without all but one of its times.
fn one_time(list: &str, which: fn(&[&str]) -> Option<String>) -> String {
    let (times, others): (Vec<&str>, Vec<&str>) =
        list.split(',').partition(|entry| entry.starts_with("t="));
    which(&times)
        .into_iter()
        .chain(others.into_iter().map(str::to_owned))
        .collect::<Vec<_>>()
        .join(",")
}

fn first(texts: &[&str]) -> Option<String> {
    texts.first().map(|text| (*text).to_owned())
}

fn last(texts: &[&str]) -> Option<String> {
    texts.last().map(|text| (*text).to_owned())
}

/// By its scheme, but of any age.
fn of_any_age(scheme: Scheme) -> Verifier {
    let [secret, _] = secrets_of(&scheme);
    let builder = Verifier::builder("acme", scheme, secret).url(URL);
    builder.clock(Arc::new(FakeClock::new())).ignore_sent_at().build().unwrap()
}

fn is_fresh(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|time| time.abs_diff(NOW) <= 300)
}

/// Where the scheme says nothing of the URL and the time.
fn find(mistakes: &[Mistake]) {
    for (what, scheme, wrong, oracle, how) in mistakes {
        let [secret, _] = secrets_of(scheme);
        let attack = Attack::for_url(scheme.clone(), secret.clone(), URL).unwrap();
        let verifier = Verifier::builder("acme", scheme.clone(), secret).url(URL);
        let verifier = verifier.clock(Arc::new(FakeClock::new())).build().unwrap();
        let right = Wrapped(verifier, key);
        attack.run(&right, 1_000, 1).unwrap();
        let finding = attack.run(&Wrapped(right.0, *wrong), 20_000, 1).expect_err(what);
        assert_eq!(finding.oracle, *oracle, "{what}: {finding}");
        assert!(finding.what.contains(how), "{what}: {finding}");
    }
}

#[test]
fn s5_what_is_not_verified_is_found() {
    find(&[
        (
            "no signature, no check",
            GITHUB,
            |verifier, request| {
                let is_signed = request.headers().contains_key("x-hub-signature-256");
                match is_signed || request.method() != Method::POST {
                    true => key(verifier, request),
                    false => Some(request.body().to_vec()),
                }
            },
            Oracle::RefusesMissing,
            "is missing or empty",
        ),
        (
            "only a POST is checked",
            GITHUB,
            |verifier, request| match request.method() {
                &Method::POST => key(verifier, request),
                _ => Some(request.body().to_vec()),
            },
            Oracle::RefusesMissing,
            "another method, and no signature",
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
                    request.headers_mut().insert("x-pusher-key", "key1".parse().unwrap());
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
                    request.headers_mut().insert("box-signature-version", "1".parse().unwrap());
                })
            },
            Oracle::RefusesMissing,
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

fn with_target() -> Scheme {
    let literal = |text: &'static str| Part::Literal(text.into());
    let content = vec![Part::Method, literal(" "), Part::Query, literal("\n"), Part::Body];
    Scheme { content: content.into(), ..GITHUB }
}

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

#[test]
fn s5_signatures_that_are_read_too_kindly_or_too_strictly_are_found() {
    find(&[
        (
            "the first of a list with spaces",
            presets::WORKOS,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "workos-signature", |text| {
                        text.split(", ").take(2).collect::<Vec<_>>().join(", ")
                    })
                })
            },
            Oracle::AcceptsGenuine,
            "the right signature stands behind",
        ),
        (
            "the first of several headers",
            presets::MOLLIE,
            |verifier, request| {
                changed(verifier, request, |request| {
                    let first = one_header(request, "x-mollie-signature", <[_]>::first);
                    first.map(|first| request.headers_mut().insert("x-mollie-signature", first));
                })
            },
            Oracle::AcceptsGenuine,
            "the right signature stands behind",
        ),
        (
            "only as long as it should be",
            presets::DOCUSIGN,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-docusign-signature-1", |text| {
                        text.chars().take(44).collect()
                    })
                })
            },
            Oracle::RefusesRespelled,
            "its tag is longer",
        ),
        (
            "base64 without what is none",
            presets::SHOPIFY,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-shopify-hmac-sha256", |text| text.replace('*', ""))
                })
            },
            Oracle::RefusesRespelled,
            "its tag has a `*` in it",
        ),
        (
            "a space in the list",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "webhook-signature", |text| text.replace(", ", ","))
                })
            },
            Oracle::RefusesRespelled,
            "its tag has a space before it",
        ),
        (
            "a tag in the body in either case",
            presets::MAILGUN,
            |verifier, request| {
                let mut json: Value = serde_json::from_slice(request.body()).ok()?;
                let tag = json.pointer_mut("/signature/signature")?;
                *tag = tag.as_str()?.to_ascii_lowercase().into();
                with_body(verifier, request, json.to_string().as_bytes())
            },
            Oracle::RefusesRespelled,
            "its tag is in upper case",
        ),
    ]);
}

#[test]
fn s5_times_that_are_read_twice_or_too_kindly_are_found() {
    let stripe = presets::STRIPE;
    let mailgun = Scheme { tolerance: Scheme::BASE.tolerance, ..presets::MAILGUN_FORM };
    find(&[
        (
            "the first of two times in a list",
            stripe.clone(),
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "stripe-signature", |list| one_time(list, first))
                })
            },
            Oracle::RefusesRepeated,
            "parameter `t`",
        ),
        (
            "the first is signed, the last is fresh",
            stripe.clone(),
            |_, request| {
                let list = request.headers().get("stripe-signature")?.to_str().ok()?;
                let times: Vec<&str> =
                    list.split(',').filter_map(|it| it.strip_prefix("t=")).collect();
                if !is_fresh(times.last()?)
                    || times.len() == 2 && times.iter().all(|it| is_fresh(it))
                {
                    return None;
                }
                changed(&of_any_age(presets::STRIPE), request, |request| {
                    header(request, "stripe-signature", |list| one_time(list, first))
                })
            },
            Oracle::RefusesStale,
            "a time of now is there twice",
        ),
        (
            "the last is signed, the first is fresh",
            stripe,
            |_, request| {
                let list = request.headers().get("stripe-signature")?.to_str().ok()?;
                let times: Vec<&str> =
                    list.split(',').filter_map(|it| it.strip_prefix("t=")).collect();
                if !is_fresh(times.first()?)
                    || times.len() == 2 && times.iter().all(|it| is_fresh(it))
                {
                    return None;
                }
                changed(&of_any_age(presets::STRIPE), request, |request| {
                    header(request, "stripe-signature", |list| one_time(list, last))
                })
            },
            Oracle::RefusesStale,
            "a time of now is there twice",
        ),
        (
            "one name is signed, the other is fresh",
            presets::STANDARD_WEBHOOKS,
            |_, request| {
                let name = |name| request.headers().get(name)?.to_str().ok();
                let own = name("webhook-timestamp")?;
                is_fresh(name("svix-timestamp").unwrap_or(own)).then_some(())?;
                changed(&of_any_age(presets::STANDARD_WEBHOOKS), request, |request| {
                    request.headers_mut().remove("svix-timestamp");
                })
            },
            Oracle::RefusesStale,
            "second name",
        ),
        (
            "under its second name it is of any age",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| match request.headers().contains_key("svix-timestamp") {
                true => key(&of_any_age(presets::STANDARD_WEBHOOKS), request),
                false => key(verifier, request),
            },
            Oracle::RefusesStale,
            "its headers have their second names",
        ),
        (
            "an entry that is a number in any spelling",
            presets::RECURLY,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "recurly-signature", |list| {
                        let (time, rest) = list.split_once(',').unwrap_or((list, ""));
                        let time = time.parse::<u64>().map_or(time.into(), |time| time.to_string());
                        format!("{time},{rest}")
                    })
                })
            },
            Oracle::RefusesRespelled,
            "the time is `",
        ),
        (
            "a parameter that is a number in any spelling",
            mailgun,
            |verifier, request| {
                let body = std::str::from_utf8(request.body()).ok()?;
                let pairs = body.split('&').map(|pair| match pair.strip_prefix("timestamp=") {
                    Some(time) => format!("timestamp={}", time.trim_start_matches("%2B")),
                    None => pair.to_owned(),
                });
                with_body(verifier, request, pairs.collect::<Vec<_>>().join("&").as_bytes())
            },
            Oracle::RefusesRespelled,
            "the time is `+",
        ),
        (
            "the last of two parameters",
            presets::MAILGUN_FORM,
            |verifier, request| {
                let body = std::str::from_utf8(request.body()).ok()?;
                let tokens: Vec<&str> =
                    body.split('&').filter(|pair| pair.starts_with("token=")).collect();
                let rest = body.split('&').filter(|pair| !pair.starts_with("token="));
                let body = rest.chain(tokens.last().copied()).collect::<Vec<_>>().join("&");
                with_body(verifier, request, body.as_bytes())
            },
            Oracle::RefusesRepeated,
            "parameter `token`",
        ),
    ]);
}

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

/// Every other request is refused, whatever it is.
struct Moody(Homemade, Cell<bool>);

impl Receiver for Moody {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        self.1.set(!self.1.get());
        if self.1.get() { self.0.receive(request) } else { Verdict::Refused }
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

#[test]
fn s5_a_receiver_that_changes_its_mind_is_found() {
    let right = Homemade { scheme: presets::STANDARD_WEBHOOKS, bug: Bug::None };
    let attack = Attack::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let finding = attack.run(&Moody(right, Cell::new(false)), 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Stable, "{finding}");
}

#[test]
fn s5_an_attack_that_has_nothing_to_try_says_why() {
    // What two parameters of the query say, a signer does not know.
    let fields = vec![Part::Field(Field::query("tenant"))];
    let scheme = Scheme {
        content: fields.into(),
        dangerously_allow: vec![Danger::UnsignedBody].into(),
        ..GITHUB
    };
    let attack = Attack::new(scheme.clone(), SECRET).unwrap();
    let finding = attack.run(&builder(scheme).build().unwrap(), 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Tried, "{finding}");
    assert!(finding.what.contains("tenant"), "{finding}");
}

/// The command does what was done, and says no more of the shell's language.
#[test]
fn s5_a_finding_is_a_command_of_its_method_and_target() {
    let receiver = |request: &Request<Bytes>| request.method() == Method::POST;
    let url = "https://hooks.example.com/it's?x='";
    let attack = Attack::for_url(with_target(), SECRET, url).unwrap();
    let verifier = builder(with_target()).build().unwrap();
    let finding = attack
        .run(
            &Wrapped(verifier, |verifier, request| {
                changed(verifier, request, |request| *request.method_mut() = Method::POST)
            }),
            20_000,
            1,
        )
        .unwrap_err();
    assert!(!receiver(&finding.request), "{finding}");
    let curl = finding.to_curl();
    assert!(curl.contains(&format!(" --request {} ", finding.request.method())), "{curl}");
    assert!(curl.contains(r"'http://127.0.0.1:3000/it'\''s?x='\'''"), "{curl}");
}
