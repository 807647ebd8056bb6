//! Headers that are missing, changed, or nobody's business.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Attempt, Expected, Move, binds_body, binds_unsigned, edited, lacks_end, names, place, refused,
    set_header, signed, signed_headers, text,
};
use crate::fuzzing::oracle::Oracle;
use crate::scheme::{Field, Identity, KeyId, Layout};

/// What says how to read a body.
pub(super) const CONTENT_TYPES: [&str; 5] = [
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=a",
    "text/plain; charset=utf-16",
];

/// What is in each request, or from each client. A length that is none does not come through a server.
const USUAL: [HeaderName; 4] = [CONTENT_TYPE, HOST, USER_AGENT, ACCEPT];

/// What is not text, is none at all, or is no number of that size.
const ODD: [&[u8]; 7] =
    [b"", b"\xff", "é".as_bytes(), b"-1", b"99999999999999999999", b"a;b=\"", &[b'a'; 10_000]];

pub(super) fn missing(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let headers = signed_headers(attack);
    if headers.is_empty() || attack.scheme.signature.layout == Layout::Numbered {
        return None;
    }
    let header = choices.one(&headers);
    let mut request = genuine.request.clone();
    request.headers_mut().remove(header)?;
    if choices.one_in(2) {
        set_header(&mut request, header, "")?;
    }
    refused(request, Oracle::RefusesMissing, format!("header `{header}` is missing or empty"))
}

pub(super) fn signed_header(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let headers = signed_headers(attack);
    let signature = attack.scheme.signature.field.as_header();
    let headers: Vec<&str> = headers.into_iter().filter(|it| Some(*it) != signature).collect();
    let header = choices.any(&headers)?;
    // One that is signed if it is there may be added.
    let old = text(&genuine.request, header).unwrap_or_default();
    // At an end somebody may trim it.
    let at = match choices.byte() % 3 {
        0 => old.len(),
        _ => choices.below(old.len() + 1),
    };
    let byte = match choices.one_in(2) {
        true => choices.byte(),
        false => choices.one(b"015a.:-"),
    };
    let (front, rest) = old.as_bytes().split_at_checked(at)?;
    let new = edited(front, rest, byte, choices.byte() % 3);
    if new == old.as_bytes() || lacks_end(&attack.scheme, old.as_bytes(), &new) {
        return None;
    }
    let mut request = genuine.request.clone();
    set_header(&mut request, header, new)?;
    refused(request, Oracle::RefusesChanged, format!("header `{header}` was `{old}`"))
}

/// An id or an event type that nobody signs, and that has another value or is missing.
pub(super) fn unsigned_header(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    let signed = signed_headers(attack);
    let id = scheme.id.as_ref().and_then(Field::as_header);
    let events = scheme.events().iter().filter_map(Field::as_header);
    let others = id.into_iter().chain(events).filter(|it| !signed.contains(it));
    let header = choices.any(&others.collect::<Vec<_>>())?;
    let mut request = genuine.request.clone();
    let what = match choices.one(&["other", "1", "x-y", ""]) {
        "" => request.headers_mut().remove(header).map(|_| "is missing")?,
        other => set_header(&mut request, header, other).map(|()| "has another value")?,
    };
    let what = format!("header `{header}`, which nobody signs, {what}");
    if Some(header) != id || !binds_unsigned(attack) {
        return Some(Move { request, what, expected: Expected::OneKeyIfAny });
    }
    // With another id it may be another delivery, but none that nobody can tell from others.
    let is_there = request.headers().contains_key(header);
    match scheme.identity {
        Identity::IdAndContent => Some(Move { request, what, expected: Expected::KeyIfAny }),
        Identity::UnsignedId if !is_there => refused(request, Oracle::RefusesMissing, what),
        _ => None,
    }
}

/// A header that has to say something, and does not, or says something else as well.
pub(super) fn required(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let requires = &attack.scheme.requires;
    let (header, value) = requires.get(choices.below(requires.len().max(1)))?;
    let name = HeaderName::from_bytes(header.as_bytes()).ok()?;
    let other = HeaderValue::from_str(&format!("{value}0")).ok()?;
    let mut request = genuine.request.clone();
    let headers = request.headers_mut();
    let (oracle, what) = match choices.byte() % 3 {
        0 => headers.remove(&name).map(|_| (Oracle::RefusesMissing, "is missing"))?,
        1 => headers.insert(&name, other).map(|_| (Oracle::RefusesChanged, "has another value"))?,
        _ => headers.append(&name, other).then_some((Oracle::RefusesRepeated, "is there twice"))?,
    };
    refused(request, oracle, format!("header `{header}`, which has one value, {what}"))
}

