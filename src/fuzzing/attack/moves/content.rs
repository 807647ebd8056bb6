//! What was signed, changed, written otherwise, or cut in another way.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use bytes::Bytes;
use serde_json::Value;

use super::{
    Attempt, Expected, Move, binds_body, edited, header_of, lacks_end, refused, set_header, text,
};
use crate::fuzzing::attack::Attack;
use crate::fuzzing::attack::genuine::Genuine;
use crate::fuzzing::oracle::Oracle;
use crate::scheme::{Danger, Field, Part};

/// The very bytes that were signed, with another part of them for the id, the time and the body.
pub(super) fn cut_otherwise(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    // What was signed, and where its parts begin and end.
    let mut signed = Vec::new();
    for part in scheme.content.iter() {
        match part {
            Part::Literal(text) => signed.extend_from_slice(text.as_bytes()),
            Part::Body => signed.extend_from_slice(genuine.request.body()),
            part => signed.extend(text(&genuine.request, header_of(scheme, part)?)?.bytes()),
        }
    }
    let mut request = genuine.request.clone();
    let (mut rest, mut parts) = (signed.as_slice(), scheme.content.iter().peekable());
    while let Some(part) = parts.next() {
        // Up to one of the places where what follows could begin.
        let value = match (part, parts.peek()) {
            (Part::Literal(text), _) => {
                rest = rest.strip_prefix(text.as_bytes())?;
                continue;
            }
            (_, None) => std::mem::take(&mut rest),
            (_, Some(Part::Literal(next))) => {
                let next = next.as_bytes();
                let ends = rest.windows(next.len().max(1)).enumerate();
                let ends: Vec<usize> =
                    ends.filter(|(_, it)| *it == next).map(|(at, _)| at).collect();
                let (value, after) = rest.split_at(choices.any(&ends)?);
                rest = after;
                value
            }
            (_, Some(_)) => {
                let (value, after) = rest.split_at(choices.below(rest.len() + 1));
                rest = after;
                value
            }
        };
        match (part, header_of(scheme, part)) {
            (Part::Body, _) => *request.body_mut() = Bytes::copy_from_slice(value),
            (_, header) => set_header(&mut request, header?, std::str::from_utf8(value).ok()?)?,
        }
    }
    let is_other = rest.is_empty()
        && (request.body() != genuine.request.body()
            || request.headers() != genuine.request.headers());
    is_other.then_some(())?;
    let headers = genuine.request.headers().iter().filter_map(|(name, old)| {
        let new = request.headers().get(name).filter(|new| *new != old)?;
        Some(format!("`{name}` is {new:?} instead of {old:?}"))
    });
    let headers = headers.collect::<Vec<_>>().join(", and ");
    let what = format!("the signed bytes are cut in another way: {headers}");
    match scheme.allows(Danger::AmbiguousContent) {
        // Nobody can tell; but it may be no second delivery.
        true => Some(Move { request, what, expected: Expected::OneKeyIfAny }),
        false => refused(request, Oracle::RefusesChanged, what),
    }
}

pub(super) fn body(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let old = genuine.request.body();
    let at = choices.below(old.len() + 1);
    let (front, rest) = old.split_at(at);
    // Often a zero, at which a text ends for some, or of which they take no notice.
    let byte = match choices.byte() {
        ..32 => 0,
        byte => byte,
    };
    let new = match choices.byte() % 4 {
        0 => edited(front, rest, rest.first()? ^ byte.max(1), 0),
        3 => front.to_vec(),
        how => edited(front, rest, byte, how),
    };
    changed_body(attack, genuine, new, Oracle::RefusesChanged, "the body was changed")
}

