//! Schemes as TOML files.

use std::borrow::Cow::Borrowed;
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::lexer::TokenKind;

use super::{
    Answer, Danger, Field, Identity, Json, KeyFormat, KeyId, Layout, Part, Scheme, SentAt,
    Signature, TimeFormat,
};
use crate::error::ConfigError;
use crate::verify::source::Source;

/// A scheme is some hundred bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// How many parts a key may have, and how many brackets may be open: more than in any scheme. Each is a level, and levels
/// are read within each other, on the stack.
const MAX_PARTS: usize = 8;
const MAX_OPEN: usize = 16;
/// For the check alone, where the scheme signs a URL.
const ANY_URL: &str = "https://example.com/";

/// A scheme file that can't be used: it names the file, the line, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {problem}", shown(.line))]
#[non_exhaustive]
pub struct SchemeFileError {
    /// The file's name.
    pub file: String,
    /// The line, from 1, if it is about one.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Scheme {
    /// Reads a scheme from a TOML file. Its keys are the fields of [`Scheme`], and what is left out is
    /// as in [`Scheme::BASE`].
    ///
    /// # Errors
    ///
    /// The file can't be read, is longer than 64 KiB or too deep (8 parts of a key, 16 open brackets), is not
    /// TOML, has an unknown key or a value of a wrong type, or says what no [`Verifier`](crate::Verifier) takes.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SchemeFileError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let error = |problem: String| SchemeFileError { file: file.clone(), line: None, problem };
        let mut text = Vec::new();
        // What has no length, as a device, is read no further than a file.
        let read = File::open(path)
            .and_then(|file| file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut text));
        read.map_err(|cause| error(cause.to_string()))?;
        if is_too_long(&text) {
            return Err(error(too_long()));
        }
        let text = String::from_utf8(text).map_err(|_| error("it is not UTF-8".into()))?;
        Self::from_toml(&file, &text)
    }

    /// The same for a text; `file` is what messages call it.
    ///
    /// ```
    /// use inhook::scheme::Scheme;
    ///
    /// let scheme = Scheme::from_toml("shortlinks.toml", r#"
    ///     name = "shortlinks"
    ///     signature = { field = { header = "x-webhook-signature" }, prefix = "sha256=" }
    ///     content = ["body"]
    ///     id = { pointer = "/webhook_id" }
    ///     identity = { fields = [{ pointer = "/webhook_id" }] }
    /// "#)?;
    /// assert_eq!(scheme.name, "shortlinks");
    ///
    /// let error = Scheme::from_toml("shortlinks.toml", "name = \"shortlinks\"\ncontents = []").unwrap_err();
    /// assert!(error.to_string().starts_with("shortlinks.toml:2: unknown field `contents`"));
    /// # Ok::<(), inhook::scheme::SchemeFileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_toml(file: &str, text: &str) -> Result<Self, SchemeFileError> {
        let error = |line, problem| SchemeFileError { file: file.into(), line, problem };
        if is_too_long(text.as_bytes()) {
            return Err(error(None, too_long()));
        }
        if let Some(at) = too_deep(text) {
            let problem = format!(
                "it is too deep: a key has at most {MAX_PARTS} parts, and a value at most {MAX_OPEN} open brackets"
            );
            return Err(error(Some(line_of(text, at)), problem));
        }
        let scheme: Scheme = toml::from_str(text).map_err(|cause| {
            let at = cause.span().map_or(0, |span| span.start);
            let right = key_at(text, at).and_then(|key| written(&key)).unwrap_or_default();
            error(Some(line_of(text, at)), format!("{}{right}", without_value(cause.message())))
        })?;
        // One that is written, even if it is that of `Scheme::BASE`.
        let judged = scheme.sent_at.is_some() || scheme.tolerance.is_none();
        if let Some(line) = line_of_key(text, "tolerance").filter(|_| !judged) {
            return Err(error(Some(line), in_toml(&ConfigError::NeedlessTolerance.to_string())));
        }
        match Source::prepare("scheme".into(), &scheme, Some(ANY_URL), true, None) {
            Ok(_) => Ok(scheme),
            Err(cause) => Err(error(Some(line_about(text, &cause)), in_toml(&cause.to_string()))),
        }
    }

    /// The scheme as the text of a TOML file, without what is as in [`Scheme::BASE`].
    pub fn to_toml(&self) -> String {
        let (this, base) = (as_table(self), as_table(&Scheme::BASE));
        let mut text = String::new();
        for (key, value) in this.iter().filter(|(key, value)| base.get(*key) != Some(value)) {
            // A string can take whatever is written to it.
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }
}

