//! A request as text: how it is read, and what is made of it.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri};

use super::super::capture;
use crate::fuzzing::choices::Choices;

/// The first line, the headers with the empty line behind them, and the body.
pub(super) fn split(text: &[u8]) -> [&[u8]; 3] {
    let line_end = |text: &[u8]| text.iter().position(|byte| *byte == b'\n');
    let (line, rest) = text.split_at(line_end(text).map_or(text.len(), |at| at + 1));
    let mut end = 0;
    while let Some(length) = line_end(&rest[end..]) {
        end += length + 1;
        if length == 0 {
            break;
        }
    }
    let (head, body) = rest.split_at(end);
    [line, head, body]
}

/// `None` if the first line is not a method and where it goes. Lines that are no headers do not count.
pub(super) fn parse(text: &[u8]) -> Option<Request<Bytes>> {
    let [line, head, body] = split(text);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let space = line.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = Method::from_bytes(&line[..space]).ok()?;
    *request.uri_mut() = Uri::try_from(&line[space + 1..]).ok()?;
    for (name, value) in head.split(|byte| *byte == b'\n').filter_map(capture::header) {
        let value: Vec<u8> =
            value.chars().map(|char| u8::try_from(char).expect("a byte")).collect();
        let value = HeaderValue::from_bytes(&value).expect("it was one when it was read");
        request.headers_mut().append(name, value);
    }
    Some(request)
}

/// The text with another bit at a place.
pub(super) fn flip(text: &[u8], at: usize) -> Vec<u8> {
    let mut flipped = text.to_vec();
    flipped[at] ^= 1 << (at % 8);
    flipped
}

/// The text with each of these in place of what stands for them, in their order; the last one for all that
/// are left.
pub(super) fn replaced(text: &[u8], name: &str, with: &[&str]) -> Vec<u8> {
    let (mut all, mut rest, mut with) = (Vec::new(), text, with.iter().peekable());
    while let Some(at) = rest.windows(name.len()).position(|part| part == name.as_bytes()) {
        all.extend_from_slice(&rest[..at]);
        let last = with.peek().map_or("", |text| text);
        all.extend_from_slice(last.as_bytes());
        if with.len() > 1 {
            with.next();
        }
        rest = &rest[at + name.len()..];
    }
    all.extend_from_slice(rest);
    all
}

/// What is put into a request here and there.
const WORDS: [&str; 32] = [
    "$tag",
    "$old",
    "$sha",
    "\n",
    "\n\n",
    " ",
    ",",
    ", ",
    "&",
    "=",
    "?",
    "%24",
    "%",
    "+",
    "|",
    ".",
    ":",
    "0",
    "1",
    "\"",
    "\\u0061",
    "v1=",
    "v1=$tag,",
    "t=1768469400,",
    "&s=$tag",
    "&a=1",
    "\"a\":\"2\",",
    "x-signature: $tag\n",
    "x-a: 1\n",
    "content-type: multipart/form-data; boundary=b\n",
    "\u{e9}",
    "{}",
];

impl Choices<'_> {
    /// The text after a few edits, and whether there were any.
    pub(super) fn edited(&mut self, mut text: Vec<u8>) -> (Vec<u8>, bool) {
        let before = text.clone();
        for _ in 0..self.below_byte(4) {
            let kind = self.below_byte(6);
            let at = self.below(text.len() + 1);
            let line = |text: &[u8], at: usize| {
                let start =
                    text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |it| it + 1);
                let end = text[at..].iter().position(|byte| *byte == b'\n');
                (start, end.map_or(text.len(), |length| at + length + 1))
            };
            match kind {
                0 | 1 => {
                    let word = self.one(&WORDS);
                    text.splice(at..at, word.bytes());
                }
                2 => {
                    let end = (at + 1 + self.below_byte(8)).min(text.len());
                    text.drain(at.min(end)..end);
                }
                3 => text[at.saturating_sub(1)] ^= self.byte(),
                // A line once more, or at another place.
                4 => {
                    let (start, end) = line(&text, at);
                    let again = text[start..end].to_vec();
                    let (to, _) = line(&text, self.below(text.len() + 1));
                    text.splice(to..to, again);
                }
                _ => {
                    let (start, end) = line(&text, at);
                    let moved: Vec<u8> = text.drain(start..end).collect();
                    let (to, _) = line(&text, self.below(text.len() + 1));
                    text.splice(to..to, moved);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        let is_edited = text != before;
        (text, is_edited)
    }
}
