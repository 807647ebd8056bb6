//! Headers that are missing, repeated, changed, or nobody's business.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Attempt, Expected, Move, binds_body, binds_unsigned, edited, refused, set, signed_headers, text,
};
use crate::fuzzing::finding::Oracle;
use crate::scheme::{Field, Layout};

pub(super) fn repeated(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let signature = &attack.scheme.signature;
    if matches!(signature.layout, Layout::Repeated | Layout::Numbered)
        || !signature.others.is_empty()
    {
        return None;
    }
    let headers = signed_headers(attack);
    let header = choices.one(headers.first().map(|_| &*headers)?);
    let right = genuine.request.headers().get(header)?.clone();
    let mut wrong = right.to_str().ok()?.to_owned();
    let last = wrong.pop()?;
    wrong.push(if last == '0' { '1' } else { '0' });
    let wrong = HeaderValue::from_str(&wrong).ok()?;
    let (first, second) = if choices.rarely(2) { (wrong, right) } else { (right, wrong) };
    let mut request = genuine.request.clone();
    let name = HeaderName::from_bytes(header.as_bytes()).ok()?;
    request.headers_mut().insert(&name, first);
    request.headers_mut().append(&name, second);
    refused(request, Oracle::RefusesRepeated, format!("header `{header}` is there twice"))
}

pub(super) fn missing(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let headers = signed_headers(attack);
    if headers.is_empty() || attack.scheme.signature.layout == Layout::Numbered {
        return None;
    }
    let header = choices.one(&headers);
    let mut request = genuine.request.clone();
    request.headers_mut().remove(header)?;
    if choices.rarely(2) {
        set(&mut request, header, "")?;
    }
    refused(request, Oracle::RefusesMissing, format!("header `{header}` is missing or empty"))
}

pub(super) fn signed_header(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let headers = signed_headers(attack);
    let signature = attack.scheme.signature.field.as_header();
    let headers: Vec<&str> = headers.into_iter().filter(|it| Some(*it) != signature).collect();
    let header = choices.one(headers.first().map(|_| &*headers)?);
    // One that is signed if it is there may be added.
    let old = text(&genuine.request, header).unwrap_or_default();
    let at = choices.below(old.len() + 1);
    let byte = match choices.rarely(2) {
        true => choices.byte(),
        false => choices.one(b"015a.:-"),
    };
    let (front, rest) = old.as_bytes().split_at_checked(at)?;
    let new = edited(front, rest, byte, choices.byte() % 3);
    if new == old.as_bytes() {
        return None;
    }
    let mut request = genuine.request.clone();
    set(&mut request, header, new)?;
    refused(request, Oracle::RefusesChanged, format!("header `{header}` was `{old}`"))
}

/// An id or an event type that nobody signs.
pub(super) fn unsigned_header(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    let signed = signed_headers(attack);
    let id = scheme.id.as_ref().and_then(Field::as_header);
    let events = scheme.events().iter().filter_map(Field::as_header);
    let others = id.into_iter().chain(events).filter(|it| !signed.contains(it));
    let others: Vec<&str> =
        others.filter(|it| !binds_unsigned(attack) || Some(*it) != id).collect();
    let header = choices.one(others.first().map(|_| &*others)?);
    let mut request = genuine.request.clone();
    set(&mut request, header, choices.one(&["other", "1", "x-y"]))?;
    let what = format!("header `{header}`, which nobody signs, has another value");
    Some(Move { request, what, expected: Expected::OneKeyIfAny })
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

/// A header under its second name, alone, or beside itself with another value.
pub(super) fn second_name(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    let aliases = scheme.aliases.get(choices.below(scheme.aliases.len().max(1)));
    let (name, second) = aliases.map(|(name, second)| (&**name, &**second))?;
    // Under another name an id that nobody signs is another one for whoever does not know that.
    let is_id = scheme.id.as_ref().and_then(Field::as_header) == Some(name);
    if is_id && binds_unsigned(attack) {
        return None;
    }
    let right = text(&genuine.request, name)?;
    let wrong = format!("{right}1");
    let mut request = genuine.request.clone();
    let (value, second_value) = match choices.byte() % 4 {
        0 => (None, &right),
        1 => (Some(&right), &right),
        2 => (Some(&right), &wrong),
        _ => (Some(&wrong), &right),
    };
    match value {
        Some(value) => set(&mut request, name, value)?,
        None => drop(request.headers_mut().remove(name)?),
    }
    set(&mut request, second, second_value)?;
    let value = value.map_or("missing".into(), |value| format!("`{value}`"));
    let what = format!("header `{name}` is {value}, and `{second}` is `{second_value}`");
    Some(Move { request, what, expected: Expected::OneKeyIfAny })
}

/// What no scheme knows, and another order.
pub(super) fn unrelated(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { genuine, choices, .. } = attempt;
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
    ]);
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
    let other = choices.one(&[
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "text/plain; charset=utf-16",
    ]);
    let old = request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(other));
    if old.is_some_and(|old| old == other) {
        return None;
    }
    let what = format!("its content type is `{other}`");
    Some(Move { request, what, expected: Expected::OneKeyIfAny })
}
