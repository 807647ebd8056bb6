//! Another scheme than the one that the request is signed by.

use std::borrow::Cow;

use inhook::presets;
use inhook::scheme::{Algorithm, Encoding, Scheme, SentAt, Signature, TimeFormat};

use super::{Case, Mistake};

pub(super) fn mistakes(case: &Case) -> Vec<Mistake> {
    let mut all = Vec::new();
    let mut add = |scheme: Scheme, advice: String| {
        all.push(Mistake { advice, case: Case { scheme, ..case.clone() } });
    };
    let scheme = &case.scheme;
    let signature = &scheme.signature;
    for (encoding, name) in [
        (Encoding::AnyCaseHex, "hexadecimal in any case (`encoding = \"any_case_hex\"`)"),
        (Encoding::Base64, "base64 (`encoding = \"base64\"`)"),
        (Encoding::Base64Url, "base64 in the URL-safe alphabet (`encoding = \"base64_url\"`)"),
    ] {
        let signature = Signature { encoding, ..signature.clone() };
        add(Scheme { signature, ..scheme.clone() }, format!("with the signature in {name}."));
    }
    for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha512] {
        if algorithm != scheme.algorithm {
            add(Scheme { algorithm, ..scheme.clone() }, format!("by {algorithm:?}."));
        }
    }
    for prefix in ["", "sha256=", "sha1=", "v1=", "v0=", "v1,"] {
        if prefix != signature.prefix {
            let signature = Signature { prefix: Cow::Borrowed(prefix), ..signature.clone() };
            let advice = format!("with the prefix `{prefix}` before the signature.");
            add(Scheme { signature, ..scheme.clone() }, advice);
        }
    }
    if let Some(SentAt { field, format }) = &scheme.sent_at {
        let (format, advice) = match format {
            TimeFormat::UnixSeconds => (
                TimeFormat::UnixMillis,
                "with the time in milliseconds (`format = \"unix_millis\"`).",
            ),
            _ => {
                (TimeFormat::UnixSeconds, "with the time in seconds (`format = \"unix_seconds\"`).")
            }
        };
        let sent_at = Some(SentAt { field: field.clone(), format });
        add(Scheme { sent_at, ..scheme.clone() }, advice.into());
    }
    for preset in presets::all() {
        if preset.scheme != *scheme {
            add(preset.scheme.clone(), format!("by the preset `{}`.", preset.name));
        }
    }
    all
}
