//! A raw HTTP/1.1 request in a file, as it went over the wire.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};

use crate::Failed;

/// More than any server takes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// A request that is an attack may have many.
const MAX_HEADERS: usize = 10_000;

/// A request, and how long its headers say that the body is, if that is not so.
pub(crate) struct Captured {
    pub(crate) request: Request<Bytes>,
    pub(crate) wrong_length: Option<WrongLength>,
}

/// The body is not as long as the headers say.
#[derive(Clone, Copy)]
pub(crate) struct WrongLength {
    /// What they say, if it is a number.
    pub(crate) declared: Option<usize>,
    have: usize,
}

impl WrongLength {
    /// How many bytes are missing, if any are.
    pub(crate) fn missing(self) -> Option<usize> {
        self.declared?.checked_sub(self.have).filter(|missing| *missing > 0)
    }
}

/// Reads a request that is all there; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Request<Bytes>, Failed> {
    let Captured { request, wrong_length } = capture(path)?;
    match wrong_length {
        None => Ok(request),
        Some(WrongLength { declared: Some(declared), have }) => Err(format!(
            "{}: content-length is {declared}, but the body has {have} bytes: {} (`inhook doctor` tries what that may have been)",
            shown(path),
            if have > declared { "something was added at its end" } else { "it was cut off" }
        )
        .into()),
        Some(_) => Err(format!("{}: content-length is not one number", shown(path)).into()),
    }
}

/// Reads a request, whatever its length.
pub(crate) fn capture(path: &Path) -> Result<Captured, Failed> {
    let bytes = bytes(path).map_err(|error| format!("{}: {error}", shown(path)))?;
    Ok(parse(&bytes).map_err(|problem| format!("{}: {problem}", shown(path)))?)
}

fn shown(path: &Path) -> String {
    match path == Path::new("-") {
        true => "standard input".into(),
        false => path.display().to_string(),
    }
}

/// The bytes of a file; `-` is standard input.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failed> {
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path)?),
    };
    source.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len())? > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes").into());
    }
    Ok(bytes)
}

/// Reads the bytes of a request, whatever its length.
pub(crate) fn parse(bytes: &[u8]) -> Result<Captured, Failed> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("it begins with a byte order mark, which an editor added".into());
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let head = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if let Some(line) = bare_line_feed(head) {
        return Err(format!(
            "line {line} ends with a line feed alone; in HTTP each line ends with CR LF (an editor or `echo` may have changed that, and the body too)"
        )
        .into());
    }
    let end = end.ok_or("there is no empty line after the headers, so there is no body; an empty body needs the empty line too")?;
    let body_at = end.saturating_add(4);
    let (head, body) = bytes.split_at_checked(body_at).ok_or("the request is cut off")?;

    let mut headers = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err("the head is cut off".into()),
        Err(error) => return Err(format!("it is not an HTTP/1.1 request: {error}").into()),
    }
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = parsed.method.unwrap_or_default().parse::<Method>()?;
    let target = parsed.path.unwrap_or_default();
    *request.uri_mut() = target
        .parse::<Uri>()
        .map_err(|error| format!("`{target:.100}` is not a request target: {error}"))?;
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes())?;
        let value = HeaderValue::from_bytes(header.value)
            .map_err(|_| format!("header `{name}` has bytes that no header can hold"))?;
        request.headers_mut().append(name, value);
    }
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err("it has a transfer encoding: save the body as the server sees it, decoded, and leave the header out".into());
    }
    let wrong_length = wrong_length(&request);
    Ok(Captured { request, wrong_length })
}

/// The body has to be the one that the headers announce.
fn wrong_length(request: &Request<Bytes>) -> Option<WrongLength> {
    let have = request.body().len();
    let lengths = request.headers().get_all(header::CONTENT_LENGTH).iter();
    let mut wrong = lengths.filter(|length| length.as_bytes() != have.to_string().as_bytes());
    let length = wrong.next()?;
    let digits = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some(WrongLength { declared: digits.and_then(|digits| digits.parse().ok()), have })
}

/// The number of the first line that has no CR at its end.
fn bare_line_feed(head: &[u8]) -> Option<usize> {
    let lines = head.split_inclusive(|byte| *byte == b'\n');
    let bare = |line: &[u8]| line.ends_with(b"\n") && !line.ends_with(b"\r\n");
    lines.into_iter().position(bare).map(|at| at.saturating_add(1))
}
