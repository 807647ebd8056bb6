//! The same JSON in the spellings that programs write.

/// No deeper: what is indented grows with the depth of each line.
const MAX_DEPTH: usize = 64;
/// Nor longer than this many times what there is, unless that is short.
const MAX_GROWTH: usize = 8;
const SHORT: usize = 64 * 1024;

/// What stands between the tokens of JSON.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) name: &'static str,
    comma: &'static str,
    colon: &'static str,
    indent: &'static str,
}

impl Style {
    pub(crate) const ALL: [Style; 5] = [
        Style { name: "`JSON.stringify`", comma: ",", colon: ":", indent: "" },
        Style { name: "Python", comma: ", ", colon: ": ", indent: "" },
        Style { name: "`JSON.stringify(…, 2)`", comma: ",", colon: ": ", indent: "  " },
        Style {
            name: "a pretty printer with four spaces",
            comma: ",",
            colon: ": ",
            indent: "    ",
        },
        Style { name: "a pretty printer with tabs", comma: ",", colon: ": ", indent: "\t" },
    ];
}

/// How strings are written.
#[derive(Clone, Copy)]
pub(crate) enum Escapes {
    AsIs,
    /// Only what has to be.
    Fewest,
    /// All that is not printable ASCII: Python.
    Ascii,
    /// All that is not ASCII, and `/`: PHP.
    AsciiAndSlash,
    /// `/`: PHP with `JSON_UNESCAPED_UNICODE`.
    Slash,
    /// What HTML is sensitive to: Go, Rails.
    Html,
    /// That, quotes and all that is not ASCII, in capitals: .NET.
    DotNet,
}

impl Escapes {
    pub(crate) const ALL: [Escapes; 7] = [
        Self::AsIs,
        Self::Fewest,
        Self::Ascii,
        Self::AsciiAndSlash,
        Self::Slash,
        Self::Html,
        Self::DotNet,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AsIs | Self::Fewest => "",
            Self::Ascii => ", with escapes for what is not ASCII",
            Self::AsciiAndSlash => ", with PHP's escapes",
            Self::Slash => ", with escaped slashes",
            Self::Html => ", with Go's or Rails' escapes",
            Self::DotNet => ", with .NET's escapes",
        }
    }

    /// The character as an escape, where it is written as one.
    fn escape(self, char: char) -> Option<String> {
        let html = matches!(char, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let quotes = matches!(char, '\'' | '+' | '`');
        match self {
            Self::AsIs | Self::Fewest => None,
            Self::AsciiAndSlash | Self::Slash if char == '/' => Some("\\/".into()),
            Self::Ascii => (!(' '..='~').contains(&char)).then(|| units(char, false)),
            Self::AsciiAndSlash => (!char.is_ascii()).then(|| units(char, false)),
            Self::Slash => None,
            Self::Html => html.then(|| units(char, false)),
            Self::DotNet => (html || quotes || !char.is_ascii()).then(|| units(char, true)),
        }
    }
}

/// `\u…`, for each unit of UTF-16.
fn units(char: char, capitals: bool) -> String {
    let mut buffer = [0; 2];
    let unit = |unit: &u16| match capitals {
        true => format!("\\u{unit:04X}"),
        false => format!("\\u{unit:04x}"),
    };
    char.encode_utf16(&mut buffer).iter().map(unit).collect()
}

/// The same JSON in another spelling, its keys in their order and its numbers as they are.
pub(crate) fn rewrite(text: &str, style: Style, escapes: Escapes) -> Option<Vec<u8>> {
    let (mut out, mut depth, mut rest) = (String::new(), 0usize, text.trim());
    let newline = |out: &mut String, depth: usize| {
        if !style.indent.is_empty() {
            out.push('\n');
            out.push_str(&style.indent.repeat(depth));
        }
    };
    while let Some(first) = rest.chars().next() {
        if out.len() > text.len().saturating_mul(MAX_GROWTH).max(SHORT) {
            return None;
        }
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
                if depth > MAX_DEPTH {
                    return None;
                }
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
    let (mut out, mut chars) = (String::new(), written.chars());
    while let Some(char) = chars.next() {
        match (char, escapes.escape(char)) {
            ('\\', _) => match (chars.next(), escapes) {
                // .NET writes quotes as what they are in Unicode.
                (Some('"'), Escapes::DotNet) => out.push_str("\\u0022"),
                (escaped, _) => out.extend([char].into_iter().chain(escaped)),
            },
            (_, Some(escaped)) => out.push_str(&escaped),
            (_, None) => out.push(char),
        }
    }
    Some(out)
}
