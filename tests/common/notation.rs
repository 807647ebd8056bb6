//! Secrets as partners show them.

use inhook::scheme::{KeyFormat, Scheme};

/// One of ten secrets, by a digit, in the notation of the scheme.
pub(crate) fn secret(scheme: &Scheme, digit: u8) -> String {
    match &scheme.key {
        KeyFormat::Hex => format!("{digit}b").repeat(32),
        KeyFormat::Base64 { prefix } | KeyFormat::Base64If { prefix } => {
            format!("{prefix}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS{digit}")
        }
        _ => format!("a secret of at least sixteen bytes, {digit}"),
    }
}
