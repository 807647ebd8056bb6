//! Ids in fields that are signed: what may be one, and that each has to be there.

use super::*;

#[test]
fn d7_a_signed_id_counts_in_whatever_case_it_is_named() {
    let named = |name| {
        let fields = vec![Field::header(name)].into();
        builder(presets::STANDARD_WEBHOOKS).identity(Identity::Fields(fields)).build().unwrap()
    };
    let plain = verifier(presets::STANDARD_WEBHOOKS);
    for name in ["webhook-id", "Webhook-Id"] {
        let verifier = named(name);
        for id in ["msg_1", "msg_2"] {
            let key = standard(&verifier, id, NOW, "no JSON").key();
            assert_eq!(key, standard(&plain, id, NOW, BODY).key(), "{name}");
        }
    }
    // Together with a field of the body, whose absence is refused.
    let fields = vec![Field::header("Webhook-Id"), Field::pointer("/n")];
    let both = builder(presets::STANDARD_WEBHOOKS).identity(Identity::Fields(fields.into()));
    let both = both.build().unwrap();
    let keys: HashSet<Key> = [("msg_1", "a"), ("msg_1", "b"), ("msg_2", "a")]
        .map(|(id, n)| standard(&both, id, NOW, &format!(r#"{{"n":"{n}"}}"#)).key())
        .into();
    assert_eq!(keys.len(), 3);
    both.verify(standard_request("msg_1", NOW, BODY)).unwrap_err();
    both.verify(standard_request("msg_1", NOW, "no JSON")).unwrap_err();
}

#[test]
fn d7_an_id_in_a_header_is_short_visible_text() {
    let standard = verifier(presets::STANDARD_WEBHOOKS);
    let github = verifier(presets::GITHUB);
    let accepts = |id: &[u8]| {
        let time = NOW.to_string();
        let request = signed(&presets::STANDARD_WEBHOOKS, Some(id), time.as_bytes(), BODY);
        let results = [
            standard.verify(request),
            github.verify(signed(&presets::GITHUB, Some(id), b"", BODY)),
        ];
        results.map(|result| {
            result.inspect_err(|error| assert_eq!(error.status(), StatusCode::UNAUTHORIZED)).is_ok()
        })
    };
    for len in [1, 36, 255] {
        assert_eq!(accepts(&vec![b'x'; len]), [true; 2], "{len}");
    }
    for len in [256, 257, 1 << 20] {
        assert_eq!(accepts(&vec![b'x'; len]), [false; 2], "{len}");
    }
    for id in [&b"a\tb"[..], b"a b", b"\xc2\x85", b"a\xff"] {
        assert_eq!(accepts(id), [false; 2], "{id:?}");
    }
    // A dot would end the id early where `id.time.body` is signed.
    assert_eq!(accepts(b"a.b"), [false, true]);
}

#[test]
fn d7_an_id_in_the_body_is_short_text() {
    let scheme = by_fields(&["/webhook_id"]);
    let verify = |json: &str| {
        let body = format!(r#"{{"webhook_id":{json}}}"#);
        verifier(scheme.clone()).verify(signed(&scheme, None, b"", body))
    };
    for id in ["x", &"x".repeat(255), &"é".repeat(127), "a.b:c/d", "größe 7"] {
        assert_eq!(verify(&format!("{id:?}")).unwrap().id(), Some(id));
    }
    for json in [
        format!("{:?}", "x".repeat(256)),
        format!("{:?}", "x".repeat(257)),
        format!("{:?}", "é".repeat(128)),
        format!("{:?}", "x".repeat(1 << 20)),
        r#""""#.into(),
        r#""a\u0000""#.into(),
        r#""\n""#.into(),
        r#""a\u007f""#.into(),
        r#""a\u0085""#.into(),
        "\"a\u{85}\"".into(),
        "null".into(),
        "true".into(),
        "7".into(),
        "7.5".into(),
        r#"["wh_1"]"#.into(),
        r#"{"id":"wh_1"}"#.into(),
        r#""wh_1","webhook_id":null"#.into(),
        r#""wh_1","webhook_id":"""#.into(),
    ] {
        let rejection = verify(&json).unwrap_err();
        let field = "/webhook_id".into();
        assert_eq!(rejection, Rejection::IdentityField { field, max: 255 });
        assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn d7_every_field_of_an_identity_has_to_be_there() {
    let scheme = by_fields(&["/x", "/y"]);
    for (body, missing) in [
        (r#"{"x":"1"}"#, "/y"),
        (r#"{"y":"1"}"#, "/x"),
        (r#"{"x":"1","y":""}"#, "/y"),
        (r#"{"x":1,"y":"1"}"#, "/x"),
        ("[]", "/x"),
        ("null", "/x"),
    ] {
        let rejection = verifier(scheme.clone()).verify(signed(&scheme, None, b"", body));
        let expected = Rejection::IdentityField { field: missing.into(), max: 255 };
        assert_eq!(rejection.unwrap_err(), expected, "{body}");
    }
    for body in ["", "no JSON", "{", r#"{"x":"1","y":"1"} x"#, "{\"x\":\"1\",\"y\":\"\u{1}\"}"] {
        let rejection = verifier(scheme.clone()).verify(signed(&scheme, None, b"", body));
        let rejection = rejection.unwrap_err();
        assert_eq!(rejection, Rejection::NotJson { pointer: "/x".into() }, "{body}");
        assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
    }
}

/// Viber names in each of them the message that it is about.
#[test]
fn d7_what_happens_to_one_message_of_viber_are_several_deliveries() {
    let key = |event: &str, timestamp: u64| {
        let body = format!(
            r#"{{"event":"{event}","timestamp":{timestamp},"message_token":4912661846655238145,"user_id":"u"}}"#
        );
        let request = signed(&presets::VIBER, None, b"", body);
        verifier(presets::VIBER).verify(request).unwrap().key()
    };
    let events = [("delivered", 1), ("delivered", 2), ("seen", 3), ("failed", 3)];
    let keys: HashSet<Key> = events.map(|(event, timestamp)| key(event, timestamp)).into();
    assert_eq!(keys.len(), events.len());
    assert!(keys.contains(&key("seen", 3)));
}
