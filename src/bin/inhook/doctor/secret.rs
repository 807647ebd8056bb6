//! Secrets in another notation than the scheme takes them for.

use std::borrow::Cow;

use base64ct::{Base64, Encoding};
use inhook::scheme::{KeyFormat, KeyId, Scheme};

use super::{Case, Mistake};

pub(super) fn mistakes(case: &Case) -> Vec<Mistake> {
    let mut all = Vec::new();
    let formats = [
        (KeyFormat::Raw, "with the secret's text as the key: it is not decoded (`key = \"raw\"`)."),
        (
            KeyFormat::Base64 { prefix: Cow::Borrowed("whsec_") },
            "with the secret decoded from base64, after `whsec_` if it begins so (`key = { base64 = { prefix = \"whsec_\" } }`).",
        ),
        (KeyFormat::Hex, "with the secret decoded from hexadecimal (`key = \"hex\"`)."),
    ];
    for (key, advice) in formats {
        if key != case.scheme.key {
            let scheme = Scheme { key, ..case.scheme.clone() };
            all.push(Mistake::new(advice, Case { scheme, ..case.clone() }));
        }
    }
    if case.secrets.len() > 1 {
        for named in &case.secrets {
            let advice = format!(
                "with the secret in `{}` alone: another one can't be used, as the reason above says.",
                named.variable
            );
            all.push(Mistake::new(advice, Case { secrets: vec![named.clone()], ..case.clone() }));
        }
    }
    all.extend(named_by_the_request(case));
    let mut changed = |advice: &str, change: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut case = case.clone();
        for named in &mut case.secrets {
            named.value = change(&named.value);
        }
        all.push(Mistake::new(advice, case));
    };
    changed("without the white space around the secret: trim it where it is read.", &|secret| {
        secret.trim_ascii().to_vec()
    });
    changed("without the quotes around the secret, which a file of variables has.", &|secret| {
        let quoted = |quote: &[u8]| secret.strip_prefix(quote)?.strip_suffix(quote);
        quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(secret).to_vec()
    });
    changed("with the `=` at the end of the secret, which was cut off.", &|secret| {
        let missing = secret.len().next_multiple_of(4).saturating_sub(secret.len());
        [secret, "=".repeat(missing).as_bytes()].concat()
    });
    changed("without `whsec_` before the secret.", &|secret| {
        secret.strip_prefix(b"whsec_").unwrap_or(secret).to_vec()
    });
    changed("with `whsec_` before the secret, which is part of it.", &|secret| {
        [b"whsec_", secret].concat()
    });
    changed(
        "with the secret decoded from base64 once more, as a Kubernetes manifest has it.",
        &|secret| {
            let text = std::str::from_utf8(secret).unwrap_or_default();
            Base64::decode_vec(text).unwrap_or_default()
        },
    );
    changed(
        "with a line break at the end of the secret: the partner has it with one; enter it there again.",
        &|secret| [secret, b"\n"].concat(),
    );
    all
}

/// The key is another one than was said, by its name.
fn named_by_the_request(case: &Case) -> Option<Mistake> {
    let Some(KeyId::Header(name)) = &case.scheme.key_id else { return None };
    let name = case.request.headers().get(&**name)?.to_str().ok()?;
    if case.secrets.iter().any(|named| named.label == name) {
        return None;
    }
    let mut case = case.clone();
    case.secrets.truncate(1);
    for named in &mut case.secrets {
        named.label = name.to_owned();
    }
    let advice = format!(
        "for the key `{name:.100}`, which the request names: `--param key_id={name:.100}`."
    );
    Some(Mistake::new(advice, case))
}