/// JSON that says the same, or a text with another end of its lines.
pub(super) fn body_respelled(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let old = genuine.request.body();
    let new = match choices.byte() % 7 {
        0 => serde_json::from_slice::<Value>(old).ok()?.to_string().into_bytes(),
        1 => [old, b"\n".as_slice()].concat(),
        2 => [b"\xef\xbb\xbf".as_slice(), old].concat(),
        3 => std::str::from_utf8(old).ok()?.replace('\n', "\r\n").into_bytes(),
        4 => std::str::from_utf8(old).ok()?.replace("\r\n", "\n").into_bytes(),
        // Who takes U+FFFD for what is not UTF-8 reads the same text.
        5 => {
            let (front, rest) = std::str::from_utf8(old).ok()?.split_once('\u{fffd}')?;
            [front.as_bytes(), b"\xff", rest.as_bytes()].concat()
        }
        _ => old.trim_ascii().strip_suffix(b"}").map(|open| [open, b" }"].concat())?,
    };
    changed_body(attack, genuine, new, Oracle::RefusesRespelled, "the body is spelled otherwise")
}

fn changed_body(
    attack: &Attack,
    genuine: &Genuine,
    body: Vec<u8>,
    oracle: Oracle,
    what: &str,
) -> Option<Move> {
    let old = genuine.request.body();
    if body == **old || lacks_end(&attack.scheme, old, &body) {
        return None;
    }
    let mut request = genuine.request.clone();
    *request.body_mut() = body.into();
    match attack.scheme.covers_body() && !attack.scheme.signature.field.is_in_body() {
        true => refused(request, oracle, what),
        // What is not signed may be changed; that is no other delivery unless the id is in it.
        false if binds_body(attack) => None,
        false => Some(Move { request, what: what.into(), expected: Expected::OneKeyIfAny }),
    }
}

/// A form that is signed by what it says: with more in it, with less, or in another order.
pub(super) fn form(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    if !scheme.content.contains(&Part::SortedForm)
        || scheme.signature.field.is_in_body()
        || scheme.optional_end.is_some()
    {
        return None;
    }
    let mut request = genuine.request.clone();
    let old = std::str::from_utf8(genuine.request.body()).ok()?;
    let (first, rest) = old.split_once('&').unwrap_or((old, ""));
    let which = choices.byte() % 5;
    let new = match which {
        0 => format!("{old}&admin=1"),
        1 => format!("{old}1"),
        2 => format!("1{old}"),
        3 => rest.to_owned(),
        _ => format!("{rest}&{first}"),
    };
    if new == old || which >= 3 && rest.is_empty() {
        return None;
    }
    *request.body_mut() = new.into();
    match which {
        4 => {
            let what = "its parameters are in another order".into();
            Some(Move { request, what, expected: Expected::OneKeyIfAny })
        }
        _ => refused(request, Oracle::RefusesChanged, "its form says something else"),
    }
}

/// Where each item is signed: none, or one that is wrong beside the right one.
pub(super) fn items(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let (items, Field::Pointer(signature)) =
        (attack.scheme.items.as_deref()?, &attack.scheme.signature.field)
    else {
        return None;
    };
    let mut json: Value = serde_json::from_slice(genuine.request.body()).ok()?;
    let list = json.pointer_mut(items)?;
    let mut forged = list.as_array()?.first()?.clone();
    let tag = forged.pointer_mut(signature)?;
    let wrong: String = tag.as_str()?.chars().rev().collect();
    *tag = wrong.into();
    let (oracle, what) = match choices.byte() % 4 {
        0 => {
            *list = Value::Array(Vec::new());
            (Oracle::RefusesMissing, "it has no items")
        }
        1 => {
            *list = Value::Null;
            (Oracle::RefusesMissing, "its items are `null`")
        }
        2 => {
            list.as_array_mut()?.insert(0, forged);
            (Oracle::RefusesForged, "an item is wrong, and the next one right")
        }
        _ => {
            list.as_array_mut()?.push(forged);
            (Oracle::RefusesForged, "an item is right, and the next one wrong")
        }
    };
    let mut request = genuine.request.clone();
    *request.body_mut() = json.to_string().into();
    refused(request, oracle, what)
}
