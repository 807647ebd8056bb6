//! `inhook doctor`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use inhook::scheme::{Scheme, TimeFormat};
use inhook::{Delivery, Rejection};

use crate::secrets::Named;
use crate::verify::Receiver;
use crate::{Failed, request, scheme};

mod body;
mod secret;
mod signature;
mod url;

/// Tries what usually goes wrong, and says what would have to be changed for the request to verify.
///
/// Ends with 0 if the request is valid as it is, 1 if it is not, and 2 if the usage or the
/// configuration is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    receiver: Receiver,
    /// A raw HTTP/1.1 request: request line, headers, empty line, body. `-` is standard input.
    request: PathBuf,
}

/// A receiver and a request.
#[derive(Clone)]
struct Case {
    scheme: Scheme,
    secrets: Vec<Named>,
    url: Option<String>,
    request: Request<Bytes>,
}

/// One thing that may be wrong.
struct Mistake {
    /// What it is, and what to do.
    advice: String,
    case: Case,
}

impl Doctor {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        let scheme = scheme::find(&self.receiver.scheme)?;
        let secrets = self.receiver.secrets.read(&scheme)?;
        let request = request::read(&self.request)?;
        let case = Case { scheme, secrets, url: self.receiver.url.clone(), request };
        let verdict = self
            .receiver
            .verifier(&case.scheme, &case.secrets)
            .map(|verifier| verifier.verify(case.request.clone()));
        let refused = match verdict {
            Ok(Ok(delivery)) => {
                println!("It is valid as it is{}.", matched(&case, &delivery));
                return Ok(ExitCode::SUCCESS);
            }
            Ok(Err(rejection)) => rejection.to_string(),
            // The secret may be in another notation, which is what this is for.
            Err(failed) => failed.to_string(),
        };
        println!("It is refused: {refused}.");
        let found = self.diagnose(&case);
        match found.is_empty() {
            true => println!("{NOTHING}"),
            false => found.iter().for_each(|advice| println!("It would be accepted: {advice}")),
        }
        Ok(ExitCode::from(1))
    }

    /// All single mistakes that explain it, or else all pairs of them.
    fn diagnose(&self, case: &Case) -> Vec<String> {
        if let Some(delivery) = self.signed(case) {
            return vec![self.about_time(case, &delivery)];
        }
        let explains = |mistake: &Mistake| self.signed(&mistake.case).is_some();
        let singles: Vec<String> =
            mistakes(case).into_iter().filter(explains).map(|mistake| mistake.advice).collect();
        if !singles.is_empty() {
            return singles;
        }
        let pairs = mistakes(case).into_iter().flat_map(|first| {
            let seconds = mistakes(&first.case).into_iter();
            let both = seconds.filter(explains).map(move |second| second.advice);
            both.map(move |second| format!("{} And: {second}", first.advice))
        });
        pairs.take(3).collect()
    }

    /// The delivery, whatever its time is.
    fn signed(&self, case: &Case) -> Option<Delivery> {
        let build = |scheme: &Scheme| {
            self.receiver
                .builder(scheme, &case.secrets, case.url.as_deref())
                .ok()
                .and_then(|builder| builder.allow_weak_secret().ignore_sent_at().build().ok())
        };
        match build(&case.scheme)?.verify(case.request.clone()) {
            Ok(delivery) => Some(delivery),
            // The signature is right, and the body is not what the identity needs.
            Err(Rejection::NotJson { .. } | Rejection::IdentityField { .. }) => {
                let identity = inhook::scheme::Identity::None;
                build(&Scheme { identity, ..case.scheme.clone() })?
                    .verify(case.request.clone())
                    .ok()
            }
            Err(_) => None,
        }
    }

    /// The signature is right, and still it is refused.
    fn about_time(&self, case: &Case, delivery: &Delivery) -> String {
        let now = self.receiver.now();
        let Some(signed_at) = delivery.signed_at() else {
            return "the signature is right, but a field that identifies the delivery is missing: see the reason above, and choose another identity if the partner does not send it.".into();
        };
        let millis = case.scheme.sent_at.as_ref().is_some_and(|sent_at| {
            let year_3000 = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(32_503_680_000);
            sent_at.format == TimeFormat::UnixSeconds && signed_at > year_3000
        });
        if millis {
            return "the signature is right, and the time is in milliseconds: `sent_at` needs `format = \"unix_millis\"`.".into();
        }
        let away = match now.duration_since(signed_at) {
            Ok(age) => format!("{} s ago", age.as_secs()),
            Err(error) => format!("{} s ahead", error.duration().as_secs()),
        };
        format!(
            "the signature is right, but the request was sent {away} by this clock. If it was captured before, give the time then with `--at`; if it is live, set the clock (NTP), or a larger tolerance if the partner repeats the time of its first attempt."
        )
    }
}

const NOTHING: &str = "\
None of the usual mistakes explains it. What is left: the secret is another one (an old one, that of
another endpoint, or of the test mode), the request was changed on its way (a proxy that rewrites the
body or a header), or the partner signs something else: see `docs/add-a-partner.md`.";

fn mistakes(case: &Case) -> Vec<Mistake> {
    [body::mistakes(case), secret::mistakes(case), signature::mistakes(case), url::mistakes(case)]
        .into_iter()
        .flatten()
        .collect()
}

/// Says which of several secrets it was.
fn matched(case: &Case, delivery: &Delivery) -> String {
    let at = case.secrets.iter().position(|named| named.label == delivery.secret());
    let named = at.and_then(|at| case.secrets.get(at));
    match (at, named) {
        (Some(at), Some(named)) if at > 0 => {
            format!(
                ", signed with {}, which is not the first: is that an old secret?",
                named.variable
            )
        }
        _ => String::new(),
    }
}

impl Case {
    fn with_body(&self, body: impl Into<Bytes>) -> Case {
        let mut case = self.clone();
        *case.request.body_mut() = body.into();
        case
    }
}