/// A request that says of another key that it is signed with that, or of none.
pub(super) fn key_id(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    let key_id = scheme.key_id.as_ref()?;
    let (original, oracle) = match choices.one_in(2) {
        true => (signed::with_key(attack, genuine, choices, b"")?, Oracle::RefusesForged),
        false => (genuine.request.clone(), Oracle::RefusesChanged),
    };
    let mut request = original.clone();
    let which = choices.byte() % 3;
    match (key_id, which) {
        (KeyId::Header(name), 0) => {
            drop(request.headers_mut().remove(&**name)?);
            return refused(request, Oracle::RefusesMissing, "it does not say which key it is");
        }
        (KeyId::Header(name), 1) => {
            let field = Field::Header(name.clone());
            request = place::doubled(scheme, &original, &field, "nobody", choices.one_in(2))?;
            return refused(
                request,
                Oracle::RefusesRepeated,
                "it says of two keys that it is them",
            );
        }
        (KeyId::Header(name), _) => set_header(&mut request, name, "nobody")?,
        (KeyId::Prefix(_), _) if place::repeats_signature(scheme) => return None,
        (KeyId::Prefix(end), _) => {
            let field = place::signature(scheme);
            let text = place::read(scheme, &original, &field)?;
            let (_, tag) = text.split_once(*end)?;
            let other = format!("{}nobody{end}{tag}", scheme.signature.prefix);
            request = place::replaced(scheme, &original, &field, other.as_bytes())?;
        }
    }
    refused(request, oracle, "it says that it is signed with the key of `nobody`")
}

/// What no scheme knows, and another order.
pub(super) fn unrelated(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let old = genuine.request.headers();
    let mut headers = HeaderMap::new();
    let more = choices.one(&[
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-host", "attacker.example"),
        ("x-forwarded-proto", "http"),
        ("x-original-url", "/admin"),
        ("forwarded", "host=attacker.example;proto=http"),
        ("host", "attacker.example"),
        ("x-unrelated-to-everything", "1"),
        ("user-agent", "an attack"),
        ("x-signature-of-nobody", "sha256=00"),
        // Of another attempt.
        ("x-slack-retry-num", "1"),
        ("x-request-id", "2"),
    ]);
    if old.contains_key(more.0) || names(&attack.scheme, more.0) {
        return None;
    }
    headers.insert(more.0, HeaderValue::from_static(more.1));
    for (name, value) in old.iter().collect::<Vec<_>>().into_iter().rev() {
        headers.append(name, value.clone());
    }
    let mut request = genuine.request.clone();
    *request.headers_mut() = headers;
    let what = format!("with `{}`, and its headers in another order", more.0);
    Some(Move { request, what, expected: Expected::OneKey(Oracle::IgnoresUnrelated) })
}

/// Another type of the body, which says how to read it and is hardly ever signed.
pub(super) fn content_type(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let is_signed = signed_headers(attack).contains(&CONTENT_TYPE.as_str());
    if is_signed || binds_body(attack) {
        return None;
    }
    let mut request = genuine.request.clone();
    let other = choices.one(&CONTENT_TYPES);
    let old = request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(other));
    if old.is_some_and(|old| old == other) {
        return None;
    }
    let what = format!("its content type is `{other}`");
    Some(Move { request, what, expected: Expected::OneKeyIfAny })
}

/// A header that somebody takes for granted: missing, twice, or with what nobody expects.
pub(super) fn odd(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let mut request = genuine.request.clone();
    let names_there: Vec<&HeaderName> = genuine.request.headers().keys().collect();
    let name = match choices.one_in(4) {
        true => choices.one(&USUAL),
        false => choices.any(&names_there)?.clone(),
    };
    let headers = request.headers_mut();
    let what = match choices.byte() % 3 {
        0 => headers.remove(&name).map(|_| "is missing")?,
        1 => headers.append(&name, HeaderValue::from_static("x")).then_some("is there twice")?,
        _ => {
            headers.insert(&name, HeaderValue::from_bytes(choices.one(&ODD)).ok()?);
            "has a value that nobody expects"
        }
    };
    let what = format!("header `{name}` {what}");
    let is_known =
        names(&attack.scheme, name.as_str()) || name == CONTENT_TYPE && binds_body(attack);
    let expected = if is_known { Expected::Anything } else { Expected::OneKeyIfAny };
    Some(Move { request, what, expected })
}
