//! Schemes as TOML files.

use std::fmt::Write as _;
use std::path::Path;

use toml::de::DeTable;

use super::Scheme;
use crate::error::ConfigError;
use crate::verify::source::Source;

/// A scheme is some hundred bytes.
const MAX_BYTES: usize = 64 * 1024;
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
    /// The file can't be read, is longer than 64 KiB, is not TOML, has an unknown key or a value of a
    /// wrong type, or says what no [`Verifier`](crate::Verifier) takes.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SchemeFileError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let error = |problem: String| SchemeFileError { file: file.clone(), line: None, problem };
        let size = std::fs::metadata(path).map_err(|cause| error(cause.to_string()))?.len();
        if usize::try_from(size).map_or(true, |size| size > MAX_BYTES) {
            return Err(error(too_long()));
        }
        let text = std::fs::read(path).map_err(|cause| error(cause.to_string()))?;
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
        if text.len() > MAX_BYTES {
            return Err(error(None, too_long()));
        }
        let scheme: Scheme = toml::from_str(text).map_err(|cause| {
            let at = cause.span().map_or(0, |span| span.start);
            error(Some(line_of(text, at)), cause.message().to_owned())
        })?;
        let tolerance = line_of_key(text, "tolerance").filter(|_| scheme.sent_at.is_none());
        if let Some(line) = tolerance {
            return Err(error(Some(line), in_toml(&ConfigError::NeedlessTolerance.to_string())));
        }
        match Source::prepare("scheme".into(), &scheme, Some(ANY_URL), true, None) {
            Ok(_) => Ok(scheme),
            Err(cause) => Err(error(line_about(text, &cause), in_toml(&cause.to_string()))),
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

fn as_table(scheme: &Scheme) -> toml::Table {
    toml::Table::try_from(scheme).unwrap_or_default()
}

fn shown(line: &Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
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
        ("`IdAndContent`", "`\"id_and_content\"`"),
        ("`UnsignedId`", "`\"unsigned_id\"`"),
        ("`Fields`", "`{ fields = […] }`"),
        ("call `ignore_sent_at`", "set `tolerance = \"any\"`"),
    ];
    let names = names.into_iter();
    names.fold(message.to_owned(), |message, (rust, toml)| message.replace(rust, toml))
}

fn too_long() -> String {
    format!("it is longer than {MAX_BYTES} bytes, so it is no scheme")
}

/// The number of the line that has this byte.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.bytes().take(at);
    before.filter(|byte| *byte == b'\n').count().saturating_add(1)
}

/// The line that a contradiction is about: that of the name which it quotes, or of the key.
fn line_about(text: &str, cause: &ConfigError) -> Option<usize> {
    let (quoted, key) = match cause {
        ConfigError::HeaderName { name } | ConfigError::Parameter { name, .. } => (Some(name), ""),
        ConfigError::Pointer { pointer } => (Some(pointer), ""),
        ConfigError::HeaderTwice { header } => (Some(header), "signature"),
        ConfigError::UncoveredIdentity { .. } | ConfigError::Identity { .. } => (None, "identity"),
        ConfigError::Alias { .. } => (None, "aliases"),
        ConfigError::Content { .. } | ConfigError::TooManyPointers { .. } => (None, "content"),
        ConfigError::Signature { .. } | ConfigError::Separator => (None, "signature"),
        ConfigError::NeedlessDanger { .. } => (None, "dangerously_allow"),
        ConfigError::UncoveredTime => (None, "sent_at"),
        ConfigError::Tolerance { .. } => (None, "tolerance"),
        ConfigError::Deadline => (None, "deadline"),
        ConfigError::Answer { .. } => (None, "answer"),
        _ => (None, ""),
    };
    let quoted =
        quoted.and_then(|name| text.to_lowercase().find(&format!("\"{}\"", name.to_lowercase())));
    match quoted {
        Some(at) => Some(line_of(text, at)),
        None => line_of_key(text, key),
    }
}

/// The line of a key, if the file has it.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let found = table.get_ref().iter().find(|(name, _)| name.get_ref() == key)?;
    Some(line_of(text, found.0.span().start))
}
