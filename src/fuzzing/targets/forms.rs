//! Forms, read by an independent program, and as a partner signs them.

use std::sync::Arc;

use bytes::Bytes;

use super::fixtures::{Standing, URL};
use crate::fuzzing::choices::Choices;
use crate::fuzzing::receiver::verify;
use crate::scheme::presets::TWILIO;
use crate::sign::{Message, Signer};
use crate::verify::{Verifier, form};

/// Names with their values, in their order.
pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
/// The parameters of a header.
type Pieces = Vec<(String, String)>;

pub(super) fn check(data: &[u8]) -> bool {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (kind, body) = data.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let read = form::url_encoded(body).ok().map(|form| owned(&form));
    assert_eq!(read, pairs(body), "another program reads {:?}", String::from_utf8_lossy(body));

    let in_parts = form::parameters(Some(kind), body).ok().map(|form| owned(&form));
    assert_eq!(in_parts, in_either(Some(kind), body), "{}", data.escape_ascii());
    if let Some(pairs) = &read {
        sorted(body, pairs);
        written(pairs, kind);
    }
    read.is_some() && in_parts.is_some()
}

/// The pairs of a form in parts, if the content type says that it is one, or of one that is not.
pub(super) fn in_either(kind: Option<&[u8]>, body: &[u8]) -> Option<Pairs> {
    match kind.and_then(boundary) {
        Some(boundary) => parts(&boundary, body),
        None => pairs(body),
    }
}

fn boundary(kind: &[u8]) -> Option<String> {
    let (name, parameters) = head(std::str::from_utf8(kind).ok()?)?;
    let boundary = parameters.into_iter().find(|(name, _)| name == "boundary")?.1;
    let fits = name == "multipart/form-data" && (1..=70).contains(&boundary.len());
    fits.then_some(boundary)
}

/// The value of a header and the parameters behind it, letter by letter: what is between quotes separates
/// nothing.
fn head(text: &str) -> Option<(String, Pieces)> {
    let (value, rest) = text.split_once(';')?;
    let (mut pieces, mut quoted) = (vec![String::new()], false);
    for char in rest.chars() {
        quoted ^= char == '"';
        match pieces.last_mut() {
            Some(piece) if quoted || char != ';' => piece.push(char),
            _ => pieces.push(String::new()),
        }
    }
    let pair = |piece: String| {
        let at = piece.find('=')?;
        let text = piece[at + 1..].trim();
        let is_quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
        let text = if is_quoted { &text[1..text.len() - 1] } else { text };
        Some((piece[..at].trim().to_ascii_lowercase(), text.to_owned()))
    };
    Some((value.trim().to_ascii_lowercase(), pieces.into_iter().filter_map(pair).collect()))
}

/// The pairs of a form in parts, line by line.
fn parts(boundary: &str, body: &[u8]) -> Option<Pairs> {
    let begin = format!("--{boundary}").into_bytes();
    let lines = lines(body);
    let mut lines = lines.into_iter().skip_while(|line| !line.starts_with(&begin)).peekable();
    let mut pairs = Vec::new();
    loop {
        let line = lines.next()?;
        match line.strip_prefix(begin.as_slice())? {
            b"--" => return Some(pairs),
            // Another line follows it.
            b"" if lines.peek().is_some() && pairs.len() < 1000 => {}
            _ => return None,
        }
        // The first line is no end: a part has a header.
        let mut part = vec![lines.next()?];
        while let Some(line) = lines.next_if(|line| !line.starts_with(&begin)) {
            part.push(line);
        }
        let end = part.iter().skip(1).position(|line| line.is_empty())? + 1;
        let value = part.get(end + 1..).filter(|lines| !lines.is_empty())?.join(&b"\r\n"[..]);
        let fields = part.get(..end)?.iter().map(|line| std::str::from_utf8(line));
        let fields: Vec<&str> = fields.collect::<Result<_, _>>().ok()?;
        let disposition = fields.into_iter().find_map(|field| {
            let (name, value) = field.split_once(':')?;
            name.eq_ignore_ascii_case("content-disposition").then_some(value)
        })?;
        let (kind, parameters) = head(disposition)?;
        let name = parameters.into_iter().find(|(name, _)| name == "name")?.1;
        if kind != "form-data" {
            return None;
        }
        pairs.push((name.into_bytes(), value));
    }
}

/// What stands between each two line ends, and before and behind them.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        if text.get(at..at + 2) == Some(b"\r\n") {
            lines.extend(text.get(start..at));
            start = at + 2;
            at += 1;
        }
        at += 1;
    }
    lines.extend(text.get(start..));
    lines
}

