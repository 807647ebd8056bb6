//! What an attack found, as somebody can read and repeat it.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request};

use crate::scheme::TimeFormat;
use crate::timestamp;

/// What has to hold of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oracle {
    /// No request panics the receiver. Under cargo-fuzz, which ends the process at a panic, its own report is all
    /// there is. A [`Verifier`](crate::Verifier) is made to panic as well if it computes more MACs for a request than
    /// it has secrets, times the items of the request and the contents that its scheme leaves open.
    NoPanic,
    /// What the partner signed is accepted, whatever it says: what the receiver wants of paths, events, ids, bodies
    /// and other headers beside that is told with [`Attack::for_url`](super::Attack::for_url),
    /// [`Attack::event`](super::Attack::event), [`Attack::ids`](super::Attack::ids),
    /// [`Attack::bodies`](super::Attack::bodies), [`Attack::max_body`](super::Attack::max_body) and
    /// [`Attack::header`](super::Attack::header).
    AcceptsGenuine,
    /// What somebody signed without the secret is refused.
    RefusesForged,
    /// What was signed outside the tolerance is refused, in both directions.
    RefusesStale,
    /// What was changed on its way is refused: the signed content, or the signature.
    RefusesChanged,
    /// What says the same in another spelling is refused: a number, a tag, JSON. Where yours takes tags in hex
    /// in either case, give the attack a scheme with [`Encoding::AnyCaseHex`](crate::scheme::Encoding).
    RefusesRespelled,
    /// What is there twice and differs is refused, whichever comes first.
    RefusesRepeated,
    /// What lacks something that is signed, or that has to be there beside that, is refused.
    RefusesMissing,
    /// Neither a header that nobody signs nor the order of the headers changes the verdict or the key.
    IgnoresUnrelated,
    /// All attempts of one delivery have one key.
    OneKey,
    /// Two deliveries have two keys.
    TwoKeys,
    /// The same request is judged alike each time.
    Stable,
    /// The requests of the partner could be made at all: an attack that made none shows nothing.
    Tried,
}

impl Oracle {
    fn broken(self) -> &'static str {
        match self {
            Self::NoPanic => "a request panicked the receiver",
            Self::AcceptsGenuine => "a request that the partner signed was refused",
            Self::RefusesForged => "a request that nobody with the secret signed was accepted",
            Self::RefusesStale => "a request that was signed outside the tolerance was accepted",
            Self::RefusesChanged => "a request that was changed on its way was accepted",
            Self::RefusesRespelled => {
                "a request with another spelling than was signed was accepted"
            }
            Self::RefusesRepeated => "a request that says something twice was accepted",
            Self::RefusesMissing => "a request without something that has to be there was accepted",
            Self::IgnoresUnrelated => "a request was judged by what nobody signs",
            Self::OneKey => "one delivery had two keys, so it would be handled twice",
            Self::TwoKeys => "two deliveries had one key, so one would be lost",
            Self::Stable => "the same request was judged differently the second time",
            Self::Tried => "hardly any request could be made for this scheme, so nothing is shown",
        }
    }

    /// What to do if the receiver is meant to do this.
    fn if_meant(self, what: &str) -> Option<&'static str> {
        Some(match self {
            Self::NoPanic
                if ["within a runtime", "executor"].iter().any(|it| what.contains(it)) =>
            {
                "If it is `block_on` that panics within another runtime, the test has to be a plain `#[test]`."
            }
            Self::IgnoresUnrelated => {
                "If a server routes or refuses by that header, have each request carry what it wants: `header`."
            }
            Self::AcceptsGenuine => {
                "If your partner sends no such thing, tell the attack what it sends: `for_url` has the path, \
                 `event` the type of the event, `ids` the ids, `bodies` and `max_body` the bodies, `header` whatever \
                 else has to be there."
            }
            Self::RefusesForged => {
                "`Accepted` is what would reach your handler for webhooks: not every answer of 200, as to a GET \
                 of another route."
            }
            Self::RefusesRespelled => {
                "If you take tags in hex in either case, give the attack a scheme that says so: \
                 `Encoding::AnyCaseHex`."
            }
            Self::OneKey | Self::TwoKeys => {
                "If you tell deliveries apart by something else, give the attack a scheme that says so: its \
                 `identity`."
            }
            Self::Stable => {
                "A store that remembers ids stays out of this, or a duplicate is `Accepted` with its key."
            }
            _ => return None,
        })
    }
}

