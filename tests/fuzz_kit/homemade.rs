//! A receiver as people write it, and the mistakes that may be in it.

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha1::Sha1;
use sha2::Sha256;

use super::*;

/// A mistake that somebody made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    EmptyKey,
    PrefixCompare,
    NoTimestampCheck,
    OneSidedTimestamp,
    AlgorithmFromHeader,
    FirstCandidateOnly,
    AnyVersion,
    FirstOfDuplicateHeaders,
    PlusTimestamp,
    IdWithDelimiter,
    UnsignedIdAsKey,
    ReserialisedBody,
    Panics,
    OverflowingTime,
    BodyAsKey,
    IdAndBodyAsKey,
    LenientBase64,
    SecondNameAsKey,
}

/// A receiver as people write it, of Standard Webhooks or of GitHub's webhooks.
pub(crate) struct Homemade {
    pub(crate) scheme: Scheme,
    pub(crate) bug: Bug,
}

pub(crate) fn hmac(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn hmac_sha1(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

impl Homemade {
    fn header<'h>(&self, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        let mut all = headers.get_all(name).iter();
        let first = all.next()?;
        if self.bug != Bug::FirstOfDuplicateHeaders && all.next().is_some() {
            return None;
        }
        first.to_str().ok()
    }

    fn body(&self, body: &Bytes) -> Vec<u8> {
        if self.bug == Bug::ReserialisedBody
            && let Ok(json) = serde_json::from_slice::<Value>(body)
        {
            return json.to_string().into_bytes();
        }
        body.to_vec()
    }

    fn standard(&self, request: &Request<Bytes>) -> Option<String> {
        let headers = request.headers();
        let id = self.header(headers, "webhook-id")?;
        let text = self.header(headers, "webhook-timestamp")?;
        let seconds: i64 = text.parse().ok()?;
        let canonical = text == seconds.to_string();
        let usable = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !(canonical || self.bug == Bug::PlusTimestamp)
            || !usable
            || id.contains('.') && self.bug != Bug::IdWithDelimiter
        {
            return None;
        }
        let now = i64::try_from(NOW).unwrap();
        let age = match self.bug {
            Bug::OverflowingTime => now.checked_sub(seconds).expect("no such time"),
            _ => now.checked_sub(seconds)?,
        };
        let fresh = match self.bug {
            Bug::NoTimestampCheck => true,
            Bug::OneSidedTimestamp => age <= 300,
            _ => age.unsigned_abs() <= 300,
        };
        let content = [format!("{id}.{seconds}.").as_bytes(), &self.body(request.body())].concat();
        let key = Base64::decode_vec(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let tag = Base64::encode_string(&hmac(&key, &content));
        let is_tag = |candidate: &str| match self.bug {
            // A decoder that takes no notice of the bits behind the last byte.
            Bug::LenientBase64 => candidate.len() == 44 && candidate[..42] == tag[..42],
            _ => candidate == tag,
        };
        let list = self.header(headers, "webhook-signature")?;
        let mut entries = list.split(' ').filter_map(|entry| match self.bug {
            Bug::AnyVersion => entry.split_once(',').map(|(_, candidate)| candidate),
            _ => entry.strip_prefix("v1,"),
        });
        let right = match self.bug {
            Bug::FirstCandidateOnly => entries.next().is_some_and(is_tag),
            _ => entries.any(is_tag),
        };
        let body = const_hex::encode(request.body());
        (fresh && right).then(|| match self.bug {
            Bug::BodyAsKey => body,
            Bug::SecondNameAsKey => self.header(headers, "svix-id").unwrap_or(id).to_owned(),
            Bug::IdAndBodyAsKey => format!("{id} {body}"),
            _ => id.to_owned(),
        })
    }

    fn github(&self, request: &Request<Bytes>) -> Option<String> {
        let header = self.header(request.headers(), "x-hub-signature-256")?;
        let (body, key) = (self.body(request.body()), SECRET.as_bytes());
        let mut tags = vec![const_hex::encode(hmac(key, &body))];
        if self.bug == Bug::EmptyKey {
            tags.push(const_hex::encode(hmac(b"", &body)));
        }
        let candidate = match (self.bug, header.split_once('=')?) {
            (Bug::AlgorithmFromHeader, ("sha1", candidate)) => {
                tags = vec![const_hex::encode(hmac_sha1(key, &body))];
                candidate
            }
            (_, ("sha256", candidate)) => candidate,
            _ => return None,
        };
        let right = match self.bug {
            Bug::PrefixCompare => tags.iter().any(|tag| tag.starts_with(candidate)),
            _ => tags.iter().any(|tag| tag == candidate),
        };
        let id = self.header(request.headers(), "x-github-delivery").unwrap_or_default();
        let key = if self.bug == Bug::UnsignedIdAsKey { id.to_owned() } else { tags.concat() };
        assert!(self.bug != Bug::Panics || body.first() != Some(&b'9'), "a planted panic");
        right.then_some(key)
    }
}

impl Receiver for Homemade {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        let key = match self.scheme.name == presets::STANDARD_WEBHOOKS.name {
            true => self.standard(request),
            false => self.github(request),
        };
        match key {
            Some(key) => Verdict::Accepted { key: Some(key.into_bytes()) },
            None => Verdict::Refused,
        }
    }

    fn now(&self) -> SystemTime {
        at(NOW)
    }
}

pub(crate) fn attack(
    scheme: &Scheme,
    bug: Bug,
    iterations: u32,
    seed: u64,
) -> Result<(), Box<Finding>> {
    let receiver = Homemade { scheme: scheme.clone(), bug };
    Attack::new(scheme.clone(), SECRET).unwrap().run(&receiver, iterations, seed)
}