/// A form that is written in parts is read as what was written, in that order; with another boundary, or
/// without its end, it is none. The data chooses how it is written, and one byte that is changed, added or left out
/// then.
fn written(pairs: &Pairs, data: &[u8]) {
    let mut choices = Choices(data);
    let (boundary, kind) = choices.one(&[
        ("b", "multipart/form-data; boundary=b"),
        ("--", "Multipart/Form-Data;a=1; BOUNDARY=--"),
        ("a; b", "multipart/form-data; boundary=\"a; b\""),
    ]);
    let (front, field, back) = (
        choices.one(&["", "preamble\r\n", "\r\n"]),
        choices.one(&[
            "Content-Disposition: form-data; name=\"$\"",
            "content-type: a/b\r\ncontent-disposition:form-data;filename=\";\"; NAME=\"$\"",
        ]),
        choices.one(&["", "\r\n", "\r\nepilogue"]),
    );
    // In quotes there are neither quotes nor line ends, and no text is written that ends the part.
    let begin = format!("--{boundary}");
    let is_safe = |(name, value): &&(Vec<u8>, Vec<u8>)| {
        let lines = lines(value);
        std::str::from_utf8(name).is_ok_and(|name| !name.contains(['"', '\r', '\n']))
            && !lines.iter().any(|line| line.starts_with(begin.as_bytes()))
    };
    let pairs: Pairs = pairs.iter().filter(is_safe).cloned().collect();
    let mut body = front.as_bytes().to_vec();
    for (name, value) in &pairs {
        let (before, after) = field.split_once('$').expect("a name");
        for text in [
            begin.as_bytes(),
            b"\r\n",
            before.as_bytes(),
            name,
            after.as_bytes(),
            b"\r\n\r\n",
            value,
            b"\r\n",
        ] {
            body.extend_from_slice(text);
        }
    }
    body.extend_from_slice(format!("{begin}--{back}").as_bytes());

    let read = |kind: &str, body: &[u8]| {
        let content_type = Some(kind.as_bytes());
        let read = form::parameters(content_type, body).ok().map(|form| owned(&form));
        assert_eq!(read, in_either(content_type, body), "{kind}: {}", body.escape_ascii());
        read
    };
    assert_eq!(read(kind, &body), Some(pairs), "{kind}: {}", body.escape_ascii());
    let end = body.len() - back.len() - 2;
    assert_eq!(read(kind, &body[..end]), None, "no end: {}", body.escape_ascii());
    let other = format!("multipart/form-data; boundary=\"{boundary}another\"");
    assert_eq!(read(&other, &body), None, "another boundary: {}", body.escape_ascii());
    let at = choices.below(body.len());
    match choices.below_byte(3) {
        0 => body[at] ^= choices.byte(),
        1 => body.insert(at, choices.byte()),
        _ => drop(body.remove(at)),
    }
    read(kind, &body);
}

fn owned(form: &[form::Parameter<'_>]) -> Pairs {
    form.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// The pairs of a form, by a loop over its bytes; `None` for an empty pair or too many of them.
pub(super) fn pairs(text: &[u8]) -> Option<Pairs> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut pairs = Vec::new();
    for pair in text.split(|byte| *byte == b'&') {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match at {
            Some(at) => (pair.get(..at)?, pair.get(at + 1..)?),
            None => (pair, b"".as_slice()),
        };
        if pair.is_empty() {
            return None;
        }
        pairs.push((decoded(name), decoded(value)));
    }
    (pairs.len() <= 1000).then_some(pairs)
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        bytes.push(match (byte, digit(text.get(at)), digit(text.get(at + 1))) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                u8::try_from(high * 16 + low).expect("two digits")
            }
            (b'+', ..) => b' ',
            (byte, ..) => *byte,
        });
    }
    bytes
}

/// A form that is signed by its names and values is the same in any order and spelling, and each pair
/// counts once.
fn sorted(body: &[u8], pairs: &Pairs) {
    let secret = "a secret of at least sixteen bytes";
    let signer = Signer::for_url(TWILIO, secret, URL).expect("a preset");
    let builder = Verifier::builder("forms", TWILIO, secret).url(URL).clock(Arc::new(Standing));
    let verifier = builder.build().expect("a preset");
    let signed = signer.request(&Message::new(body.to_vec()).id("1")).expect("a form");
    let key = |body: Vec<u8>| {
        let mut request = signed.clone();
        *request.body_mut() = Bytes::from(body);
        verify(&verifier, request).map(|delivery| delivery.key())
    };
    let first = key(body.to_vec());
    assert!(first.is_ok(), "a signed form was refused: {first:?}");
    let hex = |text: &[u8]| text.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let spelled = pairs.iter().rev().chain(pairs.first());
    let spelled = spelled.map(|(name, value)| format!("{}={}", hex(name), hex(value)));
    let other: Vec<String> = spelled.collect();
    if pairs.len() < 1000 && !pairs.is_empty() {
        assert_eq!(key(other.join("&").into_bytes()), first, "the same form, in another order");
        let mut more = body.to_vec();
        more.extend_from_slice(b"&a%00fuzzed=1");
        assert!(key(more).is_err(), "a form with another pair was accepted");
    }
}
