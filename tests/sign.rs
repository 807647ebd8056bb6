//! What a `Signer` signs a `Verifier` accepts, and nothing that differs from it in one byte.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use inhook::scheme::{
    Algorithm, Encoding, Field, Identity, KeyFormat, Layout, Part, Scheme, SentAt, Signature,
    TimeFormat,
};
use inhook::sign::{Message, SignError, Signer};
use inhook::testing::FakeClock;
use inhook::{Secret, Verifier, presets};
use proptest::prelude::*;
use proptest::sample::{Index, select};

mod common;
#[path = "common/notation.rs"]
mod notation;

use common::{NOW, PRESETS, SECRET, at, builder, set, text};

const HEADER: &str = "x-signature";
const URL: &str = "https://hooks.example.com/in?e=1&data.id=5";

/// Where the time is.
#[derive(Debug, Clone, Copy)]
enum Time {
    Nowhere,
    Header(TimeFormat),
    Parameter(TimeFormat),
    Body(TimeFormat),
}

fn scheme() -> impl Strategy<Value = Scheme> {
    let formats = [TimeFormat::UnixSeconds, TimeFormat::UnixMillis, TimeFormat::Rfc3339];
    let mut times = vec![Time::Nowhere];
    times.extend(formats.map(Time::Header));
    times.extend(formats.map(Time::Parameter));
    times.extend(formats.map(Time::Body));
    (
        select(vec![Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha512]),
        select(vec![Encoding::Hex, Encoding::Base64]),
        select(vec![Layout::Single, Layout::List(' '), Layout::List(';')]),
        select(vec!["", "v1,", "sha=", "t-"]),
        select(vec![KeyFormat::Raw, KeyFormat::Base64 { prefix: Cow::Borrowed("whsec_") }]),
        select(times),
        any::<bool>(),
    )
        .prop_map(|(algorithm, encoding, layout, prefix, key, time, id_first)| {
            let dot = || Part::Literal(Cow::Borrowed("."));
            let (layout, prefix) = match time {
                // A list, in which the time can be told from the signatures.
                Time::Parameter(_) if prefix.is_empty() => (Layout::List(';'), "v1="),
                Time::Parameter(_) => (Layout::List(';'), prefix),
                _ => (layout, prefix),
            };
            let (mut content, sent_at) = match time {
                Time::Nowhere => (vec![Part::Id, dot()], None),
                Time::Header(format) | Time::Parameter(format) => {
                    let mut content = vec![Part::Id, dot(), Part::SentAt, dot()];
                    if !id_first {
                        content.rotate_left(2);
                        content.insert(0, Part::Literal(Cow::Borrowed("v0:")));
                    }
                    let field = match time {
                        Time::Parameter(_) => Field::parameter("t"),
                        _ => Field::header("x-time"),
                    };
                    (content, Some(SentAt { field, format }))
                }
                Time::Body(format) => {
                    (vec![Part::Id, dot()], Some(SentAt { field: Field::pointer("/t"), format }))
                }
            };
            content.push(Part::Body);
            Scheme {
                algorithm,
                key,
                signature: Signature {
                    field: Field::header(HEADER),
                    prefix: Cow::Borrowed(prefix),
                    layout,
                    encoding,
                    ..Signature::BASE
                },
                content: content.into(),
                id: Some(Field::header("x-id")),
                event: Some(Field::header("x-event")),
                sent_at,
                identity: Identity::Fields(Cow::Owned(vec![Field::header("x-id")])),
                ..Scheme::BASE
            }
        })
}

/// A time inside the tolerance, in whole milliseconds.
fn time() -> impl Strategy<Value = SystemTime> {
    (0u64..=598_999).prop_map(|millis| at(NOW - 299) + Duration::from_millis(millis))
}

/// How the scheme writes a time, by another program than the one that is tested.
fn written(format: TimeFormat, time: SystemTime) -> String {
    let millis = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    match format {
        TimeFormat::UnixSeconds => (millis / 1000).to_string(),
        TimeFormat::UnixMillis => millis.to_string(),
        _ => {
            let time = jiff::Timestamp::from_millisecond(millis.try_into().unwrap()).unwrap();
            time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
        }
    }
}

fn with_body(request: &Request<Bytes>, body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = request.clone();
    *request.body_mut() = body.into();
    request
}

