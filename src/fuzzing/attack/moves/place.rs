//! Where a value is in a request, as text that can be read, replaced, or written a second time.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{set_header, target, text};
use crate::fuzzing::encoded;
use crate::scheme::{Field, Layout, Scheme, SentAt};

/// Where the signature is; the first of several.
pub(super) fn signature(scheme: &Scheme) -> Field {
    match (&scheme.signature.field, &scheme.items) {
        (Field::Header(name), _) if scheme.signature.layout == Layout::Numbered => {
            Field::Header(format!("{name}1").into())
        }
        (Field::Pointer(pointer), Some(items)) => {
            Field::Pointer(format!("{items}/0{pointer}").into())
        }
        (field, _) => field.clone(),
    }
}

/// Whether the signer writes the right one more than once, before a time that stands behind several.
pub(super) fn repeats_signature(scheme: &Scheme) -> bool {
    matches!(scheme.sent_at, Some(SentAt { field: Field::Entry(2..), .. }))
}

/// What the request has there.
pub(super) fn read(scheme: &Scheme, request: &Request<Bytes>, field: &Field) -> Option<String> {
    match field {
        Field::Header(name) => text(request, name),
        Field::Parameter(_) | Field::Entry(_) => {
            let (_, list, at) = entry(scheme, request, field)?;
            list.get(at).map(str::to_owned)
        }
        Field::Query(name) => parameter(request.uri().query()?, name).map(|(_, value)| value),
        Field::Form(name) => parameter(form(request)?, name).map(|(_, value)| value),
        Field::Pointer(pointer) | Field::Integer(pointer) => {
            let json: Value = serde_json::from_slice(request.body()).ok()?;
            match json.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }
        }
        Field::FirstOf(_) => None,
    }
}

/// The same request with something else there.
pub(super) fn replaced(
    scheme: &Scheme,
    genuine: &Request<Bytes>,
    field: &Field,
    new: &[u8],
) -> Option<Request<Bytes>> {
    let mut request = genuine.clone();
    let as_text = || std::str::from_utf8(new).ok();
    match field {
        Field::Header(name) => set_header(&mut request, name, new)?,
        Field::Parameter(_) | Field::Entry(_) => {
            let (header, list, at) = entry(scheme, genuine, field)?;
            let list = format!("{}{}{}", list.get(..at.start)?, as_text()?, list.get(at.end..)?);
            set_header(&mut request, header, list)?;
        }
        Field::Query(name) => {
            let query = with_parameter(genuine.uri().query()?, name, as_text()?)?;
            target::set_query(&mut request, &query)?;
        }
        Field::Form(name) => {
            *request.body_mut() = with_parameter(form(genuine)?, name, as_text()?)?.into();
        }
        Field::Pointer(_) | Field::Integer(_) => {
            // As it is written there, and nothing else.
            let old = Value::from(read(scheme, genuine, field)?).to_string();
            let body = form(genuine)?;
            let other = body.replacen(&old, &Value::from(as_text()?).to_string(), 1);
            if other == body {
                return None;
            }
            *request.body_mut() = other.into();
        }
        Field::FirstOf(_) => return None,
    }
    Some(request)
}

/// The same request with something else there as well, first or last.
pub(super) fn doubled(
    scheme: &Scheme,
    genuine: &Request<Bytes>,
    field: &Field,
    other: &str,
    is_first: bool,
) -> Option<Request<Bytes>> {
    let mut request = genuine.clone();
    let joined = |one: &str, separator: char, other: &str| match is_first {
        true => format!("{other}{separator}{one}"),
        false => format!("{one}{separator}{other}"),
    };
    let with_pair = |pairs: &str, name: &str| {
        parameter(pairs, name)?;
        Some(joined(pairs, '&', &format!("{}={}", encoded(name), encoded(other))))
    };
    match field {
        Field::Header(name) => {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let (right, other) =
                (genuine.headers().get(&name)?.clone(), HeaderValue::from_str(other).ok()?);
            let (first, second) = if is_first { (other, right) } else { (right, other) };
            request.headers_mut().insert(&name, first);
            request.headers_mut().append(&name, second);
        }
        Field::Parameter(name) => {
            let header = scheme.signature.field.as_header()?;
            let list = joined(
                &text(genuine, header)?,
                scheme.signature.layout.separator()?,
                &format!("{name}={other}"),
            );
            set_header(&mut request, header, list)?;
        }
        Field::Query(name) => {
            let query = with_pair(genuine.uri().query()?, name)?;
            target::set_query(&mut request, &query)?;
        }
        Field::Form(name) => *request.body_mut() = with_pair(form(genuine)?, name)?.into(),
        _ => return None,
    }
    Some(request)
}

/// The header that has a list, the list, and where in it the value is.
fn entry<'s>(
    scheme: &'s Scheme,
    request: &Request<Bytes>,
    field: &Field,
) -> Option<(&'s str, String, Range<usize>)> {
    let header = scheme.signature.field.as_header()?;
    let list = text(request, header)?;
    let separator = scheme.signature.layout.separator()?;
    let mut start = 0;
    for (number, entry) in list.split(separator).enumerate() {
        let value = entry.trim_start();
        let value = match field {
            Field::Parameter(name) => {
                value.strip_prefix(&**name).and_then(|value| value.strip_prefix('='))
            }
            Field::Entry(at) if *at == number => Some(value),
            _ => None,
        };
        if let Some(value) = value {
            let end = start + entry.len();
            return Some((header, list.clone(), end - value.len()..end));
        }
        start += entry.len() + separator.len_utf8();
    }
    None
}

fn form(request: &Request<Bytes>) -> Option<&str> {
    std::str::from_utf8(request.body()).ok()
}

/// Where the value of a parameter is, and what it is.
fn parameter(pairs: &str, name: &str) -> Option<(Range<usize>, String)> {
    let mut start = 0;
    for pair in pairs.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8().map(String::from).ok()
        };
        if decoded(key)? == name {
            let at = start + pair.len() - value.len();
            return Some((at..at + value.len(), decoded(value)?));
        }
        start += pair.len() + 1;
    }
    None
}

/// The pairs with another value of that name.
fn with_parameter(pairs: &str, name: &str, value: &str) -> Option<String> {
    let (at, _) = parameter(pairs, name)?;
    Some(format!("{}{}{}", pairs.get(..at.start)?, encoded(value), pairs.get(at.end..)?))
}