/// What each key looks like: nothing that a partner has.
const EXAMPLE: Scheme = Scheme {
    name: Borrowed("acme"),
    key: KeyFormat::Base64 { prefix: Borrowed("whsec_") },
    key_id: Some(KeyId::Header(Borrowed("x-key"))),
    signature: Signature {
        field: Field::Header(Borrowed("x-signature")),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
    items: Some(Borrowed("/events")),
    digest: Some(Field::Query(Borrowed("sha256"))),
    requires: Borrowed(&[(Borrowed("x-version"), Borrowed("1"))]),
    json: Json::Form(Borrowed("payload")),
    optional_end: Some(Borrowed(";")),
    multipart: true,
    either_port: true,
    id: Some(Field::Header(Borrowed("x-id"))),
    event: Some(Field::Pointer(Borrowed("/type"))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("x-time")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::Fields(Borrowed(&[Field::Pointer(Borrowed("/id"))])),
    aliases: Borrowed(&[(Borrowed("x-signature"), Borrowed("x-old-signature"))]),
    dangerously_allow: Borrowed(&[Danger::UnsignedBody]),
    answer: Answer { status: 200, body: Borrowed("ok") },
    ..Scheme::BASE
};

fn as_table(scheme: &Scheme) -> toml::Table {
    toml::Table::try_from(scheme).unwrap_or_default()
}

fn shown(line: &Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

/// How a key is written, to be said behind what is wrong with it.
fn written(key: &str) -> Option<String> {
    let example = as_table(&EXAMPLE).remove(key)?;
    Some(format!("; it is written like `{key} = {example}`"))
}

/// What is wrong with a value, without that: somebody may have taken `key` for the place of the secret.
fn without_value(message: &str) -> String {
    let kinds = ["unknown variant", "invalid type: string", "invalid value: string"];
    let kind = kinds.into_iter().find(|kind| message.starts_with(kind));
    match (kind, message.rsplit_once(", expected ")) {
        (Some(kind), Some((_, expected))) => format!("{kind}, expected {expected}"),
        _ => message.into(),
    }
}

/// A message that names things as the file does.
fn in_toml(message: &str) -> String {
    let names = [
        ("`Part::Body`", "`\"body\"`"),
        ("`Part::Id`", "`\"id\"`"),
        ("`Part::SentAt`", "`\"sent_at\"`"),
        ("`Danger::UnsignedBody`", "`\"unsigned_body\"`"),
        ("`Danger::AmbiguousContent`", "`\"ambiguous_content\"`"),
        ("`Danger::LooseItems`", "`\"loose_items\"`"),
        ("`Content`", "`\"content\"`"),
        ("`IdAndContent`", "`\"id_and_content\"`"),
        ("`UnsignedId`", "`\"unsigned_id\"`"),
        ("`Fields`", "`{ fields = […] }`"),
        (", which in a scheme built upon another one is `tolerance: None`", ""),
        ("call `ignore_sent_at`", "set `tolerance = \"any\"`"),
    ];
    let names = names.into_iter();
    names.fold(message.to_owned(), |message, (rust, toml)| message.replace(rust, toml))
}

fn is_too_long(text: &[u8]) -> bool {
    u64::try_from(text.len()).map_or(true, |length| length > MAX_BYTES)
}

fn too_long() -> String {
    format!("it is longer than {MAX_BYTES} bytes, so it is no scheme")
}

/// The number of the line that has this byte.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.bytes().take(at);
    before.filter(|byte| *byte == b'\n').count().saturating_add(1)
}

/// The line that a contradiction is about: that of the name which it quotes, or of the first of these
/// keys that the file has, or the first one, where what is wrong is that it has none of them.
fn line_about(text: &str, cause: &ConfigError) -> usize {
    let keys: &[&str] = match cause {
        ConfigError::SchemeName => &["name"],
        ConfigError::HeaderTwice { .. } => &["signature"],
        ConfigError::UncoveredIdentity { .. } | ConfigError::Identity { .. } => {
            &["identity", "sent_at", "id"]
        }
        ConfigError::Alias { .. } => &["aliases"],
        ConfigError::Content { .. } => &["content", "items", "optional_end"],
        ConfigError::Setting { key, .. } => &[key],
        ConfigError::Parameter { .. } => &["sent_at", "id", "event"],
        ConfigError::Signature { .. } | ConfigError::Separator => &["signature", "requires"],
        ConfigError::NeedlessDanger { .. } => &["dangerously_allow"],
        ConfigError::UncoveredTime => &["sent_at"],
        ConfigError::Tolerance { .. } => &["tolerance"],
        ConfigError::Deadline => &["deadline"],
        ConfigError::Answer { .. } => &["answer"],
        _ => &[],
    };
    let Ok(table) = DeTable::parse(text) else { return 1 };
    let quoted = match cause {
        ConfigError::HeaderName { name: quoted }
        | ConfigError::Parameter { name: quoted, .. }
        | ConfigError::Pointer { pointer: quoted }
        | ConfigError::HeaderTwice { header: quoted }
        | ConfigError::UncoveredIdentity { field: quoted } => Some(quoted),
        _ => None,
    };
    let quoted = quoted.and_then(|quoted| {
        // In the key that it is about, if that is known: a name may be in several.
        let values = table.get_ref().iter();
        let (about, others): (Vec<_>, Vec<_>) =
            values.partition(|(name, _)| keys.contains(&&**name.get_ref()));
        about.into_iter().chain(others).find_map(|(_, value)| find(value, quoted))
    });
    let key = || keys.iter().find_map(|key| find_key(table.get_ref(), key));
    // What is not written is contradicted where most of these are.
    let kinds: &[&str] = match cause {
        ConfigError::TooManyPointers { .. } => &["pointer", "integer"],
        ConfigError::Setting { key: "json", .. } => &["pointer", "integer", "form"],
        _ => &[],
    };
    let most = || {
        let counted = table.get_ref().iter();
        let counted = counted.map(|(name, value)| (count(value, kinds), name.span().start));
        let (most, at) = counted.max_by_key(|(count, at)| (*count, Reverse(*at)))?;
        (most > 0).then_some(at)
    };
    line_of(text, quoted.or_else(key).or_else(most).unwrap_or_default())
}

/// How many keys of these names a value has in it.
fn count(value: &Spanned<DeValue<'_>>, names: &[&str]) -> usize {
    match value.get_ref() {
        DeValue::Array(values) => values.iter().map(|value| count(value, names)).sum(),
        DeValue::Table(table) => {
            let own = table.keys().filter(|name| names.contains(&&**name.get_ref())).count();
            table.values().fold(own, |sum, value| sum.saturating_add(count(value, names)))
        }
        _ => 0,
    }
}

/// Where a key of the file is.
fn find_key(table: &DeTable<'_>, key: &str) -> Option<usize> {
    table.keys().find(|name| name.get_ref() == key).map(|name| name.span().start)
}

/// Where a text is, in a value or in what that has.
fn find(value: &Spanned<DeValue<'_>>, text: &str) -> Option<usize> {
    match value.get_ref() {
        DeValue::String(found) => found.eq_ignore_ascii_case(text).then_some(value.span().start),
        DeValue::Array(values) => values.iter().find_map(|value| find(value, text)),
        DeValue::Table(table) => table.values().find_map(|value| find(value, text)),
        _ => None,
    }
}

/// Where a key has too many parts, or a value too many open brackets.
fn too_deep(text: &str) -> Option<usize> {
    let (mut parts, mut open) = (1usize, 0usize);
    toml_parser::Source::new(text).lex().find_map(|token| {
        match token.kind() {
            TokenKind::Dot => parts = parts.saturating_add(1),
            TokenKind::LeftCurlyBracket | TokenKind::LeftSquareBracket => {
                (parts, open) = (1, open.saturating_add(1));
            }
            TokenKind::RightCurlyBracket | TokenKind::RightSquareBracket => {
                (parts, open) = (1, open.saturating_sub(1));
            }
            TokenKind::Equals | TokenKind::Comma | TokenKind::Newline => parts = 1,
            // A part, or what may be between two of them.
            _ => {}
        }
        (parts > MAX_PARTS || open > MAX_OPEN).then(|| token.span().start())
    })
}

/// The line of a key, if the file has it.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    find_key(table.get_ref(), key).map(|at| line_of(text, at))
}

/// The key that this byte belongs to: the one that begins last before it, or has such a one in it.
fn key_at(text: &str, at: usize) -> Option<String> {
    // That of a table begins behind its bracket.
    let rest = text.get(at..).unwrap_or_default();
    let brackets = rest.len().saturating_sub(rest.trim_start_matches('[').len());
    let at = at.saturating_add(brackets);
    let table = DeTable::parse(text).ok()?;
    let keys = table.get_ref().iter();
    let found =
        keys.max_by_key(|(name, value)| last_key(name.span().start, value.get_ref(), at))?;
    Some(found.0.get_ref().to_string())
}

/// Where the last key begins before this byte: this one, or one in its value.
fn last_key(start: usize, value: &DeValue<'_>, at: usize) -> Option<usize> {
    let own = Some(start).filter(|start| *start <= at);
    let inner = match value {
        DeValue::Table(table) => {
            let keys = table.iter();
            keys.map(|(name, value)| last_key(name.span().start, value.get_ref(), at)).max()
        }
        DeValue::Array(values) => {
            values.iter().map(|value| last_key(start, value.get_ref(), at)).max()
        }
        _ => None,
    };
    own.max(inner.flatten())
}
