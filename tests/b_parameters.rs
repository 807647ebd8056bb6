//! Signature headers that hold the time as well, such as Stripe's `t=…,v1=…`: what has to be
//! refused, and how little of it is looked at.

use bytes::Bytes;
use http::{Request, StatusCode};
use inhook::scheme::{Encoding, Field, Layout, Scheme, SentAt, Signature, TimeFormat};
use inhook::{Rejection, Verifier, presets};

mod common;

use common::{NOW, at, builder, mac, set, signed, text, verifier};

const BODY: &str = r#"{"id":"evt_1","type":"charge.succeeded","created":946684800}"#;

fn stripe() -> Verifier {
    verifier(presets::STRIPE)
}

/// A request with this as its signature header and nothing else.
fn carrying(signature: impl AsRef<[u8]>) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from_static(BODY.as_bytes()));
    set(&mut request, "stripe-signature", signature);
    request
}

/// The tag for this text as the time.
fn tag(time: &str) -> String {
    text(Encoding::Hex, &mac(&presets::STRIPE, format!("{time}.{BODY}").as_bytes()))
}

fn now_tag() -> String {
    tag(&NOW.to_string())
}

fn refused(signature: impl AsRef<[u8]>) -> Rejection {
    let request = carrying(signature.as_ref());
    let early = stripe().check_headers(request.headers());
    let rejection = stripe().verify(request).expect_err("it must not be accepted");
    assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED, "{rejection}");
    if let Err(early) = early {
        assert_eq!(early, rejection);
    }
    rejection
}

fn malformed() -> Rejection {
    Rejection::MalformedHeader { header: "stripe-signature".parse().unwrap() }
}

#[test]
fn b5_the_order_of_the_entries_is_free() {
    let (right, wrong) = (now_tag(), tag("0"));
    let (time, right, wrong) = (format!("t={NOW}"), format!("v1={right}"), format!("v1={wrong}"));
    let version = format!("v0={}", tag("1"));
    let entries = [&*time, &right, &wrong, &version];
    for first in 0..4 {
        for step in [1, 3] {
            let list: Vec<&str> = (0..4).map(|n| entries[(first + n * step) % 4]).collect();
            let delivery = stripe().verify(carrying(list.join(","))).unwrap();
            assert_eq!(delivery.signed_at(), Some(at(NOW)));
            assert_eq!(
                (delivery.id(), delivery.event()),
                (Some("evt_1"), Some("charge.succeeded"))
            );
        }
    }
    assert_eq!(refused(format!("{time},{wrong}")), Rejection::WrongSignature);
    assert_eq!(refused(format!("{wrong},{time},{version}")), Rejection::WrongSignature);
}

#[test]
fn b5_unknown_entries_are_ignored() {
    let right = now_tag();
    for other in ["v2=abc", "x", "nonsense", "=", "=t", "tt=1", "v1", "v1=", "ts=5", "v1=AAAA"] {
        for list in [
            format!("t={NOW},v1={right},{other}"),
            format!("{other},t={NOW},v1={right}"),
            format!("v1={right},{other},t={NOW}"),
        ] {
            stripe().verify(carrying(list)).unwrap();
        }
    }
    // As long as they are text at all.
    for other in ["", "a b", "\t", "é", "v2= "] {
        assert_eq!(refused(format!("t={NOW},{other},v1={right}")), malformed(), "{other:?}");
    }
}

#[test]
fn b8_the_header_does_not_choose_the_version() {
    let right = now_tag();
    for version in ["v0=", "v2=", "V1=", "v1:", "v1 =", "v01=", "v1a=", "v=", "sha256=", ""] {
        assert_eq!(refused(format!("t={NOW},{version}{right}")), malformed(), "{version}");
        let wrong = tag("0");
        let beside = format!("t={NOW},{version}{right},v1={wrong}");
        if version != "v1 =" {
            assert_eq!(refused(beside), Rejection::WrongSignature, "{version}");
        }
    }
}

