//! What a scheme can say beyond the usual header over the body: each with a signature that is computed
//! here, by hand.

use std::borrow::Cow::Borrowed;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use inhook::scheme::{
    Algorithm, Danger, Encoding, Field, Identity, Json, KeyFormat, KeyId, Layout, Part, Scheme,
    SentAt, Signature, TimeFormat,
};
use inhook::{ConfigError, Delivery, Rejection, Secret, Verifier, presets};

mod common;

use common::{NOW, SECRET, builder};

const URL: &str = "https://hooks.example.com/webhooks/acme";

fn hmac(key: &[u8], content: &str) -> Vec<u8> {
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(content.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hmac_sha1(key: &[u8], content: &str) -> Vec<u8> {
    let mut mac = <Hmac<sha1::Sha1> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(content.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature of this content under the usual secret, in hex.
fn tag(content: &str) -> String {
    const_hex::encode(hmac(SECRET.as_bytes(), content))
}

fn request(target: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    let mut request = Request::post(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn verify(scheme: &Scheme, request: Request<Bytes>) -> Result<Delivery, Rejection> {
    builder(scheme.clone()).url(URL).build().unwrap().verify(request)
}

#[track_caller]
fn accepted(scheme: &Scheme, request: Request<Bytes>) -> Delivery {
    verify(scheme, request).unwrap()
}

#[track_caller]
fn refused(scheme: &Scheme, request: Request<Bytes>) -> Rejection {
    verify(scheme, request).unwrap_err()
}

/// The signature in `x-signature`.
fn scheme(content: &'static [Part]) -> Scheme {
    let field = Field::header("x-signature");
    let signature = Signature { field, ..Signature::BASE };
    Scheme { signature, content: Borrowed(content), ..Scheme::BASE }
}

fn signed(scheme: &Scheme, content: &str, target: &str, body: &str) -> Result<Delivery, Rejection> {
    verify(scheme, request(target, &[("x-signature", &tag(content))], body))
}

const TIME: SentAt =
    SentAt { field: Field::header("x-timestamp"), format: TimeFormat::UnixSeconds };

#[test]
fn method_url_path_query_and_digest() {
    let parts = scheme(&[Part::Method, Part::Url, Part::Body]);
    assert!(signed(&parts, &format!("POST{URL}hello"), "/", "hello").is_ok());
    assert!(signed(&parts, &format!("GET{URL}hello"), "/", "hello").is_err());

    let path = scheme(&[Part::Path, Part::Literal(Borrowed("\n")), Part::Body]);
    assert!(signed(&path, "/webhooks/acme\nhello", "/elsewhere", "hello").is_ok());

    let digest = scheme(&[Part::BodySha256]);
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert!(signed(&digest, hello, "/", "hello").is_ok());
    assert!(signed(&digest, hello, "/", "hello!").is_err());

    let query = scheme(&[Part::Query, Part::Literal(Borrowed("\n")), Part::Body]);
    assert!(signed(&query, "b=1&a=%32\nhello", "/?b=1&a=%32", "hello").is_ok());
    for other in ["/?a=%32&b=1", "/?b=1&a=2", "/?b=1&a=%32&a=%32", "/?b=1&a=%32&", "/?", "/"] {
        assert!(signed(&query, "b=1&a=%32\nhello", other, "hello").is_err(), "{other}");
    }
}

/// B17: whatever the request says of its host, the URL is the configured one.
#[test]
fn b17_the_url_comes_from_the_configuration_alone() {
    let scheme = scheme(&[Part::Url, Part::Body]);
    let tag = tag(&format!("{URL}hello"));
    let spoofed = [
        ("x-signature", &*tag),
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example;proto=http"),
    ];
    accepted(&scheme, request("/?evil=1", &spoofed, "hello"));

    let evil = self::tag("https://evil.example/webhooks/acmehello");
    let spoofed = [
        ("x-signature", &*evil),
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-original-url", "https://evil.example/webhooks/acme"),
    ];
    refused(&scheme, request("https://evil.example/webhooks/acme", &spoofed, "hello"));

    let without = builder(scheme).build().unwrap_err();
    assert_eq!(without, ConfigError::MissingUrl);
}

#[test]
fn a_url_is_absolute_and_has_no_fragment() {
    let scheme = scheme(&[Part::Url, Part::Body]);
    for url in
        ["", "/webhooks", "hooks.example.com/x", "ftp://example.com/", "https://", "https://a/#b"]
    {
        let built = builder(scheme.clone()).url(url).build();
        assert_eq!(built.unwrap_err(), ConfigError::Url { url: url.into() });
    }
}

/// Twilio signs the URL with its default port or without; another port is another URL.
#[test]
fn the_default_port_may_be_there_or_not() {
    let scheme = Scheme { either_port: true, ..scheme(&[Part::Url, Part::Body]) };
    let verify = |configured: &str, signed: &str| {
        let verifier = builder(scheme.clone()).url(configured).build().unwrap();
        let tag = tag(&format!("{signed}hello"));
        verifier.verify(request("/", &[("x-signature", &tag)], "hello")).is_ok()
    };
    let (without, with) = ("https://a.example/x?y=1", "https://a.example:443/x?y=1");
    assert!(verify(without, without) && verify(without, with));
    assert!(verify(with, without) && verify(with, with));
    assert!(verify("http://a.example/x", "http://a.example:80/x"));
    assert!(!verify("https://a.example:8443/x", "https://a.example/x"));
    assert!(!verify("http://a.example/x", "http://a.example:443/x"));
    // Without a path the port could be the beginning of the body.
    for url in ["https://a.example", "https://a.example?x=/"] {
        let built = builder(scheme.clone()).url(url).build().unwrap_err();
        assert_eq!(built, ConfigError::Url { url: url.into() });
    }
}

#[test]
fn any_header_and_what_follows_it_can_not_be_in_it() {
    let scheme = scheme(&[
        Part::Field(Field::Header(Borrowed("x-tenant"))),
        Part::Literal(Borrowed(":")),
        Part::Body,
    ]);
    let tag = tag("acme:hello");
    let with = |tenant, body| request("/", &[("x-signature", &tag), ("x-tenant", tenant)], body);
    accepted(&scheme, with("acme", "hello"));
    refused(&scheme, with("acme2", "hello"));
    refused(&scheme, request("/", &[("x-signature", &tag)], "acme:hello"));
    // The same signed bytes, divided in another place.
    let tag = self::tag("a:b:hello");
    refused(&scheme, request("/", &[("x-signature", &tag), ("x-tenant", "a:b")], "hello"));
    accepted(&scheme, request("/", &[("x-signature", &tag), ("x-tenant", "a")], "b:hello"));
    let twice = [("x-signature", &*tag), ("x-tenant", "a"), ("x-tenant", "a")];
    refused(&scheme, request("/", &twice, "b:hello"));
}

#[test]
fn optional_parts_drop_out_with_their_separators() {
    const PARTS: &[Part] = &[
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("id:")),
            Part::Field(Field::Query(Borrowed("data.id"))),
            Part::Literal(Borrowed(";")),
        ])),
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("request:")),
            Part::Field(Field::Header(Borrowed("x-request-id"))),
            Part::Literal(Borrowed(";")),
        ])),
        Part::Literal(Borrowed("\n")),
        Part::Body,
    ];
    let scheme = scheme(PARTS);
    let with = |content: &str, target: &str, id: Option<&str>| {
        let tag = tag(content);
        let mut headers = vec![("x-signature", &*tag)];
        headers.extend(id.map(|id| ("x-request-id", id)));
        verify(&scheme, request(target, &headers, "hello")).is_ok()
    };
    assert!(with("id:5;request:7;\nhello", "/?data.id=5", Some("7")));
    assert!(with("request:7;\nhello", "/", Some("7")));
    assert!(with("id:5;\nhello", "/?data.id=5", None));
    assert!(with("id:5;\nhello", "/?data.id=5", Some("")));
    assert!(with("\nhello", "/", None));
    assert!(!with("id:5;request:7;\nhello", "/", Some("7")));
    assert!(!with("\nhello", "/?data.id=5", None));
    // One value that looks like two.
    assert!(!with("id:5;request:7;\nhello", "/?data.id=5%3Brequest%3A7", None));
    assert!(!with("id:5;\nhello", "/?data.id=5&data.id=5", None));
}

