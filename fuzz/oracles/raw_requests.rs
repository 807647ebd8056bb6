//! A raw request in a file: it is refused, or has the file's method, path, headers and body, and what is printed of it
//! is read as the same request. JSON in it says the same in each spelling that `inhook doctor` tries.

use serde_json::Value;

use crate::request::{Captured, parse};
use crate::rewrite::{Escapes, Style, rewrite};

pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(captured) = parse(data) else { return false };
    assert_eq!(Written::of(data), Some(Written::from(&captured)), "{}", data.escape_ascii());
    let request = &captured.request;
    let mut printed = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    for (name, value) in request.headers() {
        printed.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    printed.extend_from_slice(b"\r\n");
    printed.extend_from_slice(request.body());
    let again = parse(&printed).expect("a request that was read before").request;
    assert_eq!(again.method(), request.method());
    assert_eq!(again.uri(), request.uri());
    assert_eq!(again.headers(), request.headers());
    assert_eq!(again.body(), request.body());
    respelled(request.body());
    true
}

/// What is in the file, read line by line.
#[derive(Debug, PartialEq)]
struct Written {
    method: String,
    /// Without a fragment, which goes to no server; `None` where it is no path.
    target: Option<String>,
    /// By their names, which are in lower case.
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    is_length_wrong: bool,
}

impl Written {
    fn of(data: &[u8]) -> Option<Self> {
        let end = data.windows(4).position(|window| window == b"\r\n\r\n")?;
        let body = data[end + 4..].to_vec();
        let lines = data[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        // A server skips empty lines at the beginning.
        let mut lines = lines.skip_while(|line| line.is_empty());
        let first = String::from_utf8(lines.next()?.to_vec()).ok()?;
        let [method, target, "HTTP/1.0" | "HTTP/1.1"] = first.split(' ').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            Some((String::from_utf8(name.to_ascii_lowercase()).ok()?, value.to_vec()))
        };
        let headers = lines.map(header).collect::<Option<Vec<_>>>()?;
        let length = body.len().to_string().into_bytes();
        let is_length_wrong =
            headers.iter().any(|(name, value)| name == "content-length" && *value != length);
        let method = method.to_owned();
        Some(Self { method, target: path(target), headers, body, is_length_wrong }.sorted())
    }

    fn from(captured: &Captured) -> Self {
        let request = &captured.request;
        let headers = request.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        Self {
            method: request.method().to_string(),
            target: path(&request.uri().to_string()),
            headers: headers.collect(),
            body: request.body().to_vec(),
            is_length_wrong: captured.wrong_length.is_some(),
        }
        .sorted()
    }

    /// Those of one name stay in their order.
    fn sorted(mut self) -> Self {
        self.headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        self
    }
}

fn path(target: &str) -> Option<String> {
    let path = target.split('#').next()?;
    path.starts_with('/').then(|| path.to_owned())
}

/// JSON in other spellings is the same JSON.
fn respelled(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    for style in Style::ALL {
        for escapes in Escapes::ALL {
            let Some(other) = rewrite(text, style, escapes) else { continue };
            let read = serde_json::from_slice::<Value>(&other).expect("JSON, in another spelling");
            assert_eq!(read, value, "{}", other.escape_ascii());
        }
    }
}
