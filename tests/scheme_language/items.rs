//! A list whose items are signed each on its own.

use std::time::{Duration, Instant};

use super::*;

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

/// What a tenant's scheme has in it is not looked for byte by byte from each byte, in requests of whoever sends any.
#[test]
fn what_separates_costs_no_more_when_there_is_much_of_it() {
    let separator = |n: u8| Part::Literal(format!("{}.{}", "a".repeat(252), char::from(n)).into());
    let field = |name: String| Part::Field(Field::Pointer(name.into()));
    let mut content = vec![field("/a".into())];
    content.extend((b'0'..=b'9').map(|n| {
        let value = field(format!("/b{}", char::from(n)));
        Part::Optional(vec![separator(n), value, Part::Literal(Borrowed(";"))].into())
    }));
    content.push(Part::Literal(Borrowed("!")));
    let scheme = Scheme {
        signature: Signature { field: Field::pointer("/s"), ..Signature::BASE },
        content: content.into(),
        items: Some(Borrowed("/i")),
        dangerously_allow: Borrowed(&[Danger::UnsignedBody, Danger::LooseItems]),
        ..Scheme::BASE
    };
    let body = |value: &str| {
        let item = format!(r#"{{"a":"{value}","s":"{}"}}"#, tag(&format!("{value}!")));
        format!(r#"{{"i":[{}]}}"#, vec![item; 100].join(","))
    };
    let verifier = builder(scheme).build().unwrap();
    let started = Instant::now();
    verifier.verify(request("/", &[], &body(&"a".repeat(254)))).unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    // A value that has one in it.
    let in_it = format!("{}.1", "a".repeat(252));
    verifier.verify(request("/", &[], &body(&in_it))).unwrap_err();
}
