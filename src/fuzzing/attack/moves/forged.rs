//! What nobody signed, and why somebody may believe it all the same: a check of the address, a test, a request
//! from within.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};

use super::{Attempt, Move, headers, place, refused, set_header, signed, target};
use crate::fuzzing::oracle::Oracle;

/// What partners send to see whether an endpoint is there, and what is nothing at all.
const BODIES: [&str; 9] = [
    "",
    "{}",
    "[]",
    "null",
    r#"{"type":"url_verification","challenge":"a"}"#,
    r#"{"type":"ping"}"#,
    r#"{"event":"ping","test":true,"livemode":false}"#,
    r#"{"type":1,"challenge":"a"}"#,
    "type=url_verification&challenge=a",
];

/// Padding of an over-long forged body, in bytes.
const LONG: usize = 150_000;

const EVENTS: [&str; 5] = ["ping", "test", "url_verification", "endpoint.url_validation", ""];

/// What is said to come from a proxy, a partner, or the same machine.
const ORIGINS: [(&str, &str); 9] = [
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-real-ip", "127.0.0.1"),
    ("forwarded", "for=127.0.0.1"),
    ("host", "localhost"),
    ("origin", "http://localhost"),
    ("authorization", "Bearer null"),
    ("x-test", "1"),
    ("user-agent", "GitHub-Hookshot/0000000"),
];

const QUERIES: [&str; 4] = ["debug=1", "test=true", "challenge=a", "validationToken=a"];

pub(super) fn content_type(attempt: Attempt<'_, '_>) -> Option<Move> {
    forged(attempt, |it, request| {
        let kind = it.choices.one(&headers::CONTENT_TYPES);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Some(format!("its content type is `{kind}`"))
    })
}

pub(super) fn body(attempt: Attempt<'_, '_>) -> Option<Move> {
    forged(attempt, |it, request| {
        let body = it.choices.one(&BODIES);
        // What is too long to be held in memory may be verified elsewhere, or nowhere.
        let spaces = if it.choices.one_in(8) { LONG.min(it.attack.max_body / 2) } else { 0 };
        *request.body_mut() = format!("{body}{}", " ".repeat(spaces)).into();
        Some(match spaces {
            0 => format!("its body is `{body}`"),
            _ => format!("its body is `{body}` and {spaces} spaces"),
        })
    })
}

pub(super) fn event(attempt: Attempt<'_, '_>) -> Option<Move> {
    forged(attempt, |it, request| {
        let scheme = &it.attack.scheme;
        let field = scheme.events().get(it.choices.below(scheme.events().len().max(1)))?;
        let event = it.choices.one(&EVENTS);
        *request = place::replaced(scheme, request, field, event.as_bytes())?;
        Some(format!("its event type is `{event}`"))
    })
}

pub(super) fn origin(attempt: Attempt<'_, '_>) -> Option<Move> {
    forged(attempt, |it, request| {
        let (header, value) = it.choices.one(&ORIGINS);
        set_header(request, header, value)?;
        Some(format!("it has `{header}: {value}`"))
    })
}

pub(super) fn method(attempt: Attempt<'_, '_>) -> Option<Move> {
    forged(attempt, |it, request| {
        *request.method_mut() = it.choices.one(&target::METHODS);
        Some(format!("its method is {}", request.method()))
    })
}

pub(super) fn query(attempt: Attempt<'_, '_>) -> Option<Move> {
    forged(attempt, |it, request| {
        let more = it.choices.one(&QUERIES);
        let query = match request.uri().query() {
            Some(query) => format!("{query}&{more}"),
            None => more.to_owned(),
        };
        target::set_query(request, &query)?;
        Some(format!("its query has `{more}`"))
    })
}

/// A request without a signature, or with one of somebody who has no secret, that is changed like this.
fn forged<'d>(
    mut attempt: Attempt<'_, 'd>,
    change: impl FnOnce(&mut Attempt<'_, 'd>, &mut Request<Bytes>) -> Option<String>,
) -> Option<Move> {
    let Attempt { attack, genuine, .. } = attempt;
    let signature = place::signature(&attack.scheme);
    let unsigned = signature.as_header().filter(|_| attempt.choices.one_in(2));
    let (mut request, how) = match unsigned {
        Some(header) => {
            let mut request = genuine.request.clone();
            request.headers_mut().remove(header)?;
            (request, "it has no signature")
        }
        None => {
            let key = b"the key of somebody else";
            let forged = signed::with_key(attack, genuine, attempt.choices, key)?;
            (forged, "its signature is of another key")
        }
    };
    let change = change(&mut attempt, &mut request)?;
    refused(request, Oracle::RefusesForged, format!("{how}, and {change}"))
}
