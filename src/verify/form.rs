//! Parameters of a query and of a form in a body. They are read before the MAC holds, so nothing
//! in them is trusted, and what has two meanings is refused.

use std::borrow::Cow;

use memchr::memmem::find;
use percent_encoding::percent_decode;

/// How many parameters a form may have.
const MAX_PARAMETERS: usize = 1000;

/// A name and its value, decoded.
pub(crate) type Parameter<'r> = (Cow<'r, [u8]>, Cow<'r, [u8]>);

/// What stands in the body is no form.
pub(crate) struct NotForm;

/// The parameters of a form in a body, in their order.
pub(crate) fn parameters<'r>(
    content_type: Option<&[u8]>,
    body: &'r [u8],
) -> Result<Vec<Parameter<'r>>, NotForm> {
    match content_type.and_then(boundary) {
        Some(boundary) => multipart(&boundary, body),
        None => url_encoded(body),
    }
}

/// The parameters of `name=value&…`, in their order
/// ([WHATWG URL](https://url.spec.whatwg.org/#application/x-www-form-urlencoded)). Empty ones, which
/// the standard skips, are refused: each list has one number of separators.
pub(crate) fn url_encoded(text: &[u8]) -> Result<Vec<Parameter<'_>>, NotForm> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut parameters = Vec::new();
    for pair in text.split(|byte| *byte == b'&') {
        if pair.is_empty() || parameters.len() == MAX_PARAMETERS {
            return Err(NotForm);
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        parameters.push((decode(name), decode(value)));
    }
    Ok(parameters)
}

/// The one value of a parameter; two of the name count as an error.
pub(crate) fn value<'p, 'r>(
    parameters: &'p [Parameter<'r>],
    name: &str,
) -> Result<Option<&'p Cow<'r, [u8]>>, NotForm> {
    let mut values = parameters.iter().filter(|(other, _)| **other == *name.as_bytes());
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(NotForm),
        (value, None) => Ok(value.map(|(_, value)| value)),
    }
}

/// Bytes, not text: an invalid sequence must not look like another one.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'+') {
        return percent_decode(text).into();
    }
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

/// The boundary of a `multipart/form-data` content type
/// ([RFC 7578](https://www.rfc-editor.org/rfc/rfc7578)).
fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let content_type = std::str::from_utf8(content_type).ok()?;
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=70).contains(&boundary.len()).then(|| boundary.as_bytes().to_vec())
}

/// The value of `name=value` or `name="value"` in the parameters of a header. A semicolon between quotes
/// separates nothing.
fn parameter<'h>(parameters: &'h str, name: &str) -> Option<&'h str> {
    let mut quoted = false;
    let separates = |char: char| {
        quoted ^= char == '"';
        char == ';' && !quoted
    };
    parameters.split(separates).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        key.trim().eq_ignore_ascii_case(name).then_some(quoted.unwrap_or(value))
    })
}

/// The parts of a multipart body.
fn multipart<'r>(boundary: &[u8], body: &'r [u8]) -> Result<Vec<Parameter<'r>>, NotForm> {
    let first = [b"--".as_slice(), boundary].concat();
    let delimiter = [b"\r\n".as_slice(), &first].concat();
    // Something may stand before the first and after the last one: RFC 2046, section 5.1.1.
    let start = match body.starts_with(&first) {
        true => first.len(),
        false => find(body, &delimiter).ok_or(NotForm)?.saturating_add(delimiter.len()),
    };
    let mut rest = body.get(start..).unwrap_or_default();
    let mut parameters = Vec::new();
    loop {
        if rest == b"--" || rest.starts_with(b"--\r\n") {
            return Ok(parameters);
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(NotForm)?;
        let end = find(part, &delimiter).ok_or(NotForm)?;
        let (part, after) = part.split_at(end);
        rest = after.get(delimiter.len()..).unwrap_or_default();
        if parameters.len() == MAX_PARAMETERS {
            return Err(NotForm);
        }
        parameters.push(part_of(part).ok_or(NotForm)?);
    }
}

fn part_of(part: &[u8]) -> Option<Parameter<'_>> {
    let end = find(part, b"\r\n\r\n")?;
    let (head, value) = (part.get(..end)?, part.get(end.saturating_add(4)..)?);
    let disposition = std::str::from_utf8(head).ok()?.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (kind, parameters) = disposition.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let name = parameter(parameters, "name")?;
    Some((Cow::Borrowed(name.as_bytes()), Cow::Borrowed(value)))
}
