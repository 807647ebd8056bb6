//! `inhook verify`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use clap::value_parser;
use http::{Method, Request, header};
use inhook::clock::Clock;
use inhook::scheme::Scheme;
use inhook::verify::VerifierBuilder;
use inhook::{ConfigError, Delivery, Rejection, Verifier};

use crate::output::{note, say};
use crate::secrets::{Named, Secrets};
use crate::{Failed, request, scheme};

/// Verifies a captured request, and says why it is refused if it is.
///
/// Prints one JSON object: `{"valid":true,"id":…,"event":…,"signed_at":…,"secret":"VAR"}`, where
/// `signed_at` is in Unix seconds, and what the request does not have is null; or
/// `{"valid":false,"reason":"stale"}`. Ends with 0 if the request is valid, 1 if it is refused, and 2
/// if the usage or the configuration is wrong.
#[derive(Debug, clap::Args)]
#[command(after_long_help = reasons())]
pub(crate) struct Verify {
    #[command(flatten)]
    receiver: Receiver,
    /// A raw HTTP/1.1 request: request line, headers, empty line, body. `-` is standard input.
    request: PathBuf,
}

/// The last time that can be written.
pub(crate) const YEAR_9999: u64 = 253_402_300_799;

/// What a receiver is configured with.
#[derive(Debug, clap::Args)]
pub(crate) struct Receiver {
    /// A preset (see `inhook presets`), or a scheme file whose name ends in `.toml`.
    #[arg(long, value_name = "PRESET|FILE.toml")]
    pub(crate) scheme: String,
    #[command(flatten)]
    pub(crate) secrets: Secrets,
    /// The public URL of the endpoint, for partners that sign it.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// The time at which the request arrives, instead of now.
    #[arg(long, value_name = "UNIX_SECONDS", allow_hyphen_values = true, value_parser = value_parser!(u64).range(..=YEAR_9999))]
    at: Option<u64>,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        let scheme = scheme::find(&self.receiver.scheme)?;
        let secrets = self.receiver.secrets.read(&scheme)?;
        let request = request::read(&self.request)?;
        let verifier = self.receiver.verifier(&scheme, &secrets)?;
        match judge(&verifier, request) {
            Ok(delivery) => {
                say(serde_json::to_string(&Valid::new(&delivery, &secrets))?)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(rejection) => {
                let refused = Refused { valid: false, reason: rejection.reason() };
                say(serde_json::to_string(&refused)?)?;
                note(&rejection);
                Ok(ExitCode::from(1))
            }
        }
    }
}

/// What a server with a `VerifyLayer` makes of the request, but for its limits of size and time.
pub(crate) fn judge(verifier: &Verifier, request: Request<Bytes>) -> Result<Delivery, Rejection> {
    check_kind(&request)?;
    verifier.verify(request)
}

/// Whether it has the method and the encoding that a server takes.
pub(crate) fn check_kind(request: &Request<Bytes>) -> Result<(), Rejection> {
    if request.method() != Method::POST {
        return Err(Rejection::Method);
    }
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Rejection::ContentEncoding);
    }
    Ok(())
}

impl Receiver {
    /// A verifier that takes a weak secret as well, with a warning.
    pub(crate) fn verifier(&self, scheme: &Scheme, secrets: &[Named]) -> Result<Verifier, Failed> {
        let builder = self.builder(scheme, secrets, self.url.as_deref())?;
        let built = match builder.clone().build() {
            Err(error @ ConfigError::WeakSecret { .. }) => {
                note(format_args!("warning: {error}"));
                builder.allow_weak_secret().build()
            }
            built => built,
        };
        built.map_err(wrong)
    }

    pub(crate) fn builder(
        &self,
        scheme: &Scheme,
        secrets: &[Named],
        url: Option<&str>,
    ) -> Result<VerifierBuilder, ConfigError> {
        let mut secrets = secrets.iter().map(Named::secret);
        let first = secrets.next().ok_or(ConfigError::NoSecret)?;
        let mut builder = Verifier::builder("inhook", scheme.clone(), first);
        for secret in secrets {
            builder = builder.secret(secret);
        }
        if let Some(url) = url {
            builder = builder.url(url);
        }
        if let Some(at) = self.at {
            builder = builder.clock(Arc::new(At(at)));
        }
        Ok(builder)
    }

    /// When the request arrives.
    pub(crate) fn now(&self) -> SystemTime {
        self.at.map_or_else(SystemTime::now, |at| At(at).now())
    }
}

/// What is wrong, as it is called here.
pub(crate) fn wrong(error: ConfigError) -> Failed {
    match error {
        ConfigError::MissingUrl => {
            "this partner signs the URL of the endpoint: give the public one with `--url`".into()
        }
        error => error.into(),
    }
}

/// A clock that stands at some Unix time.
#[derive(Debug)]
pub(crate) struct At(pub(crate) u64);

impl Clock for At {
    fn now(&self) -> SystemTime {
        let then = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.0));
        then.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The verdict on a request that is valid.
#[derive(serde::Serialize)]
struct Valid<'d> {
    valid: bool,
    id: Option<&'d str>,
    event: Option<&'d str>,
    signed_at: Option<u64>,
    secret: Option<&'d str>,
}

/// The verdict on one that is not.
#[derive(serde::Serialize)]
struct Refused {
    valid: bool,
    reason: &'static str,
}

impl<'d> Valid<'d> {
    fn new(delivery: &'d Delivery, secrets: &'d [Named]) -> Self {
        let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        let named = secrets.iter().find(|named| named.label == delivery.secret());
        Self {
            valid: true,
            id: delivery.id(),
            event: delivery.event(),
            signed_at: delivery.signed_at().and_then(seconds).map(|since| since.as_secs()),
            secret: named.map(|named| &*named.variable),
        }
    }
}

fn reasons() -> String {
    // Limits of size and time are those of a server.
    let of_servers = ["too_large", "body_timeout", "body_aborted", "overloaded", "busy"];
    let reasons = Rejection::REASONS.iter().filter(|reason| !of_servers.contains(reason));
    format!("Reasons of a refusal: {}.", reasons.copied().collect::<Vec<_>>().join(", "))
}