#[test]
fn b10_a_repeated_time_is_refused_even_with_equal_values() {
    let right = now_tag();
    for other in [NOW.to_string(), "1".into(), (NOW + 1).to_string(), String::new(), "x".into()] {
        for list in [
            format!("t={NOW},t={other},v1={right}"),
            format!("t={other},t={NOW},v1={right}"),
            format!("t={NOW},v1={right},t={other}"),
            format!("t={other},v1={right},t={NOW}"),
            format!("v1={right},t={NOW},t={other}"),
        ] {
            assert_eq!(refused(&list), malformed(), "{list}");
        }
    }
    // Nor does a second header help out.
    let mut twice = carrying(format!("t={NOW},v1={right}"));
    let second = format!("t={NOW},v1={right}").parse().unwrap();
    twice.headers_mut().append("stripe-signature", second);
    let repeated = Rejection::RepeatedHeader { header: "stripe-signature".parse().unwrap() };
    assert_eq!(stripe().verify(twice).unwrap_err(), repeated);
    let mut split = carrying(format!("t={NOW}"));
    split.headers_mut().append("stripe-signature", format!("v1={right}").parse().unwrap());
    assert_eq!(stripe().verify(split).unwrap_err(), repeated);
}

#[test]
fn b12_more_tags_than_a_rotation_needs_are_refused_wherever_the_time_stands() {
    let right = format!("v1={}", now_tag());
    let list = |count: usize| vec![&*right; count].join(",");
    let header = "stripe-signature".parse().unwrap();
    let too_many = Rejection::TooManySignatures { header, max: 16 };
    for count in [17, 1_000] {
        assert_eq!(refused(format!("t={NOW},{}", list(count))), too_many);
        assert_eq!(refused(format!("{},t={NOW}", list(count))), too_many);
    }
    stripe().verify(carrying(format!("t={NOW},{}", list(16)))).unwrap();
    stripe().verify(carrying(format!("{},t={NOW}", list(16)))).unwrap();
}

#[test]
fn c2_a_parameter_has_to_be_there_in_its_one_spelling() {
    for missing in ["", "t,", "T=1768469400,", "ts=1768469400,", "created=1768469400,"] {
        // Signed as if nothing were the time, and as if it were that one.
        for time in ["", "1768469400"] {
            let rejection = refused(format!("{missing}v1={}", tag(time)));
            assert_eq!(rejection, malformed(), "{missing}");
        }
    }
    for time in [
        "",
        " 1768469400",
        "1768469400 ",
        "01768469400",
        "+1768469400",
        "-1768469400",
        "1768469400.0",
        "=1768469400",
        "t=1768469400",
        "\"1768469400\"",
        "0x69689398",
        "soon",
        "123abc",
        "0123",
    ] {
        // The MAC is right: it is the text itself that is refused.
        assert_eq!(refused(format!("t={time},v1={}", tag(time))), malformed(), "{time:?}");
    }
    // A list that is a tag and nothing else has no time either.
    assert_eq!(refused(format!("v1={}", now_tag())), malformed());
}

#[test]
fn c2_the_text_that_is_judged_is_the_text_that_is_signed() {
    // The tag of one text beside another text that means the same.
    for other in ["01768469400", "1768469400.0", "+1768469400"] {
        assert_eq!(refused(format!("t={NOW},v1={}", tag(other))), Rejection::WrongSignature);
    }
}

#[test]
fn parameters_are_read_whatever_the_separator_and_the_encoding() {
    for (separator, encoding, name, format, time) in [
        (';', Encoding::Hex, "ts", TimeFormat::UnixSeconds, "1768469400"),
        (' ', Encoding::Base64, "t", TimeFormat::UnixMillis, "1768469400000"),
        (',', Encoding::Base64, "created", TimeFormat::Rfc3339, "2026-01-15T09:30:00Z"),
        ('|', Encoding::Hex, "v1", TimeFormat::UnixSeconds, "1768469400"),
    ] {
        let scheme = Scheme {
            signature: Signature {
                prefix: "h1=".into(),
                layout: Layout::List(separator),
                encoding,
                ..presets::STRIPE.signature
            },
            sent_at: Some(SentAt { field: Field::parameter(name), format }),
            ..presets::STRIPE
        };
        let request = signed(&scheme, None, time.as_bytes(), BODY);
        let delivery = builder(scheme).build().unwrap().verify(request).unwrap();
        assert_eq!(delivery.signed_at(), Some(at(NOW)), "{separator:?}");
    }
}
