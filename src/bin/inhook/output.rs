//! What goes to standard output. That it is full is an error like any other; that nobody reads any
//! longer, as behind `head`, changes nothing. And what goes to standard error, if it does.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use http::Uri;

use crate::Failed;

/// A URL without the password that may be in it.
pub(crate) fn without_password(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    match uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?))) {
        Some((_, authority)) if !authority.as_str().contains('@') => url.to_owned(),
        Some((scheme, authority)) => {
            let host = authority.as_str().rsplit_once('@').map_or("", |(_, host)| host);
            let rest = uri.as_ref().and_then(Uri::path_and_query).map_or("", |it| it.as_str());
            format!("{scheme}://…@{host}{rest}")
        }
        // Nobody knows where it begins.
        None => url.rfind('@').map_or(url, |at| url.get(at..).unwrap_or_default()).to_owned(),
    }
}

/// Prints a line.
pub(crate) fn say(line: impl Display) -> Result<(), Failed> {
    write(format!("{line}\n").as_bytes())
}

/// Says something to whoever reads standard error: where nobody can, the rest goes on.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "inhook: {line}");
}

/// Prints bytes as they are.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
