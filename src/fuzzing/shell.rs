//! A request as it goes over the wire, and as commands for a POSIX shell.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request};

/// What a program takes as one argument, in bytes; those of a shell's own have no such bound.
const WORD: usize = 100_000;

/// The request as a command.
pub(super) fn curl(request: &Request<Bytes>) -> String {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let url = format!("http://127.0.0.1:3000{target}");
    let mut curl =
        format!("curl --globoff --max-time 10 {}", quoted(url.as_bytes()).unwrap_or_default());
    if request.method() != Method::POST {
        // With a body, curl POSTs it.
        curl.push_str(&format!(" --request {}", request.method()));
    }
    if !request.headers().contains_key(CONTENT_TYPE) {
        // Otherwise curl has one of its own.
        curl.push_str(" \\\n  --header 'content-type:'");
    }
    for (name, value) in sent(request) {
        // A header without a value is one that curl is told to leave out.
        let separator: &[u8] = if value.is_empty() { b";" } else { b": " };
        let header = [name.as_str().as_bytes(), separator, value.as_bytes()].concat();
        let header = match quoted(&header) {
            Some(header) => header,
            None => format!("\"$(printf '%b' {})\"", escaped(&header)),
        };
        curl.push_str(&format!(" \\\n  --header {header}"));
    }
    match quoted(request.body()).filter(|body| body.len() < WORD) {
        Some(body) => format!("{curl} \\\n  --data-raw {body}"),
        None => {
            format!("printf '%b' {} |\n{curl} \\\n  --data-binary @-", escaped(request.body()))
        }
    }
}

/// What stands before the body.
pub(super) fn head(request: &Request<Bytes>) -> Vec<u8> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut raw = format!("{} {target} HTTP/1.1\r\n", request.method()).into_bytes();
    for (name, value) in sent(request) {
        raw.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    raw.extend(format!("content-length: {}\r\n\r\n", request.body().len()).bytes());
    raw
}

/// The headers but for a length, which is that of the body wherever the request is sent to.
fn sent(request: &Request<Bytes>) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    request.headers().iter().filter(|(name, _)| *name != CONTENT_LENGTH)
}

/// A command that writes the request to a file, as it goes over the wire.
pub(super) fn printf(request: &Request<Bytes>, file: &str) -> String {
    // A word for each line of the head, and one for the body.
    let (head, body) = (head(request), request.body());
    let words = head.split_inclusive(|byte| *byte == b'\n').chain([&**body]).map(escaped);
    format!("printf '%b' \\\n  {} > {file}", words.collect::<Vec<_>>().join(" \\\n  "))
}

/// Text as one word of a shell, if it can be one.
pub(super) fn quoted(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    Some(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Any bytes as one word of a shell, of which `printf '%b'` makes them again.
fn escaped(bytes: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'\r' => r"\r".to_owned(),
        b'\n' => r"\n".to_owned(),
        b'\\' => r"\\".to_owned(),
        b'\'' => r"'\''".to_owned(),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\0{byte:03o}"),
    };
    format!("'{}'", bytes.iter().map(escape).collect::<String>())
}
