//! What is read of a request, and what makes two of them one delivery.

use super::*;

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

/// The end that may be signed or not, sent or not, is the same delivery.
#[test]
fn an_optional_end_makes_no_second_delivery() {
    let scheme = Scheme {
        optional_end: Some(Borrowed("\n")),
        dangerously_allow: Borrowed(&[Danger::AmbiguousContent]),
        ..scheme(&[Part::Body])
    };
    let with = |content: &str, body: &str| signed(&scheme, content, "/", body).map(|it| it.key());
    assert_eq!(with("hello\n", "hello"), with("hello\n", "hello\n"));
    assert_ne!(with("hello\n", "hello"), with("hello", "hello"));
    with("hello", "hello\n").unwrap_err();

    let secret = Secret::new(SECRET).label("public");
    let braintree = Verifier::new("acme", presets::BRAINTREE, secret).unwrap();
    let key = <sha1::Sha1 as sha1::Digest>::digest(SECRET);
    let mut mac = <Hmac<sha1::Sha1> as KeyInit>::new_from_slice(&key).unwrap();
    mac.update(b"aGVsbG8=\n");
    let tag = const_hex::encode(mac.finalize().into_bytes());
    let with = |payload: &str| {
        let body = format!("bt_signature=public%7C{tag}&bt_payload={payload}");
        braintree.verify(request("/", &[], &body)).unwrap().key()
    };
    assert_eq!(with("aGVsbG8%3D%0A"), with("aGVsbG8%3D"));
}

/// Where bytes can be moved over to the next part, no part of it is believed alone.
#[test]
fn of_ambiguous_content_only_the_whole_identifies() {
    let ambiguous = |content: &'static [Part]| Scheme {
        id: Some(Field::header("x-id")),
        dangerously_allow: Borrowed(&[Danger::AmbiguousContent]),
        ..scheme(content)
    };
    let scheme = ambiguous(&[Part::Id, Part::Body]);
    let tag = tag("evt_1[1]");
    let with =
        |id, body| accepted(&scheme, request("/", &[("x-signature", &tag), ("x-id", id)], body));
    assert_eq!(with("evt_1", "[1]").key(), with("evt_", "1[1]").key());
    assert_eq!(with("evt_1", "[1]").key(), with("evt_1[", "1]").key());

    let fields = Identity::Fields(vec![Field::header("x-id")].into());
    let error = builder(scheme.clone()).identity(fields).build().unwrap_err();
    assert!(matches!(error, ConfigError::UncoveredIdentity { .. }), "{error}");
    // An id that bytes can be moved into binds nothing, whether it is a part or in one.
    let form = Scheme { id: Some(Field::form("Sid")), ..ambiguous(&[Part::SortedForm]) };
    let body = Scheme {
        id: Some(Field::pointer("/id")),
        ..ambiguous(&[Part::Field(Field::Header(Borrowed("x-a"))), Part::Body])
    };
    for scheme in [scheme, form, body] {
        for identity in [Identity::IdAndContent, Identity::UnsignedId] {
            let error = builder(scheme.clone()).identity(identity).build().unwrap_err();
            assert!(matches!(error, ConfigError::Identity { .. }), "{error}");
        }
    }
    // A URL of two lengths would be found in two places.
    const URL_BEHIND: &[Part] = &[Part::Id, Part::Url, Part::Body];
    let behind = Scheme { either_port: true, ..ambiguous(URL_BEHIND) };
    let error = builder(behind).url(URL).build().unwrap_err();
    assert!(matches!(error, ConfigError::Content { .. }), "{error}");

    // Nor can a time be told from what it touches on both sides.
    let sent_at = || Some(TIME);
    let between = Scheme { sent_at: sent_at(), ..ambiguous(&[Part::Id, Part::SentAt, Part::Body]) };
    let error = builder(between).build().unwrap_err();
    assert!(matches!(error, ConfigError::Content { .. }), "{error}");
    const METHOD: &[Part] = &[Part::Method, Part::SentAt, Part::Id, Part::Body];
    const LAST: &[Part] = &[Part::Body, Part::Literal(Borrowed("\n")), Part::SentAt];
    for (content, optional_end) in [(METHOD, None), (LAST, Some("\n1".into()))] {
        let scheme = Scheme { sent_at: sent_at(), optional_end, ..ambiguous(content) };
        let error = builder(scheme).build().unwrap_err();
        assert!(matches!(error, ConfigError::Content { .. }), "{content:?}: {error}");
    }
    for content in [
        &[Part::SentAt, Part::Id, Part::Body][..],
        &[Part::Id, Part::Body, Part::SentAt],
        &[Part::Url, Part::SentAt, Part::Id, Part::Body],
        &[Part::Id, Part::Body, Part::SentAt, Part::Literal(Borrowed("|"))],
    ] {
        builder(Scheme { sent_at: sent_at(), ..ambiguous(content) }).url(URL).build().unwrap();
    }
}

