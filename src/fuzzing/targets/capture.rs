//! A request as text, and what should become of it: computed on the raw lines, with `hmac` alone,
//! and with nothing that the verifier uses.

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Request};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::fixtures::{SECRETS, Standing, signature_header, verifier};
use crate::fuzzing::receiver::verify;
use crate::scheme::{
    Algorithm, Encoding, Field, KeyFormat, Layout, Part, Scheme, SentAt, TimeFormat,
};
use crate::secret::Secret;
use crate::verify::Rejection;

/// How many headers are read; servers have such limits too.
const MAX_HEADERS: usize = 64;

/// A request that somebody could send.
#[derive(Debug, Clone)]
pub(super) struct Capture {
    /// In the order of the lines. A value has one `char` per byte.
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

/// The computation says no.
struct Refused;

impl Capture {
    pub(super) fn parse(data: &[u8]) -> Self {
        let (mut headers, mut rest) = (Vec::new(), data);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = &after[1..];
            if line.is_empty() {
                break;
            }
            headers.extend(header(line));
        }
        headers.truncate(MAX_HEADERS);
        Self { headers, body: rest.to_vec() }
    }

    /// Has a verifier judge it, compares that with the computation, and says whether it was accepted.
    pub(super) fn judge(&self, scheme: &Scheme) -> bool {
        let capture = self.with_tags(scheme);
        let request = capture.request();
        let verifier = verifier(scheme, SECRETS.map(Secret::new));

        let judge = || {
            let delivery = verify(&verifier, request.clone())?;
            assert_eq!(delivery.body(), request.body(), "another body than was sent");
            let id = delivery.id().map(str::to_owned);
            Ok::<_, Rejection>((delivery.secret().to_owned(), id, delivery.key()))
        };
        let verdict = judge();
        assert_eq!(verdict, judge(), "the same request, judged differently: {request:?}");
        if let Err(rejection) = verifier.check_headers(request.headers()) {
            assert_eq!(verdict.as_ref().err(), Some(&rejection), "headers, judged differently");
        }
        let accepted = verdict.as_ref().ok().map(|(secret, id, _)| (secret.clone(), id.clone()));
        let expected = capture.secret_and_id(scheme).ok();
        assert_eq!(accepted, expected, "{}: {verdict:?}: {request:?}", scheme.name);
        accepted.is_some()
    }

    /// The right tags where the signature headers ask for them.
    fn with_tags(&self, scheme: &Scheme) -> Self {
        if !self.headers.iter().any(|(_, value)| value.contains('$')) {
            return self.clone();
        }
        let field = |field: Option<&Field>| match field {
            Some(Field::Header(name)) => self.value(scheme, name).ok().flatten(),
            _ => None,
        };
        let id = field(scheme.id.as_ref()).unwrap_or_default();
        let time = match &scheme.sent_at {
            Some(SentAt { field: Field::Parameter(name), .. }) => {
                let signature = self.value(scheme, signature_header(scheme)).ok().flatten();
                parameters(scheme, signature.unwrap_or_default(), name).first().copied()
            }
            sent_at => field(sent_at.as_ref().map(|sent_at| &sent_at.field)),
        };
        let time = time.unwrap_or_default();
        let [new, old] = SECRETS.map(|secret| tag(scheme, secret, id, time, &self.body));
        let empty = tag_of(scheme, b"", &content(scheme, id, time, &self.body));
        let mut capture = self.clone();
        for (name, value) in &mut capture.headers {
            if name.as_str().eq_ignore_ascii_case(signature_header(scheme))
                || alias(scheme, signature_header(scheme)) == Some(name.as_str())
            {
                let tags = [("$new", &new), ("$old", &old), ("$empty", &empty)];
                *value =
                    tags.iter().fold(value.clone(), |text, (name, tag)| text.replace(name, tag));
            }
        }
        capture
    }

    fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(Bytes::copy_from_slice(&self.body));
        for (name, value) in &self.headers {
            let value: Vec<u8> =
                value.chars().map(|char| u8::try_from(char).expect("a byte")).collect();
            let value = HeaderValue::from_bytes(&value).expect("it was one when it was read");
            request.headers_mut().append(name, value);
        }
        request
    }

    /// The label of the secret that signed it, and its id.
    fn secret_and_id(&self, scheme: &Scheme) -> Result<(String, Option<String>), Refused> {
        let signature = self.value(scheme, signature_header(scheme))?.ok_or(Refused)?;
        let id = match &scheme.id {
            Some(Field::Header(name)) => self.value(scheme, name)?,
            _ => None,
        };
        if let Some(id) = id
            && (id.len() > 255 || !is_graphic(id))
        {
            return Err(Refused);
        }
        // What follows the id is a dot, in all schemes that sign it.
        if scheme.content.contains(&Part::Id) && id.is_none_or(|id| id.contains('.')) {
            return Err(Refused);
        }
        let time = match &scheme.sent_at {
            Some(SentAt { field: Field::Header(name), format }) => {
                in_time(*format, self.value(scheme, name)?.ok_or(Refused)?)?
            }
            Some(SentAt { field: Field::Parameter(name), format }) => {
                match parameters(scheme, signature, name)[..] {
                    [time] => in_time(*format, time)?,
                    _ => return Err(Refused),
                }
            }
            _ => "",
        };

        let entries: Vec<&str> = match scheme.signature.layout {
            Layout::Single => vec![signature],
            Layout::List(separator) => signature.split(separator).collect(),
            other => panic!("the oracle does not know {other:?}"),
        };
        let tags =
            SECRETS.map(|secret| tag(scheme, secret, id.unwrap_or_default(), time, &self.body));
        // A signature has the prefix and the length of a tag; whatever else is there is text.
        let candidate = |entry: &&str| {
            let text = entry.strip_prefix(&*scheme.signature.prefix);
            text.is_some_and(|text| text.chars().count() == tags[0].len())
        };
        let (candidates, others): (Vec<&str>, Vec<&str>) = entries.into_iter().partition(candidate);
        if candidates.len() > 16 || !others.into_iter().all(is_graphic) {
            return Err(Refused);
        }
        let listed =
            |tag: &String| candidates.contains(&&*format!("{}{tag}", scheme.signature.prefix));
        let secret = tags.iter().position(listed).ok_or(Refused)?;
        Ok((secret.to_string(), id.map(str::to_owned)))
    }

    /// The value of a header, under its name or the other one. Twice under one name, or different
    /// under the two, is refused.
    fn value(&self, scheme: &Scheme, name: &str) -> Result<Option<&str>, Refused> {
        let under = |name: &str| {
            let mut values =
                self.headers.iter().filter(|(other, _)| *other == *name).map(|(_, value)| &**value);
            let first = values.next();
            if values.next().is_some() { Err(Refused) } else { Ok(first) }
        };
        match (under(name)?, alias(scheme, name).map(under).transpose()?.flatten()) {
            (Some(value), Some(other)) if value != other => Err(Refused),
            (value, other) => Ok(value.or(other)),
        }
    }
}

/// What stands behind `name=` in the entries of a list.
fn parameters<'v>(scheme: &Scheme, list: &'v str, name: &str) -> Vec<&'v str> {
    let Layout::List(separator) = scheme.signature.layout else { return Vec::new() };
    let pairs = list.split(separator).filter_map(|entry| entry.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).collect()
}

/// A line that is a header.
pub(super) fn header(line: &[u8]) -> Option<(HeaderName, String)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    let value = value.strip_prefix(b": ").unwrap_or(&value[1..]);
    HeaderValue::from_bytes(value).ok()?;
    Some((HeaderName::from_bytes(name).ok()?, value.iter().map(|byte| char::from(*byte)).collect()))
}

fn alias<'s>(scheme: &'s Scheme, name: &str) -> Option<&'s str> {
    scheme.aliases.iter().find(|(own, _)| own == name).map(|(_, other)| &**other)
}

fn is_graphic(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_graphic())
}

/// A whole number in its one spelling, within the 300 seconds that all schemes here allow.
fn in_time(format: TimeFormat, text: &str) -> Result<&str, Refused> {
    let time: u64 = text.parse().map_err(|_| Refused)?;
    let unit = if format == TimeFormat::UnixMillis { 1000 } else { 1 };
    let fresh = time.abs_diff(Standing::UNIX_SECONDS * unit) <= 300 * unit;
    if fresh && time.to_string() == text { Ok(text) } else { Err(Refused) }
}

/// The tag in its one spelling.
fn tag(scheme: &Scheme, secret: &str, id: &str, time: &str, body: &[u8]) -> String {
    let key = match &scheme.key {
        KeyFormat::Raw => secret.as_bytes().to_vec(),
        KeyFormat::Base64 { prefix } => {
            Base64::decode_vec(secret.strip_prefix(&**prefix).unwrap_or(secret)).expect("base64")
        }
        other => panic!("the oracle does not know {other:?}"),
    };
    tag_of(scheme, &key, &content(scheme, id, time, body))
}

/// What is signed.
fn content(scheme: &Scheme, id: &str, time: &str, body: &[u8]) -> Vec<u8> {
    let part = |part| match part {
        &Part::Body => body,
        &Part::Id => id.as_bytes(),
        &Part::SentAt => time.as_bytes(),
        Part::Literal(text) => text.as_bytes(),
        other => panic!("the oracle does not know {other:?}"),
    };
    scheme.content.iter().map(part).collect::<Vec<&[u8]>>().concat()
}

/// The tag of the content in its one spelling, in lower case where either counts.
pub(super) fn tag_of(scheme: &Scheme, key: &[u8], content: &[u8]) -> String {
    let mac = match scheme.algorithm {
        Algorithm::HmacSha1 => hmac::<Hmac<Sha1>>(key, content),
        Algorithm::HmacSha256 => hmac::<Hmac<Sha256>>(key, content),
        Algorithm::HmacSha512 => hmac::<Hmac<Sha512>>(key, content),
    };
    let digit = |half: u8| char::from_digit(half.into(), 16).expect("a digit");
    match scheme.signature.encoding {
        Encoding::Hex | Encoding::AnyCaseHex => {
            mac.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
        }
        Encoding::Base64 => Base64::encode_string(&mac),
        Encoding::Base64Url => Base64UrlUnpadded::encode_string(&mac),
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}
