//! Another scheme than the one that the request is signed by.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use inhook::presets;
use inhook::scheme::{Algorithm, Encoding, Field, Layout, Scheme, SentAt, Signature, TimeFormat};

use super::{Case, Mistake};

pub(super) fn mistakes(case: &Case) -> Vec<Mistake> {
    let mut all = Vec::new();
    let scheme = &case.scheme;
    let with = |scheme: Scheme| Case { scheme, ..case.clone() };
    let signature = &scheme.signature;
    for (encoding, name) in [
        (Encoding::Hex, "lower-case hexadecimal (`encoding = \"hex\"`)"),
        (Encoding::Base64, "base64 (`encoding = \"base64\"`)"),
    ] {
        let signature = Signature { encoding, ..signature.clone() };
        let advice = format!("with the signature in {name}.");
        all.push(Mistake::new(advice, with(Scheme { signature, ..scheme.clone() })));
    }
    let url_safe = Signature { encoding: Encoding::Base64Url, ..signature.clone() };
    all.push(Mistake::unlikely(
        "with the signature in base64 in the URL-safe alphabet (`encoding = \"base64_url\"`).",
        with(Scheme { signature: url_safe, ..scheme.clone() }),
    ));
    if let Some(padded) = padded(case) {
        all.push(Mistake::new(
            "with the `=` at the end of the signature, which was cut off.",
            padded,
        ));
    }
    if let Layout::List(separator) = signature.layout {
        let layout = Layout::SpacedList(separator);
        let signature = Signature { layout, ..signature.clone() };
        let advice = format!(
            "with a space after each `{separator}` in the header (`layout = {{ spaced_list = \"{separator}\" }}`)."
        );
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

/// The request with a signature of base64 that has its full length.
fn padded(case: &Case) -> Option<Case> {
    let name = HeaderName::from_bytes(case.scheme.signature.field.as_header()?.as_bytes()).ok()?;
    let value = case.request.headers().get(&name)?.to_str().ok()?;
    let tag = value.strip_prefix(&*case.scheme.signature.prefix)?;
    let missing =
        tag.len().next_multiple_of(4).checked_sub(tag.len()).filter(|count| *count > 0)?;
    let value = HeaderValue::from_str(&format!("{value}{}", "=".repeat(missing))).ok()?;
    let mut case = case.clone();
    case.request.headers_mut().insert(name, value);
    Some(case)
}

/// What the header of the signature looks like.
pub(super) fn shape(scheme: &Scheme) -> String {
    let bytes: usize = match scheme.algorithm {
        Algorithm::HmacSha1 => 20,
        Algorithm::HmacSha512 => 64,
        _ => 32,
    };
    let tag = match scheme.signature.encoding {
        Encoding::Base64 => format!("{} characters of base64", bytes.div_ceil(3).saturating_mul(4)),
        Encoding::Base64Url => {
            let length = bytes.saturating_mul(4).div_ceil(3);
            format!("{length} characters of URL-safe base64 without `=`")
        }
        Encoding::AnyCaseHex => format!("{} hexadecimal digits", bytes.saturating_mul(2)),
        _ => format!("{} lower-case hexadecimal digits", bytes.saturating_mul(2)),
    };
    let signature = format!("{}<{tag}>", scheme.signature.prefix);
    let (separator, space) = match scheme.signature.layout {
        Layout::List(separator) | Layout::Lists(separator) => (separator, ""),
        Layout::SpacedList(separator) => (separator, " "),
        _ => return signature,
    };
    match scheme.sent_at.as_ref().map(|sent_at| &sent_at.field) {
        Some(Field::Parameter(name)) => format!("{name}=<time>{separator}{space}{signature}"),
        Some(Field::Entry(0)) => format!("<time>{separator}{space}{signature}"),
        _ => signature,
    }
}
