//! `inhook sign`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::value_parser;
use http::{HeaderValue, Request, header};
use inhook::ConfigError;
use inhook::sign::{Message, Signer};

use crate::secrets::Secrets;
use crate::verify::YEAR_9999;
use crate::{Failed, request, scheme};

/// Prints a signed request, as the partner would send it.
#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    sender: Sender,
    /// As a `curl` command instead of a raw request.
    #[arg(long)]
    curl: bool,
}

/// What is signed, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Sender {
    /// A preset (see `inhook presets`), or a scheme file whose name ends in `.toml`.
    #[arg(long, value_name = "PRESET|FILE.toml")]
    scheme: String,
    #[command(flatten)]
    secrets: Secrets,
    /// The public URL of the endpoint.
    #[arg(long)]
    url: Option<String>,
    /// The event type; in a JSON body it replaces the one that is there.
    #[arg(long)]
    event: Option<String>,
    /// The id; in a JSON body it replaces the one that is there.
    #[arg(long)]
    id: Option<String>,
    /// The time that is signed, instead of now.
    #[arg(long, value_name = "UNIX_SECONDS", value_parser = value_parser!(u64).range(..=YEAR_9999))]
    at: Option<u64>,
    /// Changes the body after it was signed, by a space at its end.
    #[arg(long)]
    tamper: bool,
    /// The body; `-` is standard input.
    #[arg(default_value = "-")]
    body: PathBuf,
}

impl Sign {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        let request = self.sender.prepare(self.sender.url())?.request(None)?;
        let mut out = std::io::stdout().lock();
        match self.curl {
            true => out.write_all(as_curl(&request, self.sender.url())?.as_bytes())?,
            false => out.write_all(&as_http(&request, self.sender.url()))?,
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Sender {
    /// What signs, for an endpoint at this URL.
    pub(crate) fn prepare(&self, url: Option<&str>) -> Result<Prepared<'_>, Failed> {
        let scheme = scheme::find(&self.scheme)?;
        let mut secrets = self.secrets.read(&scheme)?.into_iter();
        let secret = secrets.next().ok_or(ConfigError::NoSecret)?.secret();
        let signer = match url {
            Some(url) => Signer::for_url(scheme, secret, url),
            None => Signer::new(scheme, secret),
        };
        let signer = signer.map_err(|error| match error {
            ConfigError::MissingUrl => Failed::from(
                "this partner signs the URL of the endpoint: give the public one with `--url`",
            ),
            error => error.into(),
        })?;
        let body = request::bytes(&self.body)
            .map_err(|error| format!("{}: {error}", self.body.display()))?;
        Ok(Prepared { sender: self, signer, body: body.into() })
    }

    /// The public URL that was given.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

/// All that it takes to sign a request.
pub(crate) struct Prepared<'s> {
    sender: &'s Sender,
    signer: Signer,
    body: Bytes,
}

impl Prepared<'_> {
    /// A signed request, with this id if the command line gives none.
    pub(crate) fn request(&self, id: Option<&str>) -> Result<Request<Bytes>, Failed> {
        let sender = self.sender;
        let mut message = Message::new(self.body.clone());
        // What is no JSON has nothing to be filled in.
        if serde_json::from_slice::<serde_json::Value>(&self.body)
            .is_ok_and(|json| json.is_object())
        {
            message = message.fill_body();
        }
        if let Some(id) = sender.id.as_deref().or(id) {
            message = message.id(id);
        }
        if let Some(event) = &sender.event {
            message = message.event(event);
        }
        if let Some(at) = sender.at {
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at));
            message = message.sent_at(at.ok_or("`--at` is too far in the future")?);
        }
        let mut request = self.signer.request(&message)?;
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            let kind = match serde_json::from_slice::<serde::de::IgnoredAny>(request.body()) {
                Ok(_) => "application/json",
                Err(_) => "application/octet-stream",
            };
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if sender.tamper {
            let tampered = [request.body(), b" ".as_slice()].concat();
            *request.body_mut() = tampered.into();
        }
        Ok(request)
    }
}

/// The request as it goes over the wire.
fn as_http(request: &Request<Bytes>, url: Option<&str>) -> Vec<u8> {
    let mut raw = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    let url = url.and_then(|url| url.parse::<http::Uri>().ok());
    let host =
        url.as_ref().and_then(|url| url.authority()).map_or("localhost", |host| host.as_str());
    raw.extend(format!("host: {host}\r\n").bytes());
    for (name, value) in request.headers() {
        raw.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    raw.extend(format!("content-length: {}\r\n\r\n", request.body().len()).bytes());
    raw.extend_from_slice(request.body());
    raw
}

/// The request as a command for a POSIX shell.
fn as_curl(request: &Request<Bytes>, url: Option<&str>) -> Result<String, Failed> {
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes).map(|text| format!("'{}'", text.replace('\'', r"'\''"))).map_err(
            |_| Failed::from("it has bytes that a shell can't be given; leave `--curl` out"),
        )
    };
    let base = url.unwrap_or("http://127.0.0.1:3000/");
    let base = base.split_once('?').map_or(base, |(base, _)| base);
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut curl = format!("curl {}", text(format!("{base}{query}").as_bytes())?);
    for (name, value) in request.headers() {
        let header = [name.as_str().as_bytes(), b": ", value.as_bytes()].concat();
        curl.push_str(&format!(" \\\n  --header {}", text(&header)?));
    }
    curl.push_str(&format!(" \\\n  --data-binary {}\n", text(request.body())?));
    Ok(curl)
}
