//! What goes to standard output. It may be closed or full, and that is an error like any other.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use crate::Failed;

/// Prints a line.
pub(crate) fn say(line: impl Display) -> Result<(), Failed> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

/// Prints bytes as they are.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// Whether it failed because nobody reads any longer, which need not be told to anybody.
pub(crate) fn nobody_reads(failed: &Failed) -> bool {
    let error = failed.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
