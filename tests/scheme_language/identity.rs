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
