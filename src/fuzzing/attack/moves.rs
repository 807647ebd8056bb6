//! What somebody makes of a genuine request.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::Attack;
use super::genuine::{Genuine, out_of_time};
use crate::fuzzing::choices::Choices;
use crate::fuzzing::finding::Oracle;
use crate::scheme::{
    Algorithm, Encoding, Field, Identity, KeyId, Layout, Part, Scheme, SentAt, TimeFormat,
};
use crate::verify::mac;

/// A request that is made of a genuine one, and what has to become of it.
pub(super) struct Move {
    pub(super) request: Request<Bytes>,
    pub(super) what: String,
    pub(super) expected: Expected,
}

/// What has to become of a request; otherwise this does not hold.
pub(super) enum Expected {
    Refused(Oracle),
    /// Accepted, with the key of the genuine one.
    OneKey(Oracle),
    /// Accepted, with another key.
    TwoKeys(Oracle),
    /// Whatever it is, no other delivery.
    OneKeyIfAny,
}

type Make = fn(&Attack, &Genuine, SystemTime, &mut Choices<'_>) -> Option<Move>;

/// Everything that is tried.
pub(super) const MOVES: [Make; 18] = [
    again,
    another,
    out_of_tolerance,
    signed_with_another_key,
    signed_with_another_algorithm,
    tag,
    version,
    among_others,
    repeated,
    missing,
    time_respelled,
    cut_otherwise,
    body,
    body_respelled,
    signed_header,
    unsigned_header,
    unrelated,
    tag,
];

fn refused(request: Request<Bytes>, oracle: Oracle, what: impl Into<String>) -> Option<Move> {
    Some(Move { request, what: what.into(), expected: Expected::Refused(oracle) })
}

/// The partner's next attempt.
fn again(
    attack: &Attack,
    genuine: &Genuine,
    now: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let later = Genuine::new(attack, now, choices)?.sent_at;
    let content = genuine.content.clone();
    let request = Genuine::sign(attack, &attack.signer, content, later)?.request;
    let what = "the same message, signed again".into();
    Some(Move { request, what, expected: Expected::OneKey(Oracle::AcceptsGenuine) })
}

/// Another message of the partner.
fn another(attack: &Attack, genuine: &Genuine, _: SystemTime, _: &mut Choices<'_>) -> Option<Move> {
    let scheme = &attack.scheme;
    let content = genuine.content.other();
    let other = Genuine::sign(attack, &attack.signer, content, genuine.sent_at)?;
    let tells_apart = match &scheme.identity {
        Identity::Fields(fields) => scheme.id.as_ref().is_some_and(|id| fields.contains(id)),
        Identity::UnsignedId => true,
        _ => scheme.covers_body(),
    };
    let is_sure = tells_apart && other.is_complete && genuine.is_complete;
    let what = "another message".into();
    let expected = Expected::TwoKeys(Oracle::AcceptsGenuine);
    is_sure.then_some(Move { request: other.request, what, expected })
}

fn out_of_tolerance(
    attack: &Attack,
    genuine: &Genuine,
    now: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let time = out_of_time(&attack.scheme, now, choices)?;
    let content = genuine.content.clone();
    let request = Genuine::sign(attack, &attack.signer, content, time)?.request;
    let away = match now.duration_since(time) {
        Ok(age) => format!("it was signed {} s ago", age.as_secs()),
        Err(error) => format!("it says that it is signed in {} s", error.duration().as_secs()),
    };
    refused(request, Oracle::RefusesStale, away)
}

/// With a key that anybody can guess.
fn signed_with_another_key(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let (key, what): (&[u8], &str) = choices.one(&[
        (b"".as_slice(), "an empty key"),
        (b"secret".as_slice(), "the key `secret`"),
        (b"null".as_slice(), "the key `null`"),
        (b"undefined".as_slice(), "the key `undefined`"),
        (b"whsec_".as_slice(), "the key `whsec_`"),
    ]);
    let key = mac::Key::new(attack.scheme.algorithm, key);
    let forger = attack.signer.with_key(key);
    let request = Genuine::sign(attack, &forger, genuine.content.clone(), genuine.sent_at)?.request;
    refused(request, Oracle::RefusesForged, format!("it is signed with {what}"))
}

/// With the right key, by another algorithm, and saying so.
fn signed_with_another_algorithm(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let names = [
        (Algorithm::HmacSha1, "sha1"),
        (Algorithm::HmacSha256, "sha256"),
        (Algorithm::HmacSha512, "sha512"),
    ];
    let (algorithm, name) = choices.one(&names);
    let (_, own) = names.into_iter().find(|(own, _)| *own == attack.scheme.algorithm)?;
    if algorithm == attack.scheme.algorithm {
        return None;
    }
    let forger = attack.signer.with_algorithm(algorithm, &attack.secret)?;
    let mut request =
        Genuine::sign(attack, &forger, genuine.content.clone(), genuine.sent_at)?.request;
    // A text that names the algorithm does so in the prefix.
    if let Some(header) = attack.scheme.signature.field.as_header() {
        let text = text(&request, header)?.replacen(own, name, 1);
        set(&mut request, header, &text)?;
    }
    refused(request, Oracle::RefusesForged, format!("it is signed by HMAC-{name}"))
}

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
fn tag(
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
fn version(
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

/// The right tag among wrong ones, and those of other versions.
fn among_others(
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

/// The headers that are signed, and that of the signature.
fn signed_headers(attack: &Attack) -> Vec<&str> {
    let scheme = &attack.scheme;
    let signed = scheme.content.iter().filter_map(|part| header_of(scheme, part));
    scheme.signature.field.as_header().into_iter().chain(signed).collect()
}

fn header_of<'s>(scheme: &'s Scheme, part: &'s Part) -> Option<&'s str> {
    match part {
        Part::Id => scheme.id.as_ref()?.as_header(),
        Part::SentAt => scheme.sent_at.as_ref()?.field.as_header(),
        Part::Field(field) => field.as_header(),
        _ => None,
    }
}

fn repeated(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
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

fn missing(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
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

/// The same time, written otherwise.
fn time_respelled(
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
fn cut_otherwise(
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
        let value = match (part, parts.peek()) {
            (Part::Literal(text), _) => {
                rest = rest.strip_prefix(text.as_bytes())?;
                continue;
            }
            (_, None) => std::mem::take(&mut rest),
            // Up to one of the places where what follows it could begin.
            (_, Some(Part::Literal(next))) => {
                let next = next.as_bytes();
                let ends = rest.windows(next.len().max(1)).enumerate();
                let ends: Vec<usize> =
                    ends.filter(|(_, it)| *it == next).map(|(at, _)| at).collect();
                let (value, after) = rest.split_at(choices.one(ends.first().map(|_| &*ends)?));
                rest = after;
                value
            }
            _ => return None,
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
    refused(request, Oracle::RefusesChanged, "the signed bytes are cut in another way")
}

fn body(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let old = genuine.request.body();
    let at = choices.below(old.len() + 1);
    let (front, rest) = old.split_at(at);
    let after = rest.get(1..).unwrap_or_default();
    let byte = choices.byte();
    let new = match choices.byte() % 4 {
        0 => [front, &[rest.first()? ^ byte.max(1)], after].concat(),
        1 => [front, &[byte], rest].concat(),
        2 => [front, after].concat(),
        _ => front.to_vec(),
    };
    changed_body(attack, genuine, new, Oracle::RefusesChanged, "the body was changed")
}

/// JSON that says the same, or a text with another end of its lines.
fn body_respelled(
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

/// Whether a delivery is told from others by an id that nobody signs.
fn binds_id(attack: &Attack) -> bool {
    matches!(attack.scheme.identity, Identity::IdAndContent | Identity::UnsignedId)
        || !attack.scheme.dangerously_allow.is_empty()
}

fn signed_header(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let headers = signed_headers(attack);
    let signature = attack.scheme.signature.field.as_header();
    let headers: Vec<&str> = headers.into_iter().filter(|it| Some(*it) != signature).collect();
    let header = choices.one(headers.first().map(|_| &*headers)?);
    let old = text(&genuine.request, header)?;
    let at = choices.below(old.len() + 1);
    let byte = match choices.rarely(2) {
        true => choices.byte(),
        false => choices.one(b"015a.:-"),
    };
    let (front, rest) = old.as_bytes().split_at_checked(at)?;
    let after = rest.get(1..).unwrap_or_default();
    let new = match choices.byte() % 3 {
        0 => [front, &[byte], after].concat(),
        1 => [front, &[byte], rest].concat(),
        _ => [front, after].concat(),
    };
    if new == old.as_bytes() {
        return None;
    }
    let mut request = genuine.request.clone();
    set(&mut request, header, new)?;
    refused(request, Oracle::RefusesChanged, format!("header `{header}` was `{old}`"))
}

/// An id or an event type that nobody signs.
fn unsigned_header(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let scheme = &attack.scheme;
    let signed = signed_headers(attack);
    let id = scheme.id.as_ref().filter(|_| !binds_id(attack)).and_then(Field::as_header);
    let events = scheme.events().iter().filter_map(Field::as_header);
    let others: Vec<&str> =
        id.into_iter().chain(events).filter(|it| !signed.contains(it)).collect();
    let header = choices.one(others.first().map(|_| &*others)?);
    let mut request = genuine.request.clone();
    set(&mut request, header, choices.one(&["other", "1", "x-y"]))?;
    let what = format!("header `{header}`, which nobody signs, has another value");
    Some(Move { request, what, expected: Expected::OneKeyIfAny })
}

/// What no scheme knows, and another order.
fn unrelated(
    _: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let old = genuine.request.headers();
    let mut headers = HeaderMap::new();
    let more = choices.one(&[
        ("x-forwarded-for", "203.0.113.7"),
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

fn text(request: &Request<Bytes>, header: &str) -> Option<String> {
    request.headers().get(header)?.to_str().ok().map(str::to_owned)
}

/// Another value; `None` if none can arrive like that: without spaces at its ends, RFC 9110, section 5.5.
fn set(request: &mut Request<Bytes>, header: &str, value: impl AsRef<[u8]>) -> Option<()> {
    let name = HeaderName::from_bytes(header.as_bytes()).ok()?;
    let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| b" \t".contains(byte));
    let value = value.as_ref();
    if is_space(value.first()) || is_space(value.last()) {
        return None;
    }
    request.headers_mut().insert(name, HeaderValue::from_bytes(value).ok()?);
    Some(())
}
