//! What goes to standard output. That it is full is an error like any other; that nobody reads any
//! longer, as behind `head`, changes nothing.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use crate::Failed;

/// Prints a line.
pub(crate) fn say(line: impl Display) -> Result<(), Failed> {
    write(format!("{line}\n").as_bytes())
}

/// Prints bytes as they are.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
