//! Forms, in either encoding.

use super::*;

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
    // Which of two would say how it is read depends on their order.
    let json = [("content-type", "application/json")];
    for two in [[kind, json], [json, kind], [kind, kind]] {
        for body in [&multipart, &form] {
            let request = request("/", &two.concat(), body);
            let repeated = Rejection::RepeatedHeader { header: CONTENT_TYPE };
            let verifier = builder(scheme.clone()).url(URL).build().unwrap();
            assert_eq!(verifier.check_headers(request.headers()), Err(repeated.clone()));
            assert_eq!(refused(&scheme, request), repeated);
        }
    }
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
        let twice = [&headers[..], &[("content-type", "text/csv")]].concat();
        assert_eq!(accepted(&scheme, request("/", &twice, &body)).key(), key, "{kind}");
    }
    // In two encodings it could say two things, so nothing in it is signed.
    let both = builder(Scheme { multipart: true, ..scheme }).build().unwrap_err();
    assert_eq!(both, ConfigError::UncoveredTime);
}

/// What could be a form is not looked at where nothing needs one.
#[test]
fn a_body_is_no_form_unless_a_field_is_in_it() {
    let scheme = Scheme { multipart: true, ..scheme(&[Part::Body]) };
    let body = r#"{"text":"a&&b"}"#;
    signed(&scheme, body, "/", body).unwrap();
    let tag = tag(body);
    let types = [("content-type", "application/json"), ("content-type", "text/csv")];
    accepted(&scheme, request("/", &[&types[..], &[("x-signature", &tag)]].concat(), body));
}

/// Nobody can say which of two is meant.
#[test]
fn what_is_there_twice_is_refused_where_it_is_signed_and_missing_elsewhere() {
    const SIGNED: &[Part] =
        &[Part::Field(Field::Query(Borrowed("a"))), Part::Literal(Borrowed("\n")), Part::Body];
    let by_query = signed(&scheme(SIGNED), "1\nx=1", "/?a=1", "x=1").unwrap();
    assert_eq!(by_query.body(), "x=1");
    for query in ["/?a=1&a=2", "/?a=2&a=1", "/?a=1&a=1"] {
        let error = signed(&scheme(SIGNED), "1\nx=1", query, "x=1").unwrap_err();
        assert_eq!(error, Rejection::SignedField { field: "a".into() }, "{query}");
    }
    for (id, target, body) in
        [(Field::query("id"), "/?id=1&id=2", "x=1"), (Field::form("id"), "/", "id=1&id=2")]
    {
        let scheme = Scheme { id: Some(id), ..scheme(&[Part::Body]) };
        assert_eq!(signed(&scheme, body, target, body).unwrap().id(), None);
    }
}
