//! Where the signature and the time are, as texts that can be replaced.
#![allow(clippy::arithmetic_side_effects, reason = "positions are in the text that they are of")]

use std::ops::Range;

use bytes::Bytes;
use http::Request;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::{set, target, text};
use crate::scheme::{Field, Layout, Scheme, SentAt};

/// The text of the signature, with its prefix; the first of several.
pub(super) fn signature(scheme: &Scheme, request: &Request<Bytes>) -> Option<String> {
    match &scheme.signature.field {
        Field::Header(_) => text(request, &header(scheme)?),
        Field::Query(name) => parameter(request.uri().query()?, name).map(|(_, value)| value),
        Field::Form(name) => {
            let body = std::str::from_utf8(request.body()).ok()?;
            parameter(body, name).map(|(_, value)| value)
        }
        Field::Pointer(pointer) => {
            let json: Value = serde_json::from_slice(request.body()).ok()?;
            let pointer = match &scheme.items {
                Some(items) => format!("{items}/0{pointer}"),
                None => pointer.to_string(),
            };
            json.pointer(&pointer)?.as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// The same request with another signature.
pub(super) fn with_signature(
    scheme: &Scheme,
    genuine: &Request<Bytes>,
    old: &str,
    new: &[u8],
) -> Option<Request<Bytes>> {
    let mut request = genuine.clone();
    match &scheme.signature.field {
        Field::Header(_) => set(&mut request, &header(scheme)?, new)?,
        Field::Query(name) => {
            let query = request.uri().query()?;
            let (at, _) = parameter(query, name)?;
            let query = replaced(query, at, std::str::from_utf8(new).ok()?)?;
            target::set_query(&mut request, &query)?;
        }
        Field::Form(name) => {
            let body = std::str::from_utf8(request.body()).ok()?;
            let (at, _) = parameter(body, name)?;
            *request.body_mut() = replaced(body, at, std::str::from_utf8(new).ok()?)?.into();
        }
        Field::Pointer(_) => {
            // As it is written there, and nothing else.
            let body = std::str::from_utf8(request.body()).ok()?;
            let [old, new] =
                [old, std::str::from_utf8(new).ok()?].map(|it| Value::from(it).to_string());
            let other = body.replacen(&old, &new, 1);
            if other == body {
                return None;
            }
            *request.body_mut() = other.into();
        }
        _ => return None,
    }
    Some(request)
}

/// The header of the signature, or of the first of several.
pub(super) fn header(scheme: &Scheme) -> Option<String> {
    let name = scheme.signature.field.as_header()?;
    Some(match scheme.signature.layout {
        Layout::Numbered => format!("{name}1"),
        _ => name.to_owned(),
    })
}

/// The header that has the time, its text, and where in it the time is.
pub(super) fn time(
    scheme: &Scheme,
    request: &Request<Bytes>,
) -> Option<(String, String, Range<usize>)> {
    let SentAt { field, .. } = scheme.sent_at.as_ref()?;
    match field {
        Field::Header(header) => {
            let text = text(request, header)?;
            let all = 0..text.len();
            Some((header.to_string(), text, all))
        }
        Field::Parameter(name) => {
            let header = scheme.signature.field.as_header()?;
            let text = text(request, header)?;
            let (Layout::List(separator)
            | Layout::SpacedList(separator)
            | Layout::Lists(separator)) = scheme.signature.layout
            else {
                return None;
            };
            let mut start = 0;
            for entry in text.split(separator) {
                let spaces = entry.len() - entry.trim_start().len();
                if let Some(value) = entry.trim_start().strip_prefix(&format!("{name}=")) {
                    let start = start + spaces + name.len() + 1;
                    return Some((header.to_owned(), text.clone(), start..start + value.len()));
                }
                start += entry.len() + separator.len_utf8();
            }
            None
        }
        _ => None,
    }
}

/// Where the value of a parameter is, and what it is.
pub(super) fn parameter(pairs: &str, name: &str) -> Option<(Range<usize>, String)> {
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

/// The pairs with another value there.
pub(super) fn replaced(pairs: &str, at: Range<usize>, value: &str) -> Option<String> {
    let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
    Some(format!("{}{value}{}", pairs.get(..at.start)?, pairs.get(at.end..)?))
}
