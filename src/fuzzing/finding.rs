//! What an attack found, as somebody can read and repeat it.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;

use super::oracle::Oracle;
use super::shell;
use crate::scheme::TimeFormat;
use crate::timestamp;

/// A property that does not hold, and a request that shows it.
///
/// As text it has the request as a `curl` command, and as a file with `inhook doctor`'s command for it; what to do if
/// the receiver is right; and the call that makes it again.
#[derive(Clone)]
#[non_exhaustive]
pub struct Finding {
    /// What does not hold.
    pub oracle: Oracle,
    /// What was done, in words.
    pub what: String,
    /// The scheme's name.
    pub scheme: String,
    /// The request, as it was sent to the receiver.
    pub request: Request<Bytes>,
    /// The accepted one that it was made of, if it is another one.
    pub genuine: Option<Request<Bytes>>,
    /// When the receiver judged it.
    pub received_at: SystemTime,
    /// What [`Attack::check`](super::Attack::check) made it from.
    pub data: Vec<u8>,
    /// How `inhook doctor` is run, but for the time and the request.
    pub(super) doctor: String,
}

impl Finding {
    /// The request as it goes over the wire: a file for `inhook doctor` and `inhook verify`.
    pub fn to_http(&self) -> Vec<u8> {
        [&shell::head(&self.request), &**self.request.body()].concat()
    }

    /// A command for a POSIX shell that writes that file, as `request.http`: in a log a carriage return is lost.
    pub fn to_printf(&self) -> String {
        shell::printf(&self.request, "request.http")
    }

    /// The request as a command for a POSIX shell. The address is yours to change; a time that it has is out of
    /// date soon. It ends after 10 s, since curl would wait for the body that an answer to HEAD has not.
    pub fn to_curl(&self) -> String {
        shell::curl(&self.request)
    }
}

impl std::error::Error for Finding {}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oracle, what, scheme, genuine, received_at, data, doctor, .. } = self;
        writeln!(f, "{}: {what}", oracle.broken())?;
        writeln!(f, "  (oracle {oracle:?}, scheme {scheme})")?;
        if let Some(if_meant) = oracle.if_meant(what) {
            writeln!(f, "\n{if_meant}")?;
        }
        if *oracle == Oracle::Tried {
            return Ok(());
        }
        writeln!(f, "\nagain, by the same attack:\n")?;
        writeln!(f, "attack.check(&receiver, b\"{}\").unwrap();", data.escape_ascii())?;
        let at = timestamp::write(TimeFormat::UnixSeconds, *received_at);
        writeln!(f, "\nas a command:\n\n{}", self.to_curl())?;
        writeln!(f, "\nas a file for `inhook doctor`, with the secret in the environment:\n")?;
        write!(f, "{}\n{doctor} --at {at} request.http", self.to_printf())?;
        // What is wrong with one of them shows in the other.
        let two = [Oracle::OneKey, Oracle::TwoKeys, Oracle::IgnoresUnrelated].contains(oracle);
        if let Some(genuine) = genuine.as_ref().filter(|_| two) {
            write!(f, "\n\nand the accepted one that it was made of:\n\n")?;
            f.write_str(&shell::printf(genuine, "genuine.http"))?;
        }
        Ok(())
    }
}

/// As [`Display`](fmt::Display), so that `unwrap` shows it as it is meant to be read.
impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
