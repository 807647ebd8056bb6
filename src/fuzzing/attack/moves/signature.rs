//! Another tag, or the right one in another place or spelling.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use super::{Attempt, Expected, Move, place, refused, set_header};
use crate::fuzzing::attack::Attack;
use crate::fuzzing::attack::genuine::Genuine;
use crate::fuzzing::oracle::Oracle;
use crate::scheme::{Encoding, Field, KeyId, Layout, SentAt};
use crate::verify::mac;

/// The text of the signature, and where in it the tag is.
fn find_tag(attack: &Attack, genuine: &Genuine) -> Option<(String, usize)> {
    let signature = &attack.scheme.signature;
    let scheme = &attack.scheme;
    if place::repeats_signature(scheme) {
        return None;
    }
    let text = place::read(scheme, &genuine.request, &place::signature(scheme))?;
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
    Some((text, at))
}

/// The genuine request with another signature.
fn with_signature(attack: &Attack, genuine: &Genuine, new: &[u8]) -> Option<Request<Bytes>> {
    let field = place::signature(&attack.scheme);
    place::replaced(&attack.scheme, &genuine.request, &field, new)
}

fn is_encoded(text: &str, encoding: Encoding) -> bool {
    text.chars().all(|char| match encoding {
        Encoding::Hex | Encoding::AnyCaseHex => char.is_ascii_hexdigit(),
        Encoding::Base64 => char.is_ascii_alphanumeric() || "+/=".contains(char),
        Encoding::Base64Url => char.is_ascii_alphanumeric() || "-_".contains(char),
    })
}

