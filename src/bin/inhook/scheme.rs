//! The scheme that a command is about: a preset, or a file.

use std::ffi::OsStr;
use std::path::Path;

use inhook::presets;
use inhook::scheme::Scheme;

use crate::Failed;

/// A preset by its name, or a file whose name ends in `.toml`.
pub(crate) fn find(name: &str) -> Result<Scheme, Failed> {
    let path = Path::new(name);
    if path.extension() == Some(OsStr::new("toml")) {
        return Ok(Scheme::from_file(path)?);
    }
    let preset = presets::find(name).ok_or_else(|| {
        format!("there is no preset `{name}`; `inhook presets` lists them, and the name of a scheme file ends in `.toml`")
    })?;
    Ok(preset.scheme.clone())
}
