//! Signed times: one spelling per format, both directions, and never the time of the event.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, StatusCode};
use inhook::clock::Clock;
use inhook::scheme::{
    Field, Identity, Layout, Part, Scheme, SentAt, Signature, TimeFormat, Tolerance,
};
use inhook::testing::FakeClock;
use inhook::{ConfigError, Rejection, Verifier, presets};

#[path = "../common/mod.rs"]
mod common;
mod freshness;
mod spelling;

use common::{NOW, NOW_RFC3339, PRESETS, SECRET, SHORTLINKS, at, builder, set, signed, verifier};

const SECOND: Duration = Duration::from_secs(1);
const FORMATS: [TimeFormat; 3] =
    [TimeFormat::UnixSeconds, TimeFormat::UnixMillis, TimeFormat::Rfc3339];

/// The time is a signed header.
fn in_header(format: TimeFormat) -> Scheme {
    let sent_at = Some(SentAt { field: Field::header("webhook-timestamp"), format });
    Scheme { sent_at, ..presets::STANDARD_WEBHOOKS }
}

/// The time is a parameter of the signature header.
fn in_parameter(format: TimeFormat) -> Scheme {
    Scheme {
        signature: Signature { layout: Layout::List(';'), ..presets::STRIPE.signature },
        sent_at: Some(SentAt { field: Field::parameter("t"), format }),
        identity: Identity::Content,
        ..presets::STRIPE
    }
}

/// The time is in the signed body, at `/t`.
fn in_body(format: TimeFormat) -> Scheme {
    Scheme {
        id: Some(Field::pointer("/id")),
        sent_at: Some(SentAt { field: Field::pointer("/t"), format }),
        identity: Identity::Fields(Cow::Owned(vec![Field::pointer("/id")])),
        ..SHORTLINKS
    }
}

/// A request with this text as its time, signed as it stands.
fn header_time(format: TimeFormat, time: &str) -> Request<Bytes> {
    signed(&in_header(format), Some(b"msg_1"), time.as_bytes(), "{}")
}

/// A request with this text as its parameter `t`, signed as it stands.
fn parameter_time(format: TimeFormat, time: &str) -> Request<Bytes> {
    signed(&in_parameter(format), None, time.as_bytes(), "{}")
}

/// A request whose body has this JSON at `/t`.
fn body_time(format: TimeFormat, json: &str) -> Request<Bytes> {
    signed(&in_body(format), None, b"", format!(r#"{{"id":"1","t":{json}}}"#))
}

/// A time as JSON: a number of seconds or milliseconds is one, and everything else is text.
fn json_time(format: TimeFormat, time: &str) -> String {
    let number = time.trim() == time && serde_json::from_str::<u64>(time).is_ok();
    match format {
        TimeFormat::UnixSeconds | TimeFormat::UnixMillis if number => time.to_owned(),
        _ => serde_json::to_string(time).unwrap(),
    }
}

/// What becomes of a time in each of the places where it can be.
fn verify(format: TimeFormat, time: &str) -> Vec<Result<SystemTime, Rejection>> {
    let mut results = vec![
        (in_header(format), header_time(format, time)),
        (in_parameter(format), parameter_time(format, time)),
        (in_body(format), body_time(format, &json_time(format, time))),
    ];
    // A number for what should be text. White space around it would be JSON's.
    if time.trim() == time && serde_json::from_str::<u64>(time).is_ok() {
        results.push((in_body(format), body_time(format, time)));
    }
    let signed_at = |(scheme, request)| {
        let delivery = verifier(scheme).verify(request)?;
        Ok(delivery.signed_at().expect("the scheme has a time"))
    };
    results.into_iter().map(signed_at).collect()
}

fn malformed(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::MalformedHeader { .. } | Rejection::MalformedTime { .. })
}

fn refused(verifier: &Verifier, request: Request<Bytes>) -> Rejection {
    let rejection = verifier.verify(request).expect_err("it must not be accepted");
    assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED, "{rejection}");
    rejection
}
