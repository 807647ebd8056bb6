//! Bodies that are not the bytes that were signed.

use serde_json::Value;

use super::{Case, Mistake};

/// Each with what must have happened to the body.
pub(super) fn mistakes(case: &Case) -> Vec<Mistake> {
    let body = &**case.request.body();
    let mut all = Vec::new();
    let mut add = |signed: Option<Vec<u8>>, advice: &str| {
        if let Some(signed) = signed.filter(|signed| signed != body) {
            all.push(Mistake { advice: advice.into(), case: case.with_body(signed) });
        }
    };
    for ending in ["\r\n", "\n"] {
        let shorter = body.strip_suffix(ending.as_bytes()).map(<[u8]>::to_vec);
        add(
            shorter,
            "without the line break at the end of the body, which an editor or `echo` added after it was signed.",
        );
        let longer = [body, ending.as_bytes()].concat();
        add(
            Some(longer),
            "with a line break at the end of the body, which was cut off: read the raw body and trim nothing.",
        );
    }
    add(
        body.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec),
        "without the byte order mark at the beginning of the body, which an editor added.",
    );
    if let Ok(text) = std::str::from_utf8(body) {
        add(
            Some(text.replace("\r\n", "\n").into_bytes()),
            "with LF in place of CR LF in the body, which a tool converted: keep the raw bytes.",
        );
        add(
            Some(text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()),
            "with CR LF in place of LF in the body, which a tool converted: keep the raw bytes.",
        );
        let charset = "with the body in another character set: it was decoded and encoded again on its way; keep the raw bytes.";
        let latin: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(char).ok()).collect();
        add(latin, charset);
    } else {
        let text: String = body.iter().map(|byte| char::from(*byte)).collect();
        add(
            Some(text.into_bytes()),
            "with the body in UTF-8: it was converted to another character set on its way; keep the raw bytes.",
        );
    }
    if serde_json::from_slice::<Value>(body).is_ok() {
        let advice = "with the JSON written in another way: it was parsed and serialised again; verify the raw bytes, before anything parses them.";
        for style in [Style::COMPACT, Style::SPACED, Style::PRETTY] {
            for escapes in [Escapes::AsIs, Escapes::Ascii, Escapes::Slashes, Escapes::None] {
                add(rewrite(body, style, escapes), advice);
            }
        }
    }
    all
}

/// What stands between the tokens of JSON.
#[derive(Clone, Copy)]
struct Style {
    comma: &'static str,
    colon: &'static str,
    indent: usize,
}

impl Style {
    /// `JSON.stringify`.
    const COMPACT: Style = Style { comma: ",", colon: ":", indent: 0 };
    /// Python's `json.dumps`.
    const SPACED: Style = Style { comma: ", ", colon: ": ", indent: 0 };
    /// `JSON.stringify(…, 2)`.
    const PRETTY: Style = Style { comma: ",", colon: ": ", indent: 2 };
}

/// How strings are written.
#[derive(Clone, Copy)]
enum Escapes {
    AsIs,
    /// All that is not ASCII.
    Ascii,
    /// The same, and `/`: PHP's `json_encode`.
    Slashes,
    /// Only what has to be.
    None,
}

/// The same JSON in another spelling, its keys in their order and its numbers as they are.
fn rewrite(json: &[u8], style: Style, escapes: Escapes) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(json).ok()?;
    let (mut out, mut depth, mut rest) = (String::new(), 0usize, text.trim());
    let newline = |out: &mut String, depth: usize| {
        if style.indent > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(depth.saturating_mul(style.indent)));
        }
    };
    while let Some(first) = rest.chars().next() {
        let token = match first {
            '"' => rest.get(..string_end(rest)?)?,
            '{' | '}' | '[' | ']' | ',' | ':' => rest.get(..1)?,
            _ => {
                let ends = |char: char| ",:]}".contains(char) || char.is_ascii_whitespace();
                rest.get(..rest.find(ends).unwrap_or(rest.len()))?
            }
        };
        rest = rest.get(token.len()..)?.trim_start();
        match token {
            "{" | "[" => {
                out.push_str(token);
                let closes = rest.starts_with(['}', ']']);
                depth = depth.saturating_add(1);
                if !closes {
                    newline(&mut out, depth);
                }
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                if !out.ends_with(['{', '[']) {
                    newline(&mut out, depth);
                }
                out.push_str(token);
            }
            "," => {
                out.push_str(style.comma);
                newline(&mut out, depth);
            }
            ":" => out.push_str(style.colon),
            string if first == '"' => out.push_str(&respell(string, escapes)?),
            other => out.push_str(other),
        }
    }
    Some(out.into_bytes())
}

/// Where a string ends that the text begins with.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text.bytes().enumerate().skip(1).find(|(_, byte)| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at.saturating_add(1))
}

fn respell(string: &str, escapes: Escapes) -> Option<String> {
    if let Escapes::AsIs = escapes {
        return Some(string.to_owned());
    }
    let value: String = serde_json::from_str(string).ok()?;
    let written = serde_json::to_string(&value).ok()?;
    let mut out = String::new();
    for char in written.chars() {
        match (char, escapes) {
            ('/', Escapes::Slashes) => out.push_str("\\/"),
            (char, Escapes::Ascii | Escapes::Slashes) if !char.is_ascii() => {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            (char, _) => out.push(char),
        }
    }
    Some(out)
}
