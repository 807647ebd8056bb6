//! Secrets as they are configured, and the prepared keys that requests are checked with.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::scheme::{KeyFormat, KeyId, Scheme};
use crate::verify::mac::Key;

/// The shortest key that is accepted without `allow_weak_secret`, in bytes after decoding.
const MIN_BYTES: usize = 16;
/// Each request costs one MAC per secret, so their number is bounded.
const MAX_SECRETS: usize = 16;

/// A secret shared with a partner, in the notation in which the partner hands it out.
///
/// Its memory is wiped on drop and `Debug` shows only the label. Nothing is trimmed or guessed: a
/// secret that can't be right is refused when the [`Verifier`](crate::Verifier) is built.
///
/// ```
/// let secret = inhook::Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").label("2026-01");
/// assert_eq!(format!("{secret:?}"), r#"Secret("2026-01")"#);
/// ```
#[derive(Clone)]
pub struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    label: Option<Arc<str>>,
}

impl Secret {
    /// A secret from text or bytes.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self { bytes: Zeroizing::new(secret.into()), label: None }
    }

    /// A name for logs and for [`Delivery::secret`](crate::Delivery::secret), which tells during a
    /// rotation whether the old secret is still in use. Without one it is the position: `0`, `1`, …
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }
}

#[cfg(feature = "testing")]
impl Secret {
    /// Another secret with the same label.
    pub(crate) fn sibling(&self, secret: &str) -> Self {
        Self { bytes: Zeroizing::new(secret.into()), label: self.label.clone() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.label.as_deref().unwrap_or("unlabelled")).finish()
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

/// The keys of one source, decoded and prepared: what `rotate` swaps as a whole.
pub(crate) struct KeyRing {
    pub(crate) keys: Vec<(Arc<str>, Key)>,
}

impl KeyRing {
    /// Prepares all secrets, or none.
    pub(crate) fn prepare(
        scheme: &Scheme,
        secrets: impl IntoIterator<Item = Secret>,
        allow_weak: bool,
    ) -> Result<Self, ConfigError> {
        let mut keys: Vec<(Arc<str>, Key)> = Vec::new();
        for (position, secret) in secrets.into_iter().enumerate() {
            if scheme.key_id.is_some() && secret.label.is_none() {
                return Err(ConfigError::MissingLabel { position });
            }
            let label = secret.label.clone().unwrap_or_else(|| position.to_string().into());
            if !can_be_named(scheme, &label) {
                return Err(ConfigError::Label { label: label.to_string() });
            }
            if keys.iter().any(|(other, _)| *other == label) {
                return Err(ConfigError::DuplicateLabel { label: label.to_string() });
            }
            let key = decode(&scheme.key, &secret.bytes, &label)?;
            let min = if allow_weak { 1 } else { MIN_BYTES };
            // What is made of a secret is no harder to guess than it.
            let bytes = match &scheme.key {
                KeyFormat::Sha1 | KeyFormat::Nfkd => key.len().min(secret.bytes.len()),
                _ => key.len(),
            };
            if bytes < min {
                let label = label.to_string();
                return Err(ConfigError::WeakSecret { label, bytes, min });
            }
            keys.push((label, Key::new(scheme.algorithm, &key)));
        }
        match keys.len() {
            0 => Err(ConfigError::NoSecret),
            1..=MAX_SECRETS => Ok(Self { keys }),
            count => Err(ConfigError::TooManySecrets { count, max: MAX_SECRETS }),
        }
    }
}

/// Whether a request has room for this name of its key, where it has to have one.
fn can_be_named(scheme: &Scheme, label: &str) -> bool {
    let separators = match scheme.key_id {
        None => return true,
        Some(KeyId::Header(_)) => [None, None],
        Some(KeyId::Prefix(end)) => [Some(end), scheme.signature.layout.separator()],
    };
    !label.is_empty()
        && label.trim().len() == label.len()
        && !label.chars().any(|char| char.is_control() || separators.contains(&Some(char)))
}

/// The bytes of the key.
fn decode(
    format: &KeyFormat,
    secret: &[u8],
    label: &str,
) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    // Random bytes may well end in 0x0a or 0x20; text that does was read from a file.
    let trimmed = std::str::from_utf8(secret).map(|text| text.trim_matches(is_blank).as_bytes());
    let trimmed = trimmed.unwrap_or(secret);
    if trimmed.is_empty() {
        return Err(ConfigError::EmptySecret { label: label.into() });
    }
    if trimmed.len() != secret.len() {
        return Err(ConfigError::PaddedSecret { label: label.into() });
    }
    let key = match format {
        KeyFormat::Raw => secret.to_vec(),
        KeyFormat::Base64 { prefix } => {
            base64(secret.strip_prefix(prefix.as_bytes()).unwrap_or(secret), label)?
        }
        KeyFormat::Base64If { prefix } => match secret.strip_prefix(prefix.as_bytes()) {
            Some(encoded) => base64(encoded, label)?,
            None => secret.to_vec(),
        },
        KeyFormat::Hex => hex(secret, label)?,
        KeyFormat::Tail { prefix, separator } => tail(secret, prefix, *separator).to_vec(),
        KeyFormat::Sha1 => Sha1::digest(secret).to_vec(),
        KeyFormat::Nfkd => match std::str::from_utf8(secret) {
            Ok(text) => text.nfkd().collect::<String>().into_bytes(),
            Err(_) => return Err(undecodable(label, "UTF-8", "")),
        },
    };
    // HMAC fills each key up with zeros, so those alone are the empty key (RFC 2104, section 2).
    if key.iter().all(|byte| *byte == 0) {
        return Err(ConfigError::EmptySecret { label: label.into() });
    }
    Ok(Zeroizing::new(key))
}

fn base64(encoded: &[u8], label: &str) -> Result<Vec<u8>, ConfigError> {
    if encoded.is_empty() {
        return Err(ConfigError::EmptySecret { label: label.into() });
    }
    let text = std::str::from_utf8(encoded).ok();
    let key = text.and_then(|text| Base64::decode_vec(text).ok());
    key.ok_or_else(|| undecodable(label, "padded standard base64", hint(encoded)))
}

fn hex(encoded: &[u8], label: &str) -> Result<Vec<u8>, ConfigError> {
    // The decoder takes a leading `0x` as well.
    let digits = Some(encoded).filter(|text| text.iter().all(u8::is_ascii_hexdigit));
    let key = digits.and_then(|digits| const_hex::decode(digits).ok());
    key.ok_or_else(|| undecodable(label, "hexadecimal, two digits for each byte", ""))
}

/// What follows the prefix and the next separator.
fn tail<'s>(secret: &'s [u8], prefix: &str, separator: char) -> &'s [u8] {
    let Some(rest) = secret.strip_prefix(prefix.as_bytes()) else { return secret };
    let mut halves = rest.splitn(2, |byte| char::from(*byte) == separator);
    halves.nth(1).unwrap_or(secret)
}

fn undecodable(label: &str, notation: &'static str, hint: &'static str) -> ConfigError {
    ConfigError::UndecodableSecret { label: label.into(), notation, hint }
}

/// What no secret begins or ends with: white space, control characters, a byte order mark.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '\u{feff}'
}

/// What was probably meant, without repeating any of it.
fn hint(encoded: &[u8]) -> &'static str {
    if encoded.contains(&b',') {
        ": it looks like a value from a signature header, with a version before the comma; give only what follows it"
    } else if encoded.iter().any(|byte| matches!(byte, b'-' | b'_')) {
        ": `-` and `_` belong to the URL-safe alphabet; give it as the partner shows it"
    } else if !encoded.len().is_multiple_of(4) {
        ": its length is not a multiple of four, so characters or the `=` at its end are missing"
    } else {
        ""
    }
}
