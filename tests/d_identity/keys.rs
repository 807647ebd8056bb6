//! The keys themselves: no two are alike, and they stay what they are.

use super::*;

#[test]
fn d7_no_two_identities_look_alike() {
    let mut keys = HashSet::new();
    let mut count = 0;
    let mut new = |key: Key| {
        count += 1;
        keys.insert(key);
        assert_eq!(keys.len(), count, "this one is not the first of its kind");
    };
    for (source, id) in [("a:b", "c"), ("a", "b:c"), ("a", "b"), ("ab", "c"), ("a:b:c", "d")] {
        let verifier = Verifier::builder(source, presets::STANDARD_WEBHOOKS, SECRET)
            .clock(Arc::new(FakeClock::new()))
            .build()
            .unwrap();
        new(standard(&verifier, id, NOW, BODY).key());
    }
    let composite = by_fields(&["/x", "/y"]);
    for (x, y) in [("ab", "c"), ("a", "bc"), ("a", "b"), ("abc", "x"), ("c", "ab")] {
        let body = format!(r#"{{"x":"{x}","y":"{y}"}}"#);
        let request = signed(&composite, None, b"", body);
        new(verifier(composite.clone()).verify(request).unwrap().key());
    }
    // The kinds of identity do not meet either, whatever the texts are.
    for identity in
        [Identity::Content, Identity::IdAndContent, Identity::UnsignedId, Identity::None]
    {
        for (id, body) in [("b", ""), ("bc", ""), ("b", "c"), ("c", "b")] {
            if identity == Identity::Content && id != "b"
                || identity == Identity::UnsignedId && body == "c"
            {
                // The id, or the body, makes no difference there.
                continue;
            }
            new(github(&identity, Some(id), body).key());
        }
    }
}

/// SHA-256 over the pieces, each behind its length in eight bytes, big-endian first; computed by
/// another program. A stored key must mean the same delivery in every later version.
#[test]
fn the_keys_are_these() {
    let standard = standard(
        &verifier(presets::STANDARD_WEBHOOKS),
        "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        NOW,
        BODY,
    );
    let composite = by_fields(&["/tenant", "/webhook_id"]);
    let body = r#"{"webhook_id":"wh_1","tenant":"t1"}"#;
    let composite =
        verifier(composite.clone()).verify(signed(&composite, None, b"", body)).unwrap();
    for (delivery, pieces, key) in [
        (
            standard,
            r#""acme", "fields", "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W""#,
            "fec445af7e0cd0ccc9e6b2c7c7d52e0ad4d3820953fa91acbf7bd6235cc6ce65",
        ),
        (
            composite,
            r#""acme", "fields", "t1", "wh_1""#,
            "e5a93cda40d626de5155466fb5f59cb818eba41cb7a14983a28c21268c4d46e0",
        ),
        (
            github(&Identity::Content, Some("72d3162e"), BODY),
            r#""acme", "content", the body"#,
            "5fd796b6d7a55a768a9084555a4882b63b7f92ffc016aa240302b72ee7a53f8b",
        ),
        (
            github(&Identity::IdAndContent, Some("72d3162e"), BODY),
            r#""acme", "id and content", "72d3162e", the body"#,
            "dff0466e4ae1dc1675374d42d02af022c42a23520ffbacc88ace0ace2bc1b807",
        ),
        (
            github(&Identity::UnsignedId, Some("72d3162e"), BODY),
            r#""acme", "unsigned id", "72d3162e""#,
            "7921389f0a1b7efdee5a86b9b0b9b2a118482967984bca35afc895f7774e85e0",
        ),
    ] {
        assert_eq!(delivery.key().to_string(), key, "{pieces}");
        assert_eq!(key.parse(), Ok(delivery.key()));
        assert_eq!(Key::from_bytes(*delivery.key().as_bytes()), delivery.key());
    }
}

#[test]
fn a_key_has_one_spelling() {
    let key = "fec445af7e0cd0ccc9e6b2c7c7d52e0ad4d3820953fa91acbf7bd6235cc6ce65";
    assert_eq!(key.parse::<Key>().unwrap().to_string(), key);
    for text in ["", &key[1..], &format!("{key}0"), &format!("{key}00"), &format!(" {}", &key[1..])]
    {
        assert!(text.parse::<Key>().is_err(), "{text:?}");
    }
}
