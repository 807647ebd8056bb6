//! `inhook sign`.

use std::process::ExitCode;

use bytes::Bytes;
use http::Request;

use crate::Failed;
use crate::output::write;
use crate::sender::{ANYWHERE, Sender, new_id};

/// Prints a signed request, as the partner would send it.
#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    sender: Sender,
    /// As a `curl` command instead of a raw request.
    #[arg(long)]
    curl: bool,
}

impl Sign {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        let url = self.sender.url();
        let prepared = self.sender.prepare(url)?;
        let request = prepared.request(&new_id(0), false)?;
        let endpoint = url.unwrap_or(ANYWHERE);
        prepared.check(endpoint, &request);
        let to = prepared.destination(endpoint, &request);
        let request = prepared.tampered(request);
        match self.curl {
            true => write(as_curl(&request, &to)?.as_bytes())?,
            false => write(&as_http(&request, url))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The request as it goes over the wire.
fn as_http(request: &Request<Bytes>, url: Option<&str>) -> Vec<u8> {
    let mut raw = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    let url = url.and_then(|url| url.parse::<http::Uri>().ok());
    let host = url.as_ref().and_then(|url| url.authority()).map_or("localhost", |it| it.as_str());
    // Who asks is no part of it: RFC 9110, section 7.2.
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    raw.extend(format!("host: {host}\r\n").bytes());
    for (name, value) in request.headers() {
        raw.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    raw.extend(format!("content-length: {}\r\n\r\n", request.body().len()).bytes());
    raw.extend_from_slice(request.body());
    raw
}

/// The request as a command for a POSIX shell.
fn as_curl(request: &Request<Bytes>, to: &str) -> Result<String, Failed> {
    // Linux takes no longer argument.
    const MAX_ARGUMENT: usize = 100 * 1024;
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.len() <= MAX_ARGUMENT && !text.contains('\0'))
            .map(|text| format!("'{}'", text.replace('\'', r"'\''")))
            .ok_or("it is too long for a command, or has bytes that no command can have: leave `--curl` out")
    };
    let mut curl = format!("curl --globoff {}", text(to.as_bytes())?);
    for (name, value) in request.headers() {
        // A header without a value is one that curl is told to leave out.
        let separator: &[u8] = if value.is_empty() { b";" } else { b": " };
        let header = [name.as_str().as_bytes(), separator, value.as_bytes()].concat();
        curl.push_str(&format!(" \\\n  --header {}", text(&header)?));
    }
    // Unlike `--data-binary`, it takes no `@` for the name of a file.
    curl.push_str(&format!(" \\\n  --data-raw {}\n", text(request.body())?));
    Ok(curl)
}
