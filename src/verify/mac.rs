//! The MAC, and the one comparison that decides.

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

use crate::scheme::{Algorithm, Encoding};

/// The longest MAC, that of HMAC-SHA512.
const MAX_LEN: usize = 64;

/// A prepared HMAC key: both padded blocks are hashed already, a request clones the states.
#[derive(Clone)]
pub(crate) enum Key {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

/// A MAC of up to 64 bytes.
pub(crate) struct Tag {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Key {
    pub(crate) fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        match algorithm {
            Algorithm::HmacSha1 => Self::Sha1(prepare(key)),
            Algorithm::HmacSha256 => Self::Sha256(prepare(key)),
            Algorithm::HmacSha512 => Self::Sha512(prepare(key)),
        }
    }

    /// The MAC of the parts, one after the other.
    pub(crate) fn mac<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Tag {
        match self {
            Self::Sha1(key) => mac(key.clone(), parts),
            Self::Sha256(key) => mac(key.clone(), parts),
            Self::Sha512(key) => mac(key.clone(), parts),
        }
    }
}

impl Tag {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether any candidate, given as text, is this tag. Each is decoded and compared as bytes in
    /// constant time; a later one is compared whether or not an earlier one was right.
    pub(crate) fn matches_any(&self, candidates: &[&[u8]], encoding: Encoding) -> bool {
        let mut found = Choice::from(0);
        for candidate in candidates {
            let mut buffer = [0; MAX_LEN];
            if let Some(candidate) = decode(encoding, candidate, &mut buffer, self.len) {
                found |= self.as_bytes().ct_eq(candidate);
            }
        }
        found.into()
    }
}

/// Writes a tag as text.
pub(crate) fn encode(encoding: Encoding, tag: &Tag) -> String {
    match encoding {
        Encoding::Hex => const_hex::encode(tag.as_bytes()),
        Encoding::Base64 => Base64::encode_string(tag.as_bytes()),
    }
}

/// The bytes of a tag of exactly `len` bytes in its one canonical spelling.
fn decode<'b>(
    encoding: Encoding,
    text: &[u8],
    buffer: &'b mut [u8; MAX_LEN],
    len: usize,
) -> Option<&'b [u8]> {
    let bytes = buffer.get_mut(..len)?;
    match encoding {
        Encoding::Hex => {
            let lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if text.len() != len.checked_mul(2)? || !text.iter().all(lower) {
                return None;
            }
            const_hex::decode_to_slice(text, bytes).ok()?;
            Some(bytes)
        }
        Encoding::Base64 => {
            let decoded = Base64::decode(text, bytes).ok()?;
            (decoded.len() == len).then_some(decoded)
        }
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length: RFC 2104, section 2")]
fn prepare<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn mac<'a, M: Mac>(mut mac: M, parts: impl Iterator<Item = &'a [u8]>) -> Tag {
    for part in parts {
        mac.update(part);
    }
    let output = mac.finalize().into_bytes();
    let mut tag = Tag { bytes: [0; MAX_LEN], len: output.len() };
    for (to, from) in tag.bytes.iter_mut().zip(&output) {
        *to = *from;
    }
    tag
}