/// The time does not count, but what was before it does not become one with what was behind it.
#[test]
fn what_the_time_separated_stays_apart() {
    const PARTS: &[Part] = &[Part::Id, Part::SentAt, Part::Body];
    let sent_at = SentAt { format: TimeFormat::Rfc3339, ..TIME };
    let scheme = Scheme { id: Some(Field::query("id")), sent_at: Some(sent_at), ..scheme(PARTS) };
    let with = |target: &str, time: &str, content: &str, body: &str| {
        let tag = tag(content);
        verify(&scheme, request(target, &[("x-signature", &tag), ("x-timestamp", time)], body))
    };
    let (time, later) = ("2026-01-15T09:30:00Z", "2026-01-15T09:31:00Z");
    let key =
        |target: &str, content: String, body| with(target, time, &content, body).unwrap().key();
    let one = key("/?id=1", format!("1{time}23"), "23");
    assert_ne!(one, key("/?id=12", format!("12{time}3"), "3"));
    let retried = with("/?id=1", later, &format!("1{later}23"), "23").unwrap();
    assert_eq!(one, retried.key());
    // A time that the body has is not taken for that of the request.
    let content = format!("7{time}at {later}DELETE");
    with("/?id=7", time, &content, &format!("at {later}DELETE")).unwrap();
    with(&format!("/?id=7{time}at%20"), later, &content, "DELETE").unwrap_err();
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
    const AT: &[Part] = &[
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("other:")),
            Part::Field(Field::Header(Borrowed("x-other"))),
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
    assert_eq!(error, Rejection::IdentityField { field: "id".into(), max: 255 });
    // An id that is not signed tells nothing apart where it is no part of the identity.
    let (tagged, now) = (tag(&format!("at:{NOW}")), NOW.to_string());
    let headers = [("x-signature", &*tagged), ("x-timestamp", &now), ("x-id", "7")];
    let unsigned = Scheme { id: Some(Field::header("x-id")), ..scheme.clone() };
    let error = refused(&unsigned, request("/", &headers, "{}"));
    assert_eq!(error, Rejection::IdentityField { field: "id".into(), max: 255 });

    // Where nothing could ever tell, there is no such scheme.
    for parts in [&[Part::SentAt][..], &[Part::Url], &[Part::Method, Part::Url, Part::SentAt]] {
        let (content, sent_at) =
            (parts.to_vec().into(), parts.contains(&Part::SentAt).then_some(TIME));
        let scheme = Scheme { content, sent_at, ..scheme.clone() };
        let without = builder(scheme).url(URL).build().unwrap_err();
        assert!(matches!(without, ConfigError::Identity { .. }), "{parts:?}: {without}");
    }
    // Nor with an id that is not signed.
    for identity in [Identity::Content, Identity::IdAndContent] {
        let content = vec![Part::Url].into();
        let id = Some(Field::header("x-id"));
        let scheme = Scheme { id, content, sent_at: None, identity, ..scheme.clone() };
        let without = builder(scheme).url(URL).build().unwrap_err();
        assert!(matches!(without, ConfigError::Identity { .. }), "{without}");
    }
    // Such an id tells them apart, wherever it is.
    for id in [Field::header("x-id"), Field::query("id"), Field::pointer("/id")] {
        let scheme = Scheme { id: Some(id), identity: Identity::IdAndContent, ..scheme.clone() };
        let (tag, now) = (tag(&format!("at:{NOW}")), NOW.to_string());
        let with = |id: &str| {
            let headers = [("x-signature", &*tag), ("x-timestamp", &now), ("x-id", id)];
            let body = format!("{{\"id\":\"{id}\"}}");
            verify(
                &Scheme { content: Borrowed(AT), ..scheme.clone() },
                request(&format!("/?id={id}"), &headers, &body),
            )
        };
        assert_ne!(with("1").unwrap().key(), with("2").unwrap().key());
    }
    // A query that is not there is nothing either.
    const QUERY: &[Part] =
        &[Part::Optional(Borrowed(&[Part::Query])), Part::Literal(Borrowed("\n")), Part::SentAt];
    let query = Scheme { content: Borrowed(QUERY), ..scheme.clone() };
    let (tag, now) = (tag(&format!("\n{NOW}")), NOW.to_string());
    let headers = [("x-signature", &*tag), ("x-timestamp", &now)];
    let error = refused(&query, request("/", &headers, "{}"));
    let all = "all that is signed".into();
    assert_eq!(error, Rejection::IdentityField { field: all, max: 255 });
    // An id that is signed is.
    let id = Some(Field::header("x-id"));
    let content = [&[Part::Id, Part::Literal(Borrowed("\n"))], PARTS].concat().into();
    let scheme = Scheme { id, content, ..scheme };
    let (tag, now) = (self::tag(&format!("7\nat:{NOW}")), NOW.to_string());
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
    // A number that is signed as text is signed.
    const ID: &[Part] = &[Part::Field(Field::Pointer(Borrowed("/id")))];
    let fields = Scheme {
        identity: Identity::Fields(vec![integer()].into()),
        dangerously_allow: Borrowed(&[Danger::UnsignedBody]),
        ..scheme(ID)
    };
    signed(&fields, "7", "/", r#"{"id":7}"#).unwrap();
    signed(&fields, "7", "/", r#"{"id":"7"}"#).unwrap_err();
    // As a number it is no less the time, which is new at each attempt.
    let scheme = Scheme {
        sent_at: Some(SentAt { field: Field::pointer("/at"), format: TimeFormat::UnixSeconds }),
        identity: Identity::Fields(vec![Field::Integer(Borrowed("/at"))].into()),
        ..scheme(&[Part::Body])
    };
    let error = builder(scheme).build().unwrap_err();
    assert!(matches!(error, ConfigError::Identity { .. }), "{error}");
}

/// An event type alone is no reason to refuse a body that is none of the kinds it may be in.
#[test]
fn an_event_type_may_be_in_json_or_in_a_form() {
    let event = Some(Field::FirstOf(vec![Field::pointer("/type"), Field::form("command")].into()));
    let scheme = Scheme { event, ..scheme(&[Part::Body]) };
    let with = |body: &str| {
        let delivery = signed(&scheme, body, "/", body).unwrap();
        delivery.event().map(str::to_owned)
    };
    assert_eq!(with("command=%2Fdeploy&text=now"), Some("/deploy".into()));
    assert_eq!(with(r#"{"type":"message"}"#), Some("message".into()));
    // A text in JSON is no parameter.
    let text = r#"{"text":"hi&command=/admin&x=1"}"#;
    for body in ["", "&&", "hello", "command=1&command=2", "{\"command\":1}", "command=%FF", text] {
        assert_eq!(with(body), None, "{body}");
    }
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