/// Twilio's rules, on a form of theirs.
#[test]
fn a_sorted_form_is_decoded_and_each_parameter_counts_once() {
    let scheme = Scheme {
        dangerously_allow: Borrowed(&[Danger::AmbiguousContent]),
        ..scheme(&[Part::Url, Part::SortedForm])
    };
    let content = format!("{URL}Bodyzwei WörterFrom+1To2To3");
    for same in [
        "Body=zwei+W%C3%B6rter&From=%2B1&To=2&To=3",
        "To=3&To=2&From=%2b1&Body=zwei%20W%c3%b6rter",
        "To=3&To=2&To=3&From=%2B1&Body=zwei+Wörter",
    ] {
        signed(&scheme, &content, "/", same).unwrap_or_else(|error| panic!("{same}: {error}"));
    }
    for other in [
        "Body=zwei+W%C3%B6rter&From=+1&To=2&To=3",
        "Body=zwei+W%F6rter&From=%2B1&To=2&To=3",
        "Body=zwei+W%C3%B6rter&From=%2B1&To=2&To=3&",
        "&Body=zwei+W%C3%B6rter&From=%2B1&To=2&To=3",
        "Body=zwei+W%C3%B6rter&From=%2B1&To=2",
        "Body=zwei+W%C3%B6rter&From=%2B1&To=2&To=3&x",
    ] {
        assert!(signed(&scheme, &content, "/", other).is_err(), "{other}");
    }
    // By UTF-16: what is beyond it comes before the end of its first plane.
    signed(&scheme, &format!("{URL}🎉2～1"), "/", "～=1&🎉=2").unwrap();
    // Whatever its content type says, a body is a part of the content.
    let json = [("x-signature", &*tag(URL)), ("content-type", "application/json")];
    refused(&scheme, request("/", &json, r#"{"amount":1}"#));
}

#[test]
fn fields_of_a_form_in_either_encoding() {
    let scheme = Scheme {
        signature: Signature { field: Field::form("signature"), ..Signature::BASE },
        content: Borrowed(&[Part::SentAt, Part::Id]),
        sent_at: Some(SentAt { field: Field::form("timestamp"), format: TimeFormat::UnixSeconds }),
        multipart: true,
        id: Some(Field::form("token")),
        event: Some(Field::form("event")),
        identity: Identity::Fields(vec![Field::form("token")].into()),
        dangerously_allow: Borrowed(&[Danger::UnsignedBody]),
        ..Scheme::BASE
    };
    let tag = tag(&format!("{NOW}token-1"));
    let form = format!("timestamp={NOW}&token=token%2D1&event=opened&signature={tag}");
    let delivery = accepted(&scheme, request("/", &[], &form));
    assert_eq!((delivery.id(), delivery.event()), (Some("token-1"), Some("opened")));
    assert_eq!(delivery.signed_at(), Some(common::at(NOW)));

    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let multipart = [
        part("timestamp", &NOW.to_string()),
        part("token", "token-1"),
        part("event", "opened"),
        part("signature", &tag),
        "--b--\r\n".into(),
    ]
    .concat();
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let other = accepted(&scheme, request("/", &kind, &multipart));
    assert_eq!(other.key(), delivery.key());
    for at in 0..multipart.len() - 8 {
        // Never a panic, wherever it is cut off.
        refused(&scheme, request("/", &kind, &multipart[..at]));
    }
    let more = format!("to be ignored\r\n{multipart}and so is this");
    assert_eq!(accepted(&scheme, request("/", &kind, &more)).key(), delivery.key());
    let quoted = multipart.replace("name=\"event\"", "filename=\"a;name=token\"; name=\"event\"");
    assert_eq!(accepted(&scheme, request("/", &kind, &quoted)).event(), Some("opened"));

    for broken in [
        format!("{form}&token=token-1"),
        form.replace("token%2D1", "token-2"),
        form.replace(&format!("&signature={tag}"), ""),
        form.replace(&tag, &tag[1..]),
        format!("timestamp={NOW}1&token=token-1&signature={tag}"),
        "{}".into(),
        String::new(),
    ] {
        refused(&scheme, request("/", &[], &broken));
    }
    // The digits of the time moved into the token, or the other way round.
    let (front, last) = (NOW / 10, NOW % 10);
    for moved in
        [format!("timestamp={front}&token={last}token-1"), format!("timestamp={NOW}t&token=oken-1")]
    {
        refused(&scheme, request("/", &[], &format!("{moved}&signature={tag}")));
    }
}

#[test]
fn json_in_a_field_of_a_form() {
    let scheme = Scheme {
        json: Json::Form(Borrowed("payload")),
        event: Some(Field::pointer("/event")),
        ..scheme(&[Part::Body])
    };
    let body = "payload=%7B%22event%22%3A%22opened%22%7D";
    let delivery = signed(&scheme, body, "/", body).unwrap();
    assert_eq!(delivery.event(), Some("opened"));
    assert_eq!(signed(&scheme, "payload=1", "/", "payload=1").unwrap().event(), None);
}

/// A list whose items are signed each on its own, as Adyen does it.
#[test]
fn every_item_has_to_be_right() {
    let scheme = Scheme {
        signature: Signature { field: Field::pointer("/sig"), ..Signature::BASE },
        content: Borrowed(&[
            Part::Field(Field::Pointer(Borrowed("/ref"))),
            Part::Literal(Borrowed(":")),
            Part::Field(Field::Pointer(Borrowed("/amount"))),
        ]),
        items: Some(Borrowed("/items")),
        id: Some(Field::pointer("/items/0/ref")),
        dangerously_allow: Borrowed(&[Danger::UnsignedBody, Danger::LooseItems]),
        ..Scheme::BASE
    };
    let item = |reference: &str, amount: u32, signed: &str| {
        format!(r#"{{"ref":"{reference}","amount":{amount},"sig":"{}"}}"#, tag(signed))
    };
    let body = |items: &[String]| format!(r#"{{"items":[{}]}}"#, items.join(","));
    let (one, two) = (item("a", 5, "a:5"), item("b", 6, "b:6"));
    let both = accepted(&scheme, request("/", &[], &body(&[one.clone(), two.clone()])));
    assert_eq!(both.id(), Some("a"));
    let single = accepted(&scheme, request("/", &[], &body(std::slice::from_ref(&one))));
    assert_ne!(both.key(), single.key());
    // One that was captured is no new delivery, however often and in whatever order it is sent.
    for again in [vec![&one, &one], vec![&one, &one, &one]] {
        let again: Vec<String> = again.into_iter().cloned().collect();
        assert_eq!(accepted(&scheme, request("/", &[], &body(&again))).key(), single.key());
    }
    let turned = accepted(&scheme, request("/", &[], &body(&[two.clone(), one.clone()])));
    assert_eq!(turned.key(), both.key());

    let forged = item("b", 600, "b:6");
    for items in [
        vec![one.clone(), forged.clone()],
        vec![forged, one.clone()],
        vec![],
        vec![one.clone(), "{}".into()],
        vec![one.clone(), "7".into()],
        vec![one.clone(); 101],
        vec![item("a:5", 5, "a:5:5")],
    ] {
        refused(&scheme, request("/", &[], &body(&items)));
    }
    accepted(&scheme, request("/", &[], &body(&vec![one; 100])));
    // Whatever JSON has of its own, as it is written; and what is not there.
    for (value, text) in [("true", "true"), ("-7", "-7"), ("null", ""), ("0", "0")] {
        let scheme = Scheme {
            content: Borrowed(&[
                Part::Literal(Borrowed("ref:")),
                Part::Field(Field::Pointer(Borrowed("/ref"))),
                Part::Literal(Borrowed(":")),
                Part::Optional(Borrowed(&[Part::Field(Field::Pointer(Borrowed("/amount")))])),
            ]),
            dangerously_allow: vec![
                Danger::UnsignedBody,
                Danger::LooseItems,
                Danger::AmbiguousContent,
            ]
            .into(),
            ..scheme.clone()
        };
        let sig = tag(&format!("ref:a:{text}"));
        let body = format!(r#"{{"items":[{{"ref":"a","amount":{value},"sig":"{sig}"}}]}}"#);
        accepted(&scheme, request("/", &[], &body));
    }
    for broken in ["", "[]", "{}", r#"{"items":{}}"#, r#"{"items":"#, r#"{"items":[1]}"#] {
        refused(&scheme, request("/", &[], broken));
    }
    let deep = format!(r#"{{"items":[{}{}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    refused(&scheme, request("/", &[], &deep));
}

#[test]
fn the_digest_of_the_body_may_be_signed_instead() {
    let scheme = Scheme {
        digest: Some(Field::query("bodySHA256")),
        ..scheme(&[
            Part::Url,
            Part::Optional(Borrowed(&[Part::Literal(Borrowed("?")), Part::Query])),
        ])
    };
    let hello = "bodySHA256=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let content = format!("{URL}?{hello}");
    signed(&scheme, &content, &format!("/?{hello}"), "hello").unwrap();
    let upper = hello.to_uppercase().replace("BODYSHA256", "bodySHA256");
    for (content, target, body) in [
        (&*content, format!("/?{hello}"), "hello!"),
        (&*content, "/".into(), "hello"),
        (URL, "/".into(), "hello"),
        (&*format!("{URL}?{upper}"), format!("/?{upper}"), "hello"),
        (&*format!("{URL}?{hello}&{hello}"), format!("/?{hello}&{hello}"), "hello"),
    ] {
        assert!(signed(&scheme, content, &target, body).is_err(), "{target} {body}");
    }
}

#[test]
fn signatures_in_every_layout() {
    let (good, bad) = (tag("hello"), tag("other"));
    let with = |layout, others: &'static [&'static str], headers: &[(&str, &str)]| {
        let signature = Signature {
            field: Field::header(if layout == Layout::Numbered { "x-sig-" } else { "x-sig" }),
            others: others.iter().map(|name| Borrowed(*name)).collect::<Vec<_>>().into(),
            layout,
            ..Signature::BASE
        };
        verify(&Scheme { signature, ..Scheme::BASE }, request("/", headers, "hello")).is_ok()
    };
    let list = format!("{bad}, {good}");
    assert!(with(Layout::SpacedList(','), &[], &[("x-sig", &list)]));
    assert!(with(Layout::SpacedList(','), &[], &[("x-sig", &list.replace(' ', ""))]));
    assert!(!with(Layout::SpacedList(','), &[], &[("x-sig", &list.replace(' ', "  "))]));
    assert!(!with(Layout::List(','), &[], &[("x-sig", &list)]));
    assert!(with(Layout::Lists(','), &[], &[("x-sig", &format!("{bad},v=1 {good}"))]));

    assert!(with(Layout::Repeated, &[], &[("x-sig", &bad), ("x-sig", &good)]));
    assert!(!with(Layout::Repeated, &[], &[("x-sig", &bad), ("x-sig", &bad)]));
    assert!(!with(Layout::Repeated, &[], &[]));
    assert!(!with(Layout::Repeated, &[], &[("x-sig", &*good); 17]));
    assert!(!with(Layout::Single, &[], &[("x-sig", &good), ("x-sig", &good)]));

    for number in [1, 2, 16] {
        assert!(with(Layout::Numbered, &[], &[(&format!("x-sig-{number}"), &good)]), "{number}");
    }
    assert!(with(Layout::Numbered, &[], &[("x-sig-1", &bad), ("x-sig-2", &good)]));
    for name in ["x-sig-", "x-sig-0", "x-sig-01", "x-sig-17", "x-sig"] {
        assert!(!with(Layout::Numbered, &[], &[(name, &good)]), "{name}");
    }
    assert!(!with(Layout::Numbered, &[], &[("x-sig-1", &good), ("x-sig-1", &good)]));

    let second = &["x-sig-b"];
    assert!(with(Layout::Single, second, &[("x-sig-b", &good)]));
    assert!(with(Layout::Single, second, &[("x-sig", &good), ("x-sig-b", &bad)]));
    assert!(!with(Layout::Single, second, &[("x-sig", &bad), ("x-sig-b", &bad)]));
    assert!(!with(Layout::Single, second, &[]));
    assert!(!with(Layout::Single, second, &[("x-sig", &good), ("x-sig-b", "")]));
}

#[test]
fn a_time_among_the_signatures() {
    let with = |field, layout, value: &str| {
        let signature = Signature {
            field: Field::header("x-sig"),
            prefix: if field == Field::Entry(0) { "".into() } else { "v1=".into() },
            layout,
            ..Signature::BASE
        };
        let content = vec![Part::SentAt, Part::Literal(".".into()), Part::Body].into();
        let sent_at = Some(SentAt { field, format: TimeFormat::UnixSeconds });
        let scheme = Scheme { signature, content, sent_at, ..Scheme::BASE };
        verify(&scheme, request("/", &[("x-sig", value)], "hello")).map(|it| it.signed_at())
    };
    let signed_at = Ok(Some(common::at(NOW)));
    let tag = tag(&format!("{NOW}.hello"));
    let entry = |value: &str| with(Field::Entry(0), Layout::List(','), value);
    assert_eq!(entry(&format!("{NOW},{tag}")), signed_at);
    assert_eq!(entry(&format!("{NOW},{},{tag}", "0".repeat(64))), signed_at);
    for wrong in
        [format!("{tag},{NOW}"), format!("{},{tag}", NOW + 1), tag.clone(), format!(",{tag}")]
    {
        entry(&wrong).unwrap_err();
    }

    let lists = |value: &str| with(Field::parameter("t"), Layout::Lists(','), value);
    let old = format!("t={NOW},v1={}", "0".repeat(64));
    assert_eq!(lists(&format!("t={NOW},v1={tag}")), signed_at);
    assert_eq!(lists(&format!("{old} t={NOW},v1={tag}")), signed_at);
    lists(&format!("{old} t={},v1={tag}", NOW + 1)).unwrap_err();
    let list = |value: &str| with(Field::parameter("t"), Layout::List(','), value);
    list(&format!("t={NOW},t={NOW},v1={tag}")).unwrap_err();
}

/// A number that touches the body has all its digits: none can be moved.
#[test]
fn a_time_that_touches_the_body() {
    for (parts, content) in [
        (&[Part::SentAt, Part::Body], format!("{NOW}5 apples")),
        (&[Part::Body, Part::SentAt], format!("apples: 5{NOW}")),
    ] {
        // Any age, so that only the digits can refuse it.
        let scheme = Scheme { sent_at: Some(TIME), tolerance: None, ..scheme(parts) };
        let tag = tag(&content);
        let with = |time: &str, body: &str| {
            verify(&scheme, request("/", &[("x-signature", &tag), ("x-timestamp", time)], body))
        };
        let now = NOW.to_string();
        let (last, first) = (now.len() - 1, 1);
        if parts[0] == Part::SentAt {
            with(&now, "5 apples").unwrap();
            with(&format!("{now}5"), " apples").unwrap_err();
            with(&now[..last], &format!("{}5 apples", &now[last..])).unwrap_err();
        } else {
            with(&now, "apples: 5").unwrap();
            with(&format!("5{now}"), "apples: ").unwrap_err();
            with(&now[first..], &format!("apples: 5{}", &now[..first])).unwrap_err();
        }
    }
}

/// As Twitch signs: nothing separates id, time and body, and the body begins with a time of its own.
#[test]
fn an_id_that_touches_a_time_has_no_colon() {
    let time = SentAt { field: Field::header("x-timestamp"), format: TimeFormat::Rfc3339 };
    let scheme = Scheme {
        id: Some(Field::header("x-id")),
        sent_at: Some(time),
        identity: Identity::Fields(vec![Field::header("x-id")].into()),
        ..scheme(&[Part::Id, Part::SentAt, Part::Body])
    };
    let (id, time) = ("msg-1", common::NOW_RFC3339);
    let body = format!(r#"{{"at":"{time}","n":1}}"#);
    let tag = tag(&format!("{id}{time}{body}"));
    let with = |id: &str, time: &str, body: &str| {
        let headers = [("x-signature", &*tag), ("x-id", id), ("x-timestamp", time)];
        verify(&scheme, request("/", &headers, body))
    };
    with(id, time, &body).unwrap();
    let moved = format!(r#"{id}{time}{{"at":""#);
    with(&moved, time, r#"","n":1}"#).unwrap_err();
}

#[test]
fn keys_in_every_notation() {
    let with = |key: KeyFormat, secret: &str, bytes: &[u8]| {
        let tag = const_hex::encode(hmac(bytes, "hello"));
        let scheme = Scheme { key, ..scheme(&[Part::Body]) };
        let verifier = Verifier::new("acme", scheme, secret)?;
        Ok::<_, ConfigError>(
            verifier.verify(request("/", &[("x-signature", &tag)], "hello")).is_ok(),
        )
    };
    let bytes = b"a key of at least sixteen bytes";
    let (hex, base64) = (const_hex::encode(bytes), Base64::encode_string(bytes));
    let text = "a key of at least sixteen bytes";
    let whsec = || Borrowed("whsec_");
    assert_eq!(with(KeyFormat::Hex, &hex, bytes), Ok(true));
    assert_eq!(with(KeyFormat::Hex, &hex.to_uppercase(), bytes), Ok(true));
    for wrong in [&hex[1..], &format!("0x{}", &hex[2..]), text] {
        let error = with(KeyFormat::Hex, wrong, bytes).unwrap_err();
        assert!(matches!(error, ConfigError::UndecodableSecret { .. }), "{error}");
        assert!(!error.to_string().contains(wrong), "{error}");
    }
    let base64_if = || KeyFormat::Base64If { prefix: whsec() };
    assert_eq!(with(base64_if(), &format!("whsec_{base64}"), bytes), Ok(true));
    assert_eq!(with(base64_if(), &base64, base64.as_bytes()), Ok(true));
    with(base64_if(), "whsec_not base64", bytes).unwrap_err();
    with(base64_if(), "whsec_", bytes).unwrap_err();

    let tail = || KeyFormat::Tail { prefix: Borrowed("signkey-"), separator: '-' };
    assert_eq!(with(tail(), &format!("signkey-prod-{hex}"), hex.as_bytes()), Ok(true));
    assert_eq!(with(tail(), &hex, hex.as_bytes()), Ok(true));
    assert_eq!(
        with(tail(), "signkey-prod-", b""),
        Err(ConfigError::EmptySecret { label: "0".into() })
    );

    use sha1::Digest;
    assert_eq!(with(KeyFormat::Sha1, text, &sha1::Sha1::digest(text)), Ok(true));
    // ﬁ, a ligature, is decomposed; so is é.
    assert_eq!(
        with(KeyFormat::Nfkd, "ﬁfteen or more é", "fifteen or more e\u{301}".as_bytes()),
        Ok(true)
    );
}

#[test]
fn encodings_have_one_spelling_each() {
    let mac = hmac(SECRET.as_bytes(), "hello");
    let with = |encoding, value: &str| {
        let signature = Signature { field: Field::header("x-sig"), encoding, ..Signature::BASE };
        verify(&Scheme { signature, ..Scheme::BASE }, request("/", &[("x-sig", value)], "hello"))
            .is_ok()
    };
    let (hex, url) = (const_hex::encode(&mac), Base64UrlUnpadded::encode_string(&mac));
    assert!(with(Encoding::AnyCaseHex, &hex) && with(Encoding::AnyCaseHex, &hex.to_uppercase()));
    assert!(with(Encoding::Hex, &hex) && !with(Encoding::Hex, &hex.to_uppercase()));
    assert!(with(Encoding::Base64Url, &url));
    assert!(!with(Encoding::Base64Url, &format!("{url}=")));
    assert!(!with(Encoding::Base64Url, &Base64::encode_string(&mac)));
    assert!(!with(Encoding::Base64, &url));
    assert!(!with(Encoding::AnyCaseHex, &format!("0x{}", &hex[2..])));
}

/// A8: a header may choose among the source's own labelled keys.
#[test]
fn a8_a_header_names_the_key() {
    let scheme = Scheme { key_id: Some(KeyId::Header(Borrowed("x-key"))), ..scheme(&[Part::Body]) };
    let key = |label: &str| Secret::new(format!("a secret of sixteen bytes, {label}")).label(label);
    let verifier =
        Verifier::builder("acme", scheme.clone(), key("new")).secret(key("old")).build().unwrap();
    let with = |signed: &str, named: &[&str]| {
        let tag = hmac(format!("a secret of sixteen bytes, {signed}").as_bytes(), "hello");
        let tag = const_hex::encode(tag);
        let mut headers = vec![("x-signature", &*tag)];
        headers.extend(named.iter().map(|named| ("x-key", *named)));
        verifier.verify(request("/", &headers, "hello")).map(|it| it.secret().to_owned())
    };
    assert_eq!(with("old", &["old"]).unwrap(), "old");
    assert_eq!(with("new", &["new"]).unwrap(), "new");
    for named in [&["new"][..], &["other"], &[], &["old", "old"], &[""]] {
        with("old", named).unwrap_err();
    }
    let unlabelled = Verifier::new("acme", scheme, "a secret of sixteen bytes");
    assert_eq!(unlabelled.unwrap_err(), ConfigError::MissingLabel { position: 0 });
}

/// Braintree: each signature begins with the key that made it.
#[test]
fn a_signature_names_its_key() {
    let private = "a private key of theirs";
    let secret = Secret::new(private).label("public");
    let verifier = Verifier::new("acme", presets::BRAINTREE, secret).unwrap();
    use sha1::Digest;
    let payload = "aGVsbG8=\n";
    let tag = const_hex::encode(hmac_sha1(&sha1::Sha1::digest(private), payload));
    let with = |signature: &str| {
        let form = format!("bt_signature={signature}&bt_payload=aGVsbG8%3D%0A");
        verifier.verify(request("/", &[], &form)).is_ok()
    };
    assert!(with(&format!("public%7C{tag}")));
    assert!(with(&format!("other%7C{}%26public%7C{tag}", "0".repeat(40))));
    assert!(!with(&format!("other%7C{tag}")));
    assert!(!with(&tag));
    assert!(!with(&format!("publi%7C{tag}")));
}

#[test]
fn required_headers_have_their_value() {
    let scheme = Scheme {
        requires: Borrowed(&[(Borrowed("x-version"), Borrowed("1"))]),
        ..scheme(&[Part::Body])
    };
    let tag = tag("hello");
    let with = |versions: &[&str]| {
        let mut headers = vec![("x-signature", &*tag)];
        headers.extend(versions.iter().map(|version| ("x-version", *version)));
        verify(&scheme, request("/", &headers, "hello")).is_ok()
    };
    assert!(with(&["1"]));
    assert!(!with(&["2"]) && !with(&[]) && !with(&["1", "1"]) && !with(&["11"]));
}

#[test]
fn sha512_and_sha1() {
    for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha512] {
        let scheme = Scheme { algorithm, ..scheme(&[Part::Url, Part::Body]) };
        let tag = const_hex::encode(common::mac(&scheme, format!("{URL}hello").as_bytes()));
        accepted(&scheme, request("/", &[("x-signature", &tag)], "hello"));
        refused(&scheme, request("/", &[("x-signature", &self::tag("hello"))], "hello"));
    }
}

/// What a form says must not depend on its content type, which nobody signs.
#[test]
fn a_signed_body_is_one_form_whatever_its_content_type_says() {
    let scheme = Scheme {
        id: Some(Field::form("id")),
        sent_at: Some(SentAt { field: Field::form("at"), format: TimeFormat::UnixSeconds }),
        identity: Identity::Fields(vec![Field::form("id")].into()),
        ..scheme(&[Part::Body])
    };
    let body = format!("id=1&at={NOW}");
    let tag = tag(&body);
    let key = accepted(&scheme, request("/", &[("x-signature", &tag)], &body)).key();
    for kind in ["multipart/form-data; boundary=1", "text/plain", "application/json"] {
        let headers = [("x-signature", &*tag), ("content-type", kind)];
        assert_eq!(accepted(&scheme, request("/", &headers, &body)).key(), key, "{kind}");
    }
    // In two encodings it could say two things, so nothing in it is signed.
    let both = builder(Scheme { multipart: true, ..scheme }).build().unwrap_err();
    assert_eq!(both, ConfigError::UncoveredTime);
}

/// Where characters can move between values, a request is the same delivery for all that.
#[test]
fn what_does_not_change_the_mac_does_not_change_the_key() {
    const PARTS: &[Part] = &[
        Part::Field(Field::Pointer(Borrowed("/account"))),
        Part::Field(Field::Pointer(Borrowed("/order"))),
    ];
    let scheme = Scheme {
        dangerously_allow: Borrowed(&[Danger::UnsignedBody, Danger::AmbiguousContent]),
        ..scheme(PARTS)
    };
    let with = |account: &str, order: &str| {
        let body = format!(r#"{{"account":"{account}","order":"{order}"}}"#);
        signed(&scheme, "acmeorder7", "/", &body).unwrap().key()
    };
    assert_eq!(with("acme", "order7"), with("acmeorder", "7"));

    let form = Scheme {
        dangerously_allow: Borrowed(&[Danger::AmbiguousContent]),
        ..self::scheme(&[Part::SortedForm])
    };
    let with = |body: &str| signed(&form, "Sid1Text2", "/", body).unwrap().key();
    assert_eq!(with("Sid=1&Text=2"), with("Text=2&Sid1="));
    assert_eq!(with("Sid=1&Text=2"), with("Text=%32&Sid=1&Sid=1"));
    // So no single parameter identifies it, nor is its time to be believed.
    let fields = Identity::Fields(vec![Field::form("Sid")].into());
    let error = builder(form.clone()).identity(fields).build().unwrap_err();
    assert!(matches!(error, ConfigError::UncoveredIdentity { .. }), "{error}");
    let sent_at = Some(SentAt { field: Field::form("at"), format: TimeFormat::UnixSeconds });
    let error = builder(Scheme { sent_at, ..form }).build().unwrap_err();
    assert_eq!(error, ConfigError::UncoveredTime);
}

/// Where nothing is signed that tells requests apart, they are not one delivery.
#[test]
fn content_without_any_value_identifies_nothing() {
    const PARTS: &[Part] = &[
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("id:")),
            Part::Field(Field::Query(Borrowed("id"))),
            Part::Literal(Borrowed(";")),
        ])),
        Part::Literal(Borrowed("at:")),
        Part::SentAt,
    ];
    let scheme = Scheme {
        sent_at: Some(TIME),
        dangerously_allow: Borrowed(&[Danger::UnsignedBody]),
        ..scheme(PARTS)
    };
    let with = |content: &str, target: &str| {
        let (tag, now) = (tag(content), NOW.to_string());
        verify(&scheme, request(target, &[("x-signature", &tag), ("x-timestamp", &now)], "{}"))
    };
    let one = with(&format!("id:1;at:{NOW}"), "/?id=1").unwrap();
    assert_ne!(one.key(), with(&format!("id:2;at:{NOW}"), "/?id=2").unwrap().key());
    let error = with(&format!("at:{NOW}"), "/").unwrap_err();
    assert!(matches!(error, Rejection::IdentityField { .. }), "{error}");

    // Where nothing could ever tell, there is no such scheme.
    for parts in [&[Part::SentAt][..], &[Part::Url], &[Part::Method, Part::Url, Part::SentAt]] {
        let (content, sent_at) =
            (parts.to_vec().into(), parts.contains(&Part::SentAt).then_some(TIME));
        let scheme = Scheme { content, sent_at, ..scheme.clone() };
        let without = builder(scheme).url(URL).build().unwrap_err();
        assert!(matches!(without, ConfigError::Identity { .. }), "{parts:?}: {without}");
    }
    // An id does.
    let id = Some(Field::header("x-id"));
    let content = [&[Part::Id, Part::Literal(Borrowed("\n"))], PARTS].concat().into();
    let scheme = Scheme { id, content, ..scheme };
    let (tag, now) = (tag(&format!("7\nat:{NOW}")), NOW.to_string());
    let headers = [("x-signature", &*tag), ("x-timestamp", &now), ("x-id", "7")];
    assert_eq!(accepted(&scheme, request("/", &headers, "{}")).id(), Some("7"));
}

#[test]
fn numbers_are_ids_where_the_scheme_says_so() {
    let with = |field: Field, json: &str| {
        let identity = Identity::Fields(vec![field.clone()].into());
        let scheme = Scheme { id: Some(field), identity, ..scheme(&[Part::Body]) };
        let body = format!(r#"{{"id":{json}}}"#);
        signed(&scheme, &body, "/", &body).map(|delivery| delivery.id().map(str::to_owned))
    };
    let integer = || Field::Integer(Borrowed("/id"));
    assert_eq!(with(integer(), "12345"), Ok(Some("12345".into())));
    assert_eq!(with(integer(), "18446744073709551615"), Ok(Some("18446744073709551615".into())));
    for other in ["\"12345\"", "1.0", "1e3", "-1", "18446744073709551616", "null", "[1]"] {
        with(integer(), other).unwrap_err();
    }
    with(Field::pointer("/id"), "12345").unwrap_err();

    let time = |field: Field, json: String| {
        let sent_at = Some(SentAt { field, format: TimeFormat::UnixSeconds });
        let identity = Identity::None;
        let scheme = Scheme { sent_at, identity, ..scheme(&[Part::Body]) };
        let body = format!(r#"{{"at":{json}}}"#);
        signed(&scheme, &body, "/", &body).map(|delivery| delivery.signed_at())
    };
    let at = Ok(Some(common::at(NOW)));
    for json in [NOW.to_string(), format!("\"{NOW}\"")] {
        assert_eq!(time(Field::pointer("/at"), json), at);
    }
    assert_eq!(time(Field::Integer(Borrowed("/at")), NOW.to_string()), at);
    time(Field::Integer(Borrowed("/at")), format!("\"{NOW}\"")).unwrap_err();
}

#[test]
fn a_signed_event_type_counts_before_one_that_is_not() {
    let both = |fields: Vec<Field>| {
        let event = Some(Field::FirstOf(fields.into()));
        let scheme = Scheme { event, ..scheme(&[Part::Body]) };
        let with = |header: Option<&str>, body: &str| {
            let tag = tag(body);
            let mut headers = vec![("x-signature", &*tag)];
            headers.extend(header.map(|header| ("x-event", header)));
            accepted(&scheme, request("/", &headers, body)).event().map(str::to_owned)
        };
        let body = r#"{"type":"signed"}"#;
        [with(Some("forged"), body), with(Some("forged"), "{}"), with(None, body), with(None, "")]
    };
    let some = |text: &str| Some(text.to_owned());
    let (pointer, header) = (|| Field::pointer("/type"), || Field::header("x-event"));
    let expected = [some("signed"), some("forged"), some("signed"), None];
    assert_eq!(both(vec![pointer(), header()]), expected);
    let expected = [some("forged"), some("forged"), some("signed"), None];
    assert_eq!(both(vec![header(), pointer()]), expected);
    // In their order, whatever they are.
    let expected = [some("forged"), some("forged"), some("signed"), None];
    assert_eq!(both(vec![Field::pointer("/none"), header(), pointer()]), expected);
    let expected = [some("signed"), some("forged"), some("signed"), None];
    assert_eq!(both(vec![Field::header("x-none"), pointer(), header()]), expected);
}