fn with_header(request: &Request<Bytes>, name: &str, value: impl AsRef<[u8]>) -> Request<Bytes> {
    let mut request = request.clone();
    set(&mut request, name, value);
    request
}

/// The bytes with one of them changed to another one that `allowed` lets through.
fn mutate(bytes: &[u8], at: Index, flip: u8, allowed: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let at = at.index(bytes.len().max(1));
    let byte = bytes.get_mut(at)?;
    *byte ^= flip;
    allowed(*byte).then_some(bytes)
}

/// What ids and bodies are made of, so that a piece of one could pass for another.
const PIECES: [&str; 9] = ["a", "1", ".", ":", ";", ",", "v0:", "1768469400", "."];

/// Those whose requests are signed in one header of that name, whatever the body is.
fn presets_in_headers() -> Vec<Scheme> {
    let in_header = |scheme: &Scheme| {
        scheme.signature.field.as_header().is_some()
            && scheme.signature.others.is_empty()
            && scheme.signature.layout != Layout::Numbered
    };
    let takes_any_body = |scheme: &Scheme| {
        let secret = Secret::new(notation::secret(scheme, 1)).label("key1");
        let signer = Signer::for_url(of_any_body(scheme.clone()), secret, URL).unwrap();
        signer.request(&Message::new("a").id("1").sent_at(at(NOW))).is_ok()
    };
    let presets = presets::all().map(|preset| preset.scheme.clone());
    let presets: Vec<Scheme> = presets.filter(in_header).filter(takes_any_body).collect();
    assert!(presets.len() >= 80, "only {} of them", presets.len());
    presets
}

