//! Secrets in another notation than the scheme takes them for.

use std::borrow::Cow;

use inhook::scheme::{KeyFormat, Scheme};

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
        "with a line break at the end of the secret: the partner has it with one; enter it there again.",
        &|secret| [secret, b"\n"].concat(),
    );
    all
}
