//! Another tag, or the right one in another place or spelling.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use std::time::SystemTime;

use super::{Expected, Move, refused, set, text};
use crate::fuzzing::attack::Attack;
use crate::fuzzing::attack::genuine::Genuine;
use crate::fuzzing::choices::Choices;
use crate::fuzzing::finding::Oracle;
use crate::scheme::{Encoding, Field, KeyId, Layout, SentAt};
use crate::verify::mac;

/// The header of the signature, and where in its text the tag is.
fn find_tag<'a>(attack: &'a Attack, genuine: &Genuine) -> Option<(&'a str, String, usize)> {
    let signature = &attack.scheme.signature;
    let header = signature.field.as_header()?;
    if signature.layout == Layout::Numbered {
        return None;
    }
    let text = text(&genuine.request, header)?;
    let length = mac::encoded_len(attack.scheme.algorithm, signature.encoding);
    // The last text of that length: a time may stand before it.
    let starts = (0..text.len()).rev().filter(|at| text.is_char_boundary(*at));
    let is_tag = |at: &usize| {
        let candidate = text.get(*at..*at + length).unwrap_or_default();
        let before = text.get(..*at).unwrap_or_default();
        let after = text.get(*at + length..).unwrap_or_default();
        candidate.len() == length
            && is_encoded(candidate, signature.encoding)
            && before.chars().next_back().is_none_or(|it| {
                !is_encoded(&it.to_string(), signature.encoding)
                    || before.ends_with(&*signature.prefix)
            })
            && after
                .chars()
                .next()
                .is_none_or(|it| !is_encoded(&it.to_string(), signature.encoding))
    };
    let at = starts.into_iter().find(is_tag)?;
    Some((header, text, at))
}

fn is_encoded(text: &str, encoding: Encoding) -> bool {
    text.chars().all(|char| match encoding {
        Encoding::Hex | Encoding::AnyCaseHex => char.is_ascii_hexdigit(),
        Encoding::Base64 => char.is_ascii_alphanumeric() || "+/=".contains(char),
        Encoding::Base64Url => char.is_ascii_alphanumeric() || "-_".contains(char),
    })
}

/// Another tag, or the same in another spelling.
pub(super) fn tag(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let (header, text, at) = find_tag(attack, genuine)?;
    let encoding = attack.scheme.signature.encoding;
    let length = mac::encoded_len(attack.scheme.algorithm, encoding);
    let (before, rest) = text.split_at(at);
    let (tag, after) = rest.split_at(length);
    let position = choices.below(length);
    let respelled = Oracle::RefusesRespelled;
    let (other, oracle, what): (Vec<u8>, _, _) = match choices.byte() % 7 {
        0 => (tag.get(..position)?.into(), Oracle::RefusesForged, "its tag is cut off"),
        1 => (format!("{tag}0").into(), respelled, "its tag is longer"),
        2 => (tag.to_ascii_uppercase().into(), respelled, "its tag is in upper case"),
        3 => (tag.trim_end_matches('=').into(), respelled, "its tag has no padding"),
        4 => {
            let other = tag.replace('+', "-").replace('/', "_");
            (other.into_bytes(), respelled, "its tag is in another alphabet")
        }
        5 => (Vec::new(), Oracle::RefusesForged, "its tag is empty"),
        _ => {
            // Of the last digit of base64 not all bits count, and another one is another spelling.
            let new = match choices.rarely(2) {
                true => choices.byte(),
                false => choices.one(b"01abefAQ"),
            };
            let mut tag = tag.as_bytes().to_vec();
            *tag.get_mut(position)? = new;
            (tag, Oracle::RefusesForged, "its tag differs")
        }
    };
    let same = match encoding {
        Encoding::AnyCaseHex => other.eq_ignore_ascii_case(tag.as_bytes()),
        _ => other == tag.as_bytes(),
    };
    if same {
        return None;
    }
    let mut request = genuine.request.clone();
    set(&mut request, header, [before.as_bytes(), &other, after.as_bytes()].concat())?;
    refused(request, oracle, what)
}

/// The right tag, as that of another version.
pub(super) fn version(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let (header, text, at) = find_tag(attack, genuine)?;
    let prefix = &*attack.scheme.signature.prefix;
    if prefix.is_empty() || matches!(attack.scheme.key_id, Some(KeyId::Prefix(_))) {
        return None;
    }
    let front = text.get(..at)?.strip_suffix(prefix)?;
    let other = match choices.byte() % 4 {
        0 => prefix.replace(|char: char| char.is_ascii_digit(), "9"),
        1 => prefix.replace(|char: char| char.is_ascii_digit(), "0"),
        2 => prefix.to_ascii_uppercase(),
        _ => String::new(),
    };
    if other == prefix {
        return None;
    }
    let mut request = genuine.request.clone();
    set(&mut request, header, format!("{front}{other}{}", text.get(at..)?))?;
    refused(
        request,
        Oracle::RefusesChanged,
        format!("its tag has `{other}` before it, not `{prefix}`"),
    )
}

/// The right tag among wrong ones.
pub(super) fn among_others(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let (header, text, at) = find_tag(attack, genuine)?;
    let scheme = &attack.scheme;
    let Layout::List(separator) = scheme.signature.layout else { return None };
    if matches!(scheme.key_id, Some(KeyId::Prefix(_)))
        || matches!(scheme.sent_at, Some(SentAt { field: Field::Entry(_), .. }))
    {
        return None;
    }
    let prefix = &*scheme.signature.prefix;
    let length = mac::encoded_len(scheme.algorithm, scheme.signature.encoding);
    let tag = text.get(at..at + length)?;
    let wrong: String = tag.chars().rev().filter(|char| *char != '=').collect();
    let wrong = format!("{wrong}{}", "=".repeat(length.saturating_sub(wrong.len())));
    let (before, after) = (choices.below(4), choices.below(4));
    let wrong = format!("{prefix}{wrong}");
    let front = text.get(..at)?.strip_suffix(prefix)?;
    let separator = separator.to_string();
    let mut entries = vec![wrong.as_str(); before];
    let right = format!("{prefix}{tag}");
    entries.push(&right);
    entries.extend(vec![wrong.as_str(); after]);
    let mut request = genuine.request.clone();
    let list = format!("{front}{}{}", entries.join(&separator), text.get(at + length..)?);
    set(&mut request, header, &list)?;
    let what = format!("the right signature stands behind {before} others and before {after}");
    Some(Move { request, what, expected: Expected::OneKey(Oracle::AcceptsGenuine) })
}
