//! Another scheme than the one that the request is signed by.

use std::borrow::Cow;

use inhook::presets;
use inhook::scheme::{Algorithm, Encoding, Scheme, SentAt, Signature, TimeFormat};

use super::{Case, Mistake};

pub(super) fn mistakes(case: &Case) -> Vec<Mistake> {
    let mut all = Vec::new();
    let scheme = &case.scheme;
    let with = |scheme: Scheme| Case { scheme, ..case.clone() };
    let signature = &scheme.signature;
    for (encoding, name) in [
        (Encoding::Hex, "lower-case hexadecimal (`encoding = \"hex\"`)"),
        (Encoding::Base64, "base64 (`encoding = \"base64\"`)"),
        (Encoding::Base64Url, "base64 in the URL-safe alphabet (`encoding = \"base64_url\"`)"),
    ] {
        let signature = Signature { encoding, ..signature.clone() };
        let advice = format!("with the signature in {name}.");
        all.push(Mistake::new(advice, with(Scheme { signature, ..scheme.clone() })));
    }
    let any_case = Signature { encoding: Encoding::AnyCaseHex, ..signature.clone() };
    all.push(Mistake::unlikely(
        "with the signature in hexadecimal in any case (`encoding = \"any_case_hex\"`): something changed its case, or the partner does.",
        with(Scheme { signature: any_case, ..scheme.clone() }),
    ));
    for (algorithm, name) in [
        (Algorithm::HmacSha1, "hmac_sha1"),
        (Algorithm::HmacSha256, "hmac_sha256"),
        (Algorithm::HmacSha512, "hmac_sha512"),
    ] {
        if algorithm != scheme.algorithm {
            let advice = format!("with another MAC (`algorithm = \"{name}\"`).");
            all.push(Mistake::new(advice, with(Scheme { algorithm, ..scheme.clone() })));
        }
    }
    for prefix in ["", "sha256=", "sha1=", "v1=", "v0=", "v1,"] {
        if prefix != signature.prefix {
            let signature = Signature { prefix: Cow::Borrowed(prefix), ..signature.clone() };
            let advice = match prefix {
                "" => "without a prefix before the signature (`prefix = \"\"`).".into(),
                _ => format!("with the prefix `{prefix}` before the signature."),
            };
            all.push(Mistake::new(advice, with(Scheme { signature, ..scheme.clone() })));
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
        all.push(Mistake::new(advice, with(Scheme { sent_at, ..scheme.clone() })));
    }
    for preset in presets::all() {
        if preset.scheme != *scheme {
            let advice = format!("by the preset `{}`.", preset.name);
            all.push(Mistake::unlikely(advice, with(preset.scheme.clone())));
        }
    }
    all
}
