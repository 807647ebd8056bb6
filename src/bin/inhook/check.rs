//! `inhook check`.

use std::path::PathBuf;
use std::process::ExitCode;

use inhook::scheme::Scheme;

use crate::Failed;
use crate::output::say;

/// Checks a scheme file: whether it can be read, and whether a verifier would take it.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The scheme file.
    file: PathBuf,
}

impl Check {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        let scheme = Scheme::from_file(&self.file)?;
        say(format_args!("{}: {} is a scheme that can be used", self.file.display(), scheme.name))?;
        Ok(ExitCode::SUCCESS)
    }
}
