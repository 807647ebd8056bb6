//! What was signed, changed, written otherwise, or cut in another way.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use std::time::SystemTime;

use bytes::Bytes;

use super::{Expected, Move, binds_id, edited, header_of, refused, set, text};
use crate::fuzzing::attack::Attack;
use crate::fuzzing::attack::genuine::Genuine;
use crate::fuzzing::choices::Choices;
use crate::fuzzing::finding::Oracle;
use crate::scheme::{Danger, Field, Part, SentAt, TimeFormat};

/// The same time, written otherwise.
pub(super) fn time_respelled(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let SentAt { field, format } = attack.scheme.sent_at.as_ref()?;
    let mut spell = |time: &str| match format {
        TimeFormat::Rfc3339 => match choices.byte() % 3 {
            0 => time.to_ascii_lowercase(),
            1 => time.replace('Z', "+00:00"),
            _ => time.replace('Z', "0Z"),
        },
        _ => match choices.byte() % 5 {
            0 => format!("+{time}"),
            1 => format!("0{time}"),
            2 => format!("{time}.0"),
            3 => format!("{time}e0"),
            _ => format!("{time}abc"),
        },
    };
    let mut request = genuine.request.clone();
    let (header, before, after) = match field {
        Field::Header(header) => {
            let time = text(&request, header)?;
            let other = spell(&time);
            (header.to_string(), time, other)
        }
        Field::Parameter(name) => {
            let header = attack.scheme.signature.field.as_header()?;
            let list = text(&request, header)?;
            let start = list.find(&format!("{name}="))? + name.len() + 1;
            let length = list.get(start..)?.bytes().take_while(u8::is_ascii_digit).count();
            let time = list.get(start..start + length)?;
            let other = spell(time);
            let other = format!("{}{other}{}", list.get(..start)?, list.get(start + length..)?);
            (header.to_owned(), list, other)
        }
        _ => return None,
    };
    if before == after {
        return None;
    }
    set(&mut request, &header, after.as_bytes())?;
    refused(request, Oracle::RefusesRespelled, format!("the time is written as in `{after}`"))
}

/// The very bytes that were signed, with another part of them for the id, the time and the body.
pub(super) fn cut_otherwise(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
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
                let (value, after) = rest.split_at(choices.one(ends.first().map(|_| &*ends)?));
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
            (_, header) => set(&mut request, header?, std::str::from_utf8(value).ok()?)?,
        }
    }
    let is_other = rest.is_empty()
        && (request.body() != genuine.request.body()
            || request.headers() != genuine.request.headers());
    is_other.then_some(())?;
    let what = "the signed bytes are cut in another way";
    match scheme.allows(Danger::AmbiguousContent) {
        // Nobody can tell; but it may be no second delivery.
        true => Some(Move { request, what: what.into(), expected: Expected::OneKeyIfAny }),
        false => refused(request, Oracle::RefusesChanged, what),
    }
}

pub(super) fn body(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let old = genuine.request.body();
    let at = choices.below(old.len() + 1);
    let (front, rest) = old.split_at(at);
    let byte = choices.byte();
    let new = match choices.byte() % 4 {
        0 => edited(front, rest, rest.first()? ^ byte.max(1), 0),
        3 => front.to_vec(),
        how => edited(front, rest, byte, how),
    };
    changed_body(attack, genuine, new, Oracle::RefusesChanged, "the body was changed")
}

/// JSON that says the same, or a text with another end of its lines.
pub(super) fn body_respelled(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let old = genuine.request.body();
    let new = match choices.byte() % 4 {
        0 => serde_json::from_slice::<serde_json::Value>(old).ok()?.to_string().into_bytes(),
        1 => [old, b"\n".as_slice()].concat(),
        2 => [b"\xef\xbb\xbf".as_slice(), old].concat(),
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
    if body == **genuine.request.body() {
        return None;
    }
    let mut request = genuine.request.clone();
    *request.body_mut() = body.into();
    match attack.scheme.covers_body() && !attack.scheme.signature.field.is_in_body() {
        true => refused(request, oracle, what),
        // What is not signed may be changed; that is no other delivery unless the id is in it.
        false if binds_id(attack) => None,
        false => Some(Move { request, what: what.into(), expected: Expected::OneKeyIfAny }),
    }
}
