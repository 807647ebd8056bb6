//! The ways to write the secret down, and whether they are in a text.

use crate::receiver::{KEY, SECRET};

/// What it is called, and how it is written.
pub type Spelling = (&'static str, String);

pub fn spellings() -> Vec<Spelling> {
    let base64 = SECRET.trim_start_matches("whsec_").trim_end_matches('=');
    let list = |text: &str| text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
    let lower = |percent: String| percent.replace("%2B", "%2b").replace("%2F", "%2f");
    vec![
        ("as text", SECRET.to_owned()),
        ("its bytes", KEY.to_owned()),
        ("escaped", KEY.escape_debug().to_string()),
        ("hexadecimal", hex(KEY)),
        ("upper-case hexadecimal", hex(KEY).to_uppercase()),
        ("base64", base64.to_owned()),
        ("URL-safe base64", base64.replace('+', "-").replace('/', "_")),
        ("a list of numbers", list(KEY)),
        ("its text as a list of numbers", list(SECRET)),
        ("percent-encoded", percent(base64)),
        ("percent-encoded in lower case", lower(percent(base64))),
        // As a URL may have it: the `+` is no delimiter.
        ("percent-encoded where it must be", percent(base64).replace("%2B", "+")),
        ("its bytes, percent-encoded", percent(KEY)),
    ]
}

pub fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// As the password in a URL.
pub fn percent(text: &str) -> String {
    let encoded = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// Those that are in a text.
pub fn hits(text: &[u8], spellings: &[Spelling]) -> Vec<&'static str> {
    let text = String::from_utf8_lossy(text);
    // `{:?}` of bytes has spaces between the numbers, `{:#?}` line breaks.
    let close: String = text.split_whitespace().collect();
    let is_in = |spelling: &str| text.contains(spelling) || close.contains(spelling);
    spellings.iter().filter(|(_, spelling)| is_in(spelling)).map(|(name, _)| *name).collect()
}
