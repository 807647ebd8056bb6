//! Times that touch what is signed beside them.

use super::*;

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

/// Where nothing beside it varies, a time of before 2001 is one like any other.
#[test]
fn a_time_that_touches_constants_has_any_number_of_digits() {
    for (address, part) in [(URL, Part::Url), ("/webhooks/acme", Part::Path)] {
        let parts = vec![part, Part::SentAt, Part::Literal(Borrowed("\n")), Part::Body];
        let scheme = Scheme {
            content: parts.into(),
            sent_at: Some(TIME),
            tolerance: None,
            ..scheme(&[Part::Body])
        };
        let tag = tag(&format!("{address}999999999\n{{}}"));
        let headers = [("x-signature", &*tag), ("x-timestamp", "999999999")];
        accepted(&scheme, request("/", &headers, "{}"));
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