/// A property that does not hold, and a request that shows it.
///
/// As text it has the request as a `curl` command, and as a file with `inhook doctor`'s command for it; what to do if
/// the receiver is right; and the call that makes it again.
#[derive(Clone)]
#[non_exhaustive]
pub struct Finding {
    /// What does not hold.
    pub oracle: Oracle,
    /// What was done, in words.
    pub what: String,
    /// The scheme's name.
    pub scheme: String,
    /// The request, as it was sent to the receiver.
    pub request: Request<Bytes>,
    /// The accepted one that it was made of, if it is another one.
    pub genuine: Option<Request<Bytes>>,
    /// When the receiver judged it.
    pub received_at: SystemTime,
    /// What [`Attack::check`](super::Attack::check) made it from.
    pub data: Vec<u8>,
    /// How `inhook doctor` is run, but for the time and the request.
    pub(super) doctor: String,
}

impl Finding {
    /// The request as it goes over the wire: a file for `inhook doctor` and `inhook verify`.
    pub fn to_http(&self) -> Vec<u8> {
        [&head(&self.request), &**self.request.body()].concat()
    }

    /// A command for a POSIX shell that writes that file, as `request.http`: in a log a carriage return is lost.
    pub fn to_printf(&self) -> String {
        printf(&self.request, "request.http")
    }

    /// The request as a command for a POSIX shell. The address is yours to change; a time that it has is out of
    /// date soon. It ends after 10 s, since curl would wait for the body that an answer to HEAD has not.
    pub fn to_curl(&self) -> String {
        let request = &self.request;
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
}

/// What a program takes as one argument, in bytes; those of a shell's own have no such bound.
const WORD: usize = 100_000;

/// What stands before the body.
fn head(request: &Request<Bytes>) -> Vec<u8> {
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

fn printf(request: &Request<Bytes>, file: &str) -> String {
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

impl std::error::Error for Finding {}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oracle, what, scheme, genuine, received_at, data, doctor, .. } = self;
        writeln!(f, "{}: {what}", oracle.broken())?;
        writeln!(f, "  (oracle {oracle:?}, scheme {scheme})")?;
        if let Some(if_meant) = oracle.if_meant(what) {
            writeln!(f, "\n{if_meant}")?;
        }
        if *oracle == Oracle::Tried {
            return Ok(());
        }
        writeln!(f, "\nagain, by the same attack:\n")?;
        writeln!(f, "attack.check(&receiver, b\"{}\")", data.escape_ascii())?;
        let at = timestamp::write(TimeFormat::UnixSeconds, *received_at);
        writeln!(f, "\nas a command:\n\n{}", self.to_curl())?;
        writeln!(f, "\nas a file for `inhook doctor`, with the secret in the environment:\n")?;
        write!(f, "{}\n{doctor} --at {at} request.http", self.to_printf())?;
        // What is wrong with one of them shows in the other.
        let two = [Oracle::OneKey, Oracle::TwoKeys, Oracle::IgnoresUnrelated].contains(oracle);
        if let Some(genuine) = genuine.as_ref().filter(|_| two) {
            write!(f, "\n\nand the accepted one that it was made of:\n\n")?;
            f.write_str(&printf(genuine, "genuine.http"))?;
        }
        Ok(())
    }
}

/// As [`Display`](fmt::Display), so that `unwrap` shows it as it is meant to be read.
impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