/// A scheme whose body may be anything: what is read in it, but not signed there, nobody looks for.
fn of_any_body(scheme: Scheme) -> Scheme {
    let in_json = |field: &Field| matches!(field, Field::Pointer(_) | Field::Integer(_));
    let sent_at = scheme.sent_at.filter(|time| !in_json(&time.field));
    Scheme {
        id: scheme.id.filter(|field| !in_json(field)),
        event: None,
        tolerance: if sent_at.is_some() { scheme.tolerance } else { Scheme::BASE.tolerance },
        sent_at,
        identity: Identity::None,
        ..scheme
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        // Failures are reproduced from what they print.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_signed_is_accepted_and_nothing_beside_it(
        scheme in scheme(),
        id in "[!-\\-/-~]{1,255}",
        event in "[a-z._]{1,40}",
        filler in proptest::collection::vec(any::<u8>(), 0..200),
        sent_at in time(),
        byte in any::<Index>(),
        flip in 1u8..,
    ) {
        let body = match &scheme.sent_at {
            Some(SentAt { field: Field::Pointer(_), format }) => {
                let time = match (*format, written(*format, sent_at)) {
                    (TimeFormat::Rfc3339, time) => format!("\"{time}\""),
                    (_, time) => time,
                };
                format!(r#"{{"f":"{}","t":{time}}}"#, const_hex::encode(&filler)).into_bytes()
            }
            _ => filler,
        };
        let message = Message::new(body.clone()).id(&id).event(&event).sent_at(sent_at);
        let signer = Signer::new(scheme.clone(), SECRET).unwrap();
        let request = signer.request(&message).unwrap();
        let verifier = Verifier::builder("acme", scheme.clone(), SECRET)
            .clock(Arc::new(FakeClock::new()))
            .build()
            .unwrap();

        let delivery = verifier.verify(request.clone()).unwrap();
        prop_assert_eq!(delivery.body(), &body);
        prop_assert_eq!(delivery.id(), Some(&*id));
        prop_assert_eq!(delivery.event(), Some(&*event));
        let in_whole_seconds = |time: SystemTime| time.duration_since(at(0)).unwrap().as_secs();
        let signed_at = scheme.sent_at.as_ref().map(|field| match field.format {
            TimeFormat::UnixSeconds => at(in_whole_seconds(sent_at)),
            _ => sent_at,
        });
        prop_assert_eq!(delivery.signed_at(), signed_at);

        // One byte of the body, or one more, or one less.
        if let Some(body) = mutate(&body, byte, flip, |_| true) {
            prop_assert!(verifier.verify(with_body(&request, body)).is_err());
            let shorter = &request.body()[1..];
            prop_assert!(verifier.verify(with_body(&request, shorter.to_vec())).is_err());
        }
        let longer = [&*body, &[flip]].concat();
        prop_assert!(verifier.verify(with_body(&request, longer)).is_err());

        // One byte of the tag, once decoded.
        let value = request.headers()[HEADER].to_str().unwrap();
        let tag_len = text(scheme.signature.encoding, &common::mac(&scheme, b"")).len();
        let (start, tag) = value.split_at(value.len() - tag_len);
        let tag = match scheme.signature.encoding {
            Encoding::Hex => const_hex::decode(tag).unwrap(),
            _ => Base64::decode_vec(tag).unwrap(),
        };
        let encoded = |tag: &[u8]| format!("{start}{}", text(scheme.signature.encoding, tag));
        prop_assert!(verifier.verify(with_header(&request, HEADER, encoded(&tag))).is_ok());
        let wrong = mutate(&tag, byte, flip, |_| true).unwrap();
        prop_assert!(verifier.verify(with_header(&request, HEADER, encoded(&wrong))).is_err());

        // One byte of the id, or none of it.
        if let Some(id) = mutate(id.as_bytes(), byte, flip, |byte| byte.is_ascii_graphic()) {
            prop_assert!(verifier.verify(with_header(&request, "x-id", id)).is_err());
        }
        let longer = format!("{id}x");
        prop_assert!(verifier.verify(with_header(&request, "x-id", longer)).is_err());
        let mut without = request.clone();
        without.headers_mut().remove("x-id");
        prop_assert!(verifier.verify(without).is_err());

        // One byte of the time, whether or not the result is a time that is still fresh.
        if let Some(time) = request.headers().get("x-time") {
            let digit = mutate(time.as_bytes(), byte, flip & 0x0f, |byte| byte.is_ascii_graphic());
            if let Some(other) = digit.filter(|other| other != time.as_bytes()) {
                prop_assert!(verifier.verify(with_header(&request, "x-time", other)).is_err());
            }
        }
        if let Some((time, rest)) = value.strip_prefix("t=").and_then(|list| list.split_once(';')) {
            let digit = mutate(time.as_bytes(), byte, flip & 0x0f, |byte| byte.is_ascii_graphic());
            if let Some(other) = digit.filter(|other| other != time.as_bytes()) {
                let list = [b"t=", &*other, b";", rest.as_bytes()].concat();
                prop_assert!(verifier.verify(with_header(&request, HEADER, list)).is_err());
            }
            // The order of the entries says nothing.
            let list = format!("{rest};t={time}");
            prop_assert!(verifier.verify(with_header(&request, HEADER, list)).is_ok());
        }

        // What is not signed makes no difference.
        let other = verifier.verify(with_header(&request, "x-event", "other")).unwrap();
        prop_assert_eq!(other.key(), delivery.key());
    }

    /// A signature is of one id, one time and one body, and no other request can carry it, however the bytes
    /// are shared out among them.
    #[test]
    fn a_signature_is_of_one_id_one_time_and_one_body(
        scheme in prop_oneof![scheme(), select(presets_in_headers())].prop_map(of_any_body),
        pieces in proptest::collection::vec(select(PIECES.as_slice()), 2..12),
        cuts in any::<[Index; 2]>(),
        later in any::<bool>(),
    ) {
        let times = [at(NOW), at(NOW + u64::from(later))];
        let messages = [0, 1].map(|n| {
            let (id, body) = pieces.split_at(cuts[n].index(pieces.len()));
            (id.concat(), times[n], body.concat())
        });
        let secret = Secret::new(notation::secret(&scheme, 1)).label("key1");
        let signer = Signer::for_url(scheme.clone(), secret.clone(), URL).unwrap();
        let signed = messages.clone().map(|(id, time, body)| {
            signer.request(&Message::new(body).id(id).event("push").sent_at(time)).ok()
        });
        // So what is counted as a case is one.
        prop_assume!(signed.iter().all(Option::is_some));
        let [Some(one), Some(mut other)] = signed else { return Ok(()) };
        let header = scheme.signature.field.as_header().unwrap();
        set(&mut other, header, &one.headers()[header]);

        let verifier = Verifier::builder("acme", scheme.clone(), secret)
            .url(URL)
            .clock(Arc::new(FakeClock::new()))
            .build()
            .unwrap();
        prop_assert!(verifier.verify(one).is_ok(), "{scheme:#?}");
        if verifier.verify(other).is_ok() {
            let [one, other] = &messages;
            for part in scheme.content.iter() {
                match part {
                    Part::Id => prop_assert_eq!(&one.0, &other.0),
                    Part::SentAt if scheme.sent_at.as_ref().is_some_and(|it| it.field.as_header().is_some()) => {
                        prop_assert_eq!(one.1, other.1);
                    }
                    Part::Body => prop_assert_eq!(&one.2, &other.2),
                    // Texts, and fields that are filled alike in both.
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn every_preset_signs_what_it_verifies() {
    for scheme in PRESETS {
        let signer = Signer::new(scheme.clone(), SECRET).unwrap();
        // Sent now, by the clock that both of them read. The id is in a header or in the body.
        let message = Message::new(r#"{"id":"1","event_id":"1"}"#).id("1");
        let request = signer.request(&message).unwrap();
        assert_eq!(request.method(), http::Method::POST);
        let verifier = Verifier::new("acme", scheme.clone(), SECRET).unwrap();
        let delivery = verifier.verify(request).unwrap();
        assert_eq!(delivery.id(), Some("1"));
        assert_eq!(delivery.signed_at().is_some(), scheme.sent_at.is_some());
    }
}

#[test]
fn each_preset_signs_as_its_partner_writes_it() {
    let header = |scheme: &Scheme, body: &'static str, name: &str| {
        let message = Message::new(body).id("1").event("a").sent_at(at(NOW));
        let headers = Signer::new(scheme.clone(), SECRET).unwrap().sign(&message).unwrap();
        headers[name].to_str().unwrap().to_owned()
    };
    let tag = |scheme: &Scheme, content: &str| {
        text(scheme.signature.encoding, &common::mac(scheme, content.as_bytes()))
    };
    let stripe = &presets::STRIPE;
    assert_eq!(
        header(stripe, "{}", "Stripe-Signature"),
        format!("t={NOW},v1={}", tag(stripe, &format!("{NOW}.{{}}")))
    );
    let slack = &presets::SLACK;
    assert_eq!(header(slack, "a=b", "X-Slack-Request-Timestamp"), NOW.to_string());
    assert_eq!(
        header(slack, "a=b", "X-Slack-Signature"),
        format!("v0={}", tag(slack, &format!("v0:{NOW}:a=b")))
    );
    let shopify = &presets::SHOPIFY;
    assert_eq!(header(shopify, "{}", "X-Shopify-Hmac-Sha256"), tag(shopify, "{}"));
    assert_eq!(header(shopify, "{}", "X-Shopify-Webhook-Id"), "1");
    assert_eq!(header(shopify, "{}", "X-Shopify-Topic"), "a");
}

#[test]
fn what_can_not_be_signed_is_an_error() {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    assert_eq!(signer.sign(&Message::new("{}")).unwrap_err(), SignError::MissingId);
    for id in ["a\nb", "a\0", "a\r\nx-other: 1"] {
        let error = signer.sign(&Message::new("{}").id(id)).unwrap_err();
        assert_eq!(error, SignError::HeaderValue { header: "webhook-id".into() });
    }
    // What no verifier accepts: the dot would begin the next part.
    for id in ["a.b", "a b", ""] {
        let error = signer.sign(&Message::new("{}").id(id)).unwrap_err();
        assert!(matches!(error, SignError::Unverifiable { .. }), "{id}: {error}");
    }
    let signer = Signer::new(presets::GITHUB, SECRET).unwrap();
    let error = signer.request(&Message::new("{}").id("")).unwrap_err();
    assert!(matches!(error, SignError::Unverifiable { .. }), "{error}");
    // On its way it would lose its spaces, or be another one with fewer digits.
    let error = signer.sign(&Message::new("{}").event(" push ")).unwrap_err();
    assert_eq!(error, SignError::HeaderValue { header: "x-github-event".into() });
    let scheme = Scheme { content: vec![Part::SentAt, Part::Body].into(), ..presets::SLACK };
    let signer = Signer::new(scheme, SECRET).unwrap();
    assert_eq!(signer.sign(&Message::new("").sent_at(at(5))).unwrap_err(), SignError::Time);
    signer.sign(&Message::new("").sent_at(at(NOW))).unwrap();
    // A parameter that is there already would be there twice.
    let scheme = Scheme { event: Some(Field::query("type")), ..presets::GITHUB };
    let signer = Signer::for_url(scheme, SECRET, "https://example.com/x?type=a").unwrap();
    let error = signer.request(&Message::new("{}").event("b")).unwrap_err();
    assert!(matches!(error, SignError::Unverifiable { .. }), "{error}");
    let scheme = Scheme { event: Some(Field::query("type")), ..presets::GITHUB };
    let signer = Signer::for_url(scheme, SECRET, "https://example.com/x").unwrap();
    let error = signer.request(&Message::new("{}").event("b".repeat(70_000))).unwrap_err();
    assert_eq!(error, SignError::Query);
    // Where the id is not signed it may be left out.
    let signer = Signer::new(presets::GITHUB, SECRET).unwrap();
    assert!(!signer.sign(&Message::new("{}")).unwrap().contains_key("x-github-delivery"));
}

/// JSON in a field of a form that has more than that, with a digest of it all or the signature in it.
#[test]
fn a_form_has_its_json_and_what_is_beside_it() {
    let form = Scheme {
        json: inhook::scheme::Json::Form("payload".into()),
        id: Some(Field::form("id")),
        event: Some(Field::pointer("/type")),
        ..presets::GITHUB
    };
    let digest = Scheme {
        digest: Some(Field::query("sha256")),
        content: vec![Part::Query].into(),
        ..form.clone()
    };
    let inside = Scheme {
        signature: Signature { field: Field::form("signature"), ..Signature::BASE },
        content: vec![Part::Field(Field::pointer("/n"))].into(),
        dangerously_allow: vec![inhook::scheme::Danger::UnsignedBody].into(),
        ..form.clone()
    };
    for scheme in [form, digest, inside] {
        let signer = Signer::new(scheme.clone(), SECRET).unwrap();
        let message = Message::new(r#"{"type":"t","n":1}"#).id("7");
        let request = signer.request(&message).unwrap();
        assert!(request.body().starts_with(b"payload=%7B"), "{request:?}");
        let verifier = Verifier::new("acme", scheme, SECRET).unwrap();
        let delivery = verifier.verify(request).unwrap();
        assert_eq!((delivery.id(), delivery.event()), (Some("7"), Some("t")));
    }
}

/// Of items, the id is in the first one of them, and signed there.
#[test]
fn an_id_is_written_into_an_item() {
    let signer = Signer::new(presets::ADYEN, "6b".repeat(32)).unwrap();
    let body = r#"{"notificationItems":[{"NotificationRequestItem":{"pspReference":"old"}}]}"#;
    let request = signer.request(&Message::new(body).id("new")).unwrap();
    let verifier = Verifier::new("acme", presets::ADYEN, "6b".repeat(32)).unwrap();
    assert_eq!(verifier.verify(request).unwrap().id(), Some("new"));
}

/// What a scheme signs if it is there.
#[test]
fn a_header_of_the_message_is_signed() {
    let name = HeaderName::from_static("x-request-id");
    let with = |value: &[u8]| {
        let message = Message::new("{}").sent_at(at(NOW));
        message.header(name.clone(), HeaderValue::from_bytes(value).unwrap())
    };
    let signer = Signer::new(presets::MERCADOPAGO, SECRET).unwrap();
    let request = signer.request(&with(b"b-1")).unwrap();
    assert_eq!(request.headers()["x-request-id"], "b-1");
    let verifier = builder(presets::MERCADOPAGO).build().unwrap();
    let signed = verifier.verify(request.clone()).unwrap();
    let mut other = request;
    other.headers_mut().insert(&name, HeaderValue::from_static("b-2"));
    assert!(verifier.verify(other).is_err());
    let other = verifier.verify(signer.request(&with(b"b-2")).unwrap()).unwrap();
    assert_ne!(signed.key(), other.key());
    // It would not arrive as it was signed.
    let error = signer.request(&with(b" b-1")).unwrap_err();
    assert!(matches!(error, SignError::HeaderValue { .. }), "{error}");
    // What the scheme writes itself, it writes.
    let signature = HeaderName::from_static("x-signature");
    let message = Message::new("{}").sent_at(at(NOW));
    let message = message.header(signature, HeaderValue::from_static("mine"));
    let github = Signer::new(presets::GITHUB, SECRET).unwrap();
    let name = HeaderName::from_static("x-hub-signature-256");
    let forged = message.header(name, HeaderValue::from_static("sha256=00"));
    let request = github.request(&forged).unwrap();
    assert_eq!(request.headers()["x-signature"], "mine");
    builder(presets::GITHUB).build().unwrap().verify(request).unwrap();
}

/// What a receiver would refuse is not signed.
#[test]
fn a_request_that_nobody_accepts_is_an_error() {
    let unverifiable = |error: SignError| matches!(error, SignError::Unverifiable { .. });
    let other = |name, value| {
        let message = Message::new("{}").id("msg_1").event("push").sent_at(at(NOW));
        message.header(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    for (scheme, message) in [
        // Beside what the scheme writes under the first name.
        (presets::STANDARD_WEBHOOKS, other("svix-id", "msg_2")),
        (presets::STANDARD_WEBHOOKS, other("svix-signature", "v1,")),
        (presets::DOCUSIGN, other("x-docusign-signature-2", "no tag")),
        (presets::BOX, other("box-signature-secondary", "no tag")),
        (
            Scheme {
                requires: vec![("x-github-event".into(), "ping".into())].into(),
                ..presets::GITHUB
            },
            other("x-unused", "1"),
        ),
    ] {
        let signer = Signer::new(scheme.clone(), SECRET).unwrap();
        let error = signer.request(&message).unwrap_err();
        assert!(unverifiable(error.clone()), "{}: {error}", scheme.name);
    }
    // Times that the format can't write, as none or as another one.
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let late = at(253_402_300_800);
    let rfc3339 = SentAt { field: Field::header("x-time"), format: TimeFormat::Rfc3339 };
    let rfc3339 = Scheme { sent_at: Some(rfc3339), ..presets::STANDARD_WEBHOOKS };
    for (scheme, time) in [(presets::SLACK, early), (rfc3339.clone(), early), (rfc3339, late)] {
        let signer = Signer::new(scheme, SECRET).unwrap();
        let error = signer.request(&Message::new("{}").id("1").sent_at(time)).unwrap_err();
        assert_eq!(error, SignError::Time);
    }
    // What is not in its body may be what a test is about.
    let signer = Signer::new(presets::STRIPE, SECRET).unwrap();
    signer.request(&Message::new("no JSON")).unwrap();
}

/// A form says what it is before that is signed, and a name in another case is the same header.
#[test]
fn what_is_written_is_what_is_signed() {
    let content = |header| {
        let parts =
            vec![Part::Field(Field::header(header)), Part::Literal("\n".into()), Part::Body];
        Cow::from(parts)
    };
    let form =
        Scheme { id: Some(Field::form("id")), content: content("content-type"), ..presets::GITHUB };
    let utf8 = "application/x-www-form-urlencoded; charset=utf-8";
    let required = Scheme {
        requires: vec![("content-type".into(), utf8.into())].into(),
        content: Cow::from(vec![Part::Body]),
        ..form.clone()
    };
    let one_header = Scheme {
        id: Some(Field::header("X-Id")),
        event: Some(Field::header("x-id")),
        content: content("x-id"),
        ..presets::GITHUB
    };
    for (scheme, name, value) in [
        (form, "content-type", "application/x-www-form-urlencoded"),
        (required, "content-type", utf8),
        (one_header, "x-id", "1"),
    ] {
        let signer = Signer::new(scheme.clone(), SECRET).unwrap();
        let request = signer.request(&Message::new("a=1").id("1").event("push")).unwrap();
        assert_eq!(request.headers()[name], value);
        builder(scheme).build().unwrap().verify(request).unwrap();
    }
}

/// Behind JSON nobody finds a parameter.
#[test]
fn nothing_of_a_form_is_written_into_json() {
    let scheme = Scheme { event: Some(Field::form("type")), ..presets::GITHUB };
    let signer = Signer::new(scheme, SECRET).unwrap();
    for json in [r#"{"a":1}"#, " [1]\n"] {
        let error = signer.request(&Message::new(json).event("push")).unwrap_err();
        assert!(matches!(error, SignError::NotForm { .. }), "{error}");
        assert_eq!(signer.request(&Message::new(json)).unwrap().body(), json);
    }
    for (form, signed) in [("a=1", "a=1&type=push"), ("", "type=push"), ("1", "1&type=push")] {
        let request = signer.request(&Message::new(form).event("push")).unwrap();
        assert_eq!(request.body(), signed);
    }
}
