//! The MAC, and the one comparison that decides.

use base64_simd::{Out, STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};
use base64ct::{Base64 as ConstantTimeBase64, Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

use crate::scheme::{Algorithm, Encoding};

/// The longest MAC, that of HMAC-SHA512.
const MAX_LEN: usize = 64;
/// The base64 decoder wants room for what a text could hold if it had no padding, two bytes more.
const BUFFER: usize = 66;

#[cfg(feature = "fuzzing")]
thread_local! {
    /// How many MACs this thread has computed, for an oracle.
    pub(crate) static COMPUTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

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
        #[cfg(feature = "fuzzing")]
        COMPUTED.set(COMPUTED.get().wrapping_add(1));
        match self {
            Self::Sha1(key) => mac(key, parts),
            Self::Sha256(key) => mac(key, parts),
            Self::Sha512(key) => mac(key, parts),
        }
    }
}

impl Tag {
    /// One that was computed elsewhere.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn of(mac: &[u8]) -> Self {
        let mut tag = Self { bytes: [0; MAX_LEN], len: mac.len().min(MAX_LEN) };
        for (to, from) in tag.bytes.iter_mut().zip(mac) {
            *to = *from;
        }
        tag
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether any candidate, given as text, is this tag. Each is decoded and compared as bytes in
    /// constant time; a later one is compared whether or not an earlier one was right.
    pub(crate) fn matches_any<'c>(
        &self,
        candidates: impl Iterator<Item = &'c [u8]>,
        encoding: Encoding,
    ) -> bool {
        let mut found = Choice::from(0);
        for candidate in candidates {
            let mut decoded = [0; BUFFER];
            if decode(encoding, candidate, self.len, &mut decoded) {
                found |= equal(&self.bytes, &decoded, self.len);
            }
        }
        found.into()
    }
}

/// Whether two tags of `len` bytes are equal; what follows them is zero. Sixteen bytes at a time,
/// since `subtle` puts a barrier behind each comparison.
fn equal(one: &[u8; MAX_LEN], other: &[u8; BUFFER], len: usize) -> Choice {
    let (one, other) = (one.as_chunks().0, other.as_chunks().0);
    let words = one.iter().zip(other).take(len.div_ceil(16));
    words.fold(Choice::from(1), |equal, (one, other)| {
        equal & u128::from_ne_bytes(*one).ct_eq(&u128::from_ne_bytes(*other))
    })
}

/// How many characters a tag has as text.
pub(crate) fn encoded_len(algorithm: Algorithm, encoding: Encoding) -> usize {
    let bytes = match algorithm {
        Algorithm::HmacSha1 => 20,
        Algorithm::HmacSha256 => 32,
        Algorithm::HmacSha512 => 64,
    };
    text_len(bytes, encoding)
}

/// Writes a tag as text.
pub(crate) fn encode(encoding: Encoding, tag: &Tag) -> String {
    match encoding {
        Encoding::Hex | Encoding::AnyCaseHex => const_hex::encode(tag.as_bytes()),
        Encoding::Base64 => ConstantTimeBase64::encode_string(tag.as_bytes()),
        Encoding::Base64Url => Base64UrlUnpadded::encode_string(tag.as_bytes()),
    }
}

/// Decodes a tag of exactly `len` bytes from its one canonical spelling. What was received
/// is no secret, so this need not take constant time, and base64 does so ten times faster.
fn decode(encoding: Encoding, text: &[u8], len: usize, tag: &mut [u8; BUFFER]) -> bool {
    // The decoders also take it for granted that what they decode has room.
    if text.len() != text_len(len, encoding) {
        return false;
    }
    match encoding {
        Encoding::Hex => {
            // Of all hexadecimal digits, only the upper-case ones lack this bit.
            let lower_case = text.iter().fold(0x20, |bits, byte| bits & byte) != 0;
            let tag = tag.get_mut(..len).unwrap_or_default();
            lower_case && const_hex::decode_to_slice(text, tag).is_ok()
        }
        Encoding::AnyCaseHex => {
            let tag = tag.get_mut(..len).unwrap_or_default();
            const_hex::decode_to_slice(text, tag).is_ok()
        }
        Encoding::Base64 => {
            let tag = BASE64.decode(text, Out::from_slice(tag));
            tag.is_ok_and(|tag| tag.len() == len)
        }
        Encoding::Base64Url => {
            let tag = BASE64_URL.decode(text, Out::from_slice(tag));
            tag.is_ok_and(|tag| tag.len() == len)
        }
    }
}

fn text_len(bytes: usize, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Hex | Encoding::AnyCaseHex => bytes.saturating_mul(2),
        Encoding::Base64 => bytes.div_ceil(3).saturating_mul(4),
        Encoding::Base64Url => bytes.saturating_mul(4).div_ceil(3),
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length: RFC 2104, section 2")]
fn prepare<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[inline(never)]
fn mac<'a, M: Mac + Clone>(key: &M, parts: impl Iterator<Item = &'a [u8]>) -> Tag {
    let mut mac = key.clone();
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
