//! How a configured secret becomes the key of the MAC, and which of several keys signed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The MAC of a [`Scheme`](super::Scheme) ([RFC 2104](https://www.rfc-editor.org/rfc/rfc2104)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA1: 20 bytes. Sound as a MAC, but only for partners that offer nothing better.
    HmacSha1,
    /// HMAC-SHA256: 32 bytes.
    HmacSha256,
    /// HMAC-SHA512: 64 bytes.
    HmacSha512,
}

/// How the configured secret becomes the MAC's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyFormat {
    /// The bytes of the secret are the key.
    Raw,
    /// The secret is padded standard base64 (RFC 4648 §4), after this prefix where it is there.
    Base64 {
        /// For example `whsec_`, or nothing.
        #[serde(default)]
        prefix: Cow<'static, str>,
    },
    /// With this prefix the rest of the secret is padded standard base64; without it the bytes of
    /// the secret are the key.
    Base64If {
        /// For example `whsec_`.
        prefix: Cow<'static, str>,
    },
    /// The secret is hexadecimal, in any case.
    Hex,
    /// The key is what follows this prefix and the next such separator, if the secret has the prefix:
    /// `abc` of `signkey-prod-abc`.
    Tail {
        /// For example `signkey-`.
        prefix: Cow<'static, str>,
        /// For example `-`.
        separator: char,
    },
    /// The SHA-1 digest of the secret, as 20 bytes, is the key.
    Sha1,
    /// The key is the secret in Unicode's compatibility decomposition, as UTF-8
    /// ([UAX #15](https://www.unicode.org/reports/tr15/), NFKD).
    Nfkd,
}

/// How a request says which of the source's keys it is signed with. It is the label of the
/// [`Secret`](crate::Secret), so each needs one. A request that names another key is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyId {
    /// The label is in this header.
    Header(Cow<'static, str>),
    /// Each signature begins with the label and this separator: `label|<signature>`.
    Prefix(char),
}