/// Another tag, or the same in another spelling.
pub(super) fn tag(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let (text, at) = find_tag(attack, genuine)?;
    let encoding = attack.scheme.signature.encoding;
    let length = mac::encoded_len(attack.scheme.algorithm, encoding);
    let (before, rest) = text.split_at(at);
    let (tag, after) = rest.split_at(length);
    // Programs that compare a part of it stop at a round number.
    let position = match choices.one_in(2) {
        true => choices.one(&[1, 8, length / 4, length / 2, length - 1]),
        false => choices.below(length),
    };
    let respelled = Oracle::RefusesRespelled;
    let (other, oracle, what): (Vec<u8>, _, _) = match choices.byte() % 13 {
        0 => {
            let cut = tag.get(..position)?;
            // Then all of its bytes are there.
            let is_whole = cut.len() >= tag.trim_end_matches('=').len();
            let oracle = if is_whole { respelled } else { Oracle::RefusesForged };
            (cut.into(), oracle, "its tag is cut off")
        }
        1 => (format!("{tag}0").into(), respelled, "its tag is longer"),
        2 => (tag.to_ascii_uppercase().into(), respelled, "its tag is in upper case"),
        3 => (tag.trim_end_matches('=').into(), respelled, "its tag has no padding"),
        4 => {
            let other = tag.replace('+', "-").replace('/', "_");
            (other.into_bytes(), respelled, "its tag is in another alphabet")
        }
        5 => (Vec::new(), Oracle::RefusesForged, "its tag is empty"),
        6 => (format!(" {tag}").into(), respelled, "its tag has a space before it"),
        7 => (format!("0x{tag}").into(), respelled, "its tag has `0x` before it"),
        8 => (format!("{tag}=other").into(), respelled, "its tag has `=other` behind it"),
        9 => {
            let (front, rest) = tag.split_at_checked(position)?;
            (format!("{front}*{rest}").into(), respelled, "its tag has a `*` in it")
        }
        10 => (longer(encoding, tag)?.into(), respelled, "its tag has one byte more"),
        11 => (tag.repeat(2).into(), respelled, "its tag is there twice"),
        _ => {
            let new = match choices.one_in(2) {
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
    let new = [before.as_bytes(), &other, after.as_bytes()].concat();
    refused(with_signature(attack, genuine, &new)?, oracle, what)
}

/// A tag with another byte behind it.
fn longer(encoding: Encoding, tag: &str) -> Option<String> {
    let one_more = |bytes: Vec<u8>| [&*bytes, &[0]].concat();
    Some(match encoding {
        Encoding::Hex | Encoding::AnyCaseHex => format!("{tag}00"),
        Encoding::Base64 => Base64::encode_string(&one_more(Base64::decode_vec(tag).ok()?)),
        Encoding::Base64Url => {
            let bytes = Base64UrlUnpadded::decode_vec(tag).ok()?;
            Base64UrlUnpadded::encode_string(&one_more(bytes))
        }
    })
}

/// The right tag, as that of another version.
pub(super) fn version(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let (text, at) = find_tag(attack, genuine)?;
    let scheme = &attack.scheme;
    let prefix = &*scheme.signature.prefix;
    if matches!(scheme.key_id, Some(KeyId::Prefix(_))) {
        return None;
    }
    let front = text.get(..at)?.strip_suffix(prefix)?;
    let other = match choices.byte() % 8 {
        _ if prefix.is_empty() => choices.one(&["v1=", "sha256=", "v1,"]).to_owned(),
        0 => prefix.replace(|char: char| char.is_ascii_digit(), "9"),
        1 => prefix.replace(|char: char| char.is_ascii_digit(), "0"),
        2 => prefix.replace('1', "1a"),
        3 => prefix.replace('1', "10"),
        4 => format!("x{prefix}"),
        5 => prefix.repeat(2),
        6 => prefix.to_ascii_uppercase(),
        _ => String::new(),
    };
    // Nor is it an entry of its own, or the name of the time.
    let is_time = |sent_at: &SentAt| match &sent_at.field {
        Field::Parameter(name) => other.strip_prefix(&**name).is_some_and(|it| it.starts_with('=')),
        _ => false,
    };
    let is_two = scheme.signature.layout.separator().is_some_and(|it| other.contains(it));
    if other == prefix || is_two || scheme.sent_at.as_ref().is_some_and(is_time) {
        return None;
    }
    let new = format!("{front}{other}{}", text.get(at..)?);
    refused(
        with_signature(attack, genuine, new.as_bytes())?,
        Oracle::RefusesChanged,
        format!("its tag has `{other}` before it, not `{prefix}`"),
    )
}

/// The same bytes in base64 with another last digit, of which not all bits count.
pub(super) fn same_bytes(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, .. } = attempt;
    let encoding = attack.scheme.signature.encoding;
    let digits: &[u8] = match encoding {
        Encoding::Base64 => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        Encoding::Base64Url => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        _ => return None,
    };
    let (text, at) = find_tag(attack, genuine)?;
    let length = mac::encoded_len(attack.scheme.algorithm, encoding);
    let mut new = text.clone().into_bytes();
    let last = new.get_mut(at..at + length)?.iter_mut().rfind(|byte| **byte != b'=')?;
    let digit = digits.iter().position(|digit| digit == last)?;
    *last = *digits.get(digit ^ 1)?;
    let request = with_signature(attack, genuine, &new)?;
    refused(request, Oracle::RefusesRespelled, "its tag is the same bytes with another last digit")
}

/// The right tag among wrong ones, and among those of other versions.
pub(super) fn among_others(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let (text, at) = find_tag(attack, genuine)?;
    let scheme = &attack.scheme;
    if matches!(scheme.key_id, Some(KeyId::Prefix(_)))
        || matches!(scheme.sent_at, Some(SentAt { field: Field::Entry(_), .. }))
        || !scheme.signature.others.is_empty()
    {
        return None;
    }
    let prefix = &*scheme.signature.prefix;
    let length = mac::encoded_len(scheme.algorithm, scheme.signature.encoding);
    let tag = text.get(at..at + length)?;
    let wrong: String = tag.chars().rev().filter(|char| *char != '=').collect();
    let wrong = format!("{wrong}{}", "=".repeat(length.saturating_sub(wrong.len())));
    let (before, after) = (choices.below(4), choices.below(4));
    // A list may have other versions in it, a header of its own for each signature may not.
    let is_list = matches!(scheme.signature.layout, Layout::List(_) | Layout::SpacedList(_));
    let other = prefix.replace(|char: char| char.is_ascii_digit(), "9");
    let is_time = matches!(&scheme.sent_at, Some(SentAt { field: Field::Parameter(name), .. })
        if other.starts_with(&**name));
    let prefix_of_others = if is_list && !is_time && choices.one_in(2) { &other } else { prefix };
    let wrong = format!("{prefix_of_others}{wrong}");
    let front = text.get(..at)?.strip_suffix(prefix)?;
    let right = format!("{prefix}{tag}");
    let entries: Vec<&str> = std::iter::repeat_n(&*wrong, before)
        .chain([&*right])
        .chain(std::iter::repeat_n(&*wrong, after))
        .collect();
    let list = |separator: &str| {
        let list = format!("{front}{}{}", entries.join(separator), text.get(at + length..)?);
        with_signature(attack, genuine, list.as_bytes())
    };
    let request = match scheme.signature.layout {
        Layout::List(separator) => list(&separator.to_string())?,
        Layout::SpacedList(separator) => list(&format!("{separator} "))?,
        Layout::Repeated => {
            let mut request = genuine.request.clone();
            let name = scheme.signature.field.as_header()?;
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            request.headers_mut().remove(&name);
            for entry in &entries {
                request.headers_mut().append(&name, HeaderValue::from_str(entry).ok()?);
            }
            request
        }
        Layout::Numbered => {
            let mut request = genuine.request.clone();
            for (number, entry) in (1..).zip(&entries) {
                set_header(
                    &mut request,
                    &format!("{}{number}", scheme.signature.field.as_header()?),
                    entry,
                )?;
            }
            request
        }
        _ => return None,
    };
    let what = format!("the right signature stands behind {before} others and before {after}");
    Some(Move { request, what, expected: Expected::OneKey(Oracle::AcceptsGenuine) })
}
