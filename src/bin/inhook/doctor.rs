//! `inhook doctor`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderName, Request};
use inhook::scheme::{Layout, Scheme, TimeFormat};
use inhook::{Delivery, Rejection};

use crate::output::say;
use crate::request::{Captured, WrongLength};
use crate::secrets::Named;
use crate::verify::{Receiver, check_kind, judge};
use crate::{Failed, request, scheme};

mod body;
mod json;
mod rewrite;
mod secret;
mod signature;
mod url;

/// Tries what usually goes wrong, and says what would have to be changed for the request to verify.
///
/// Ends with 0 if the request is valid as it is, 1 if it is not, and 2 if the usage or the
/// configuration is wrong, and none of these mistakes explains that.
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
    /// Of two that explain a request, the likelier one is told: that with the lower number.
    rank: u8,
    case: Case,
}

impl Mistake {
    fn new(advice: impl Into<String>, case: Case) -> Self {
        Self { advice: advice.into(), rank: 0, case }
    }

    fn unlikely(advice: impl Into<String>, case: Case) -> Self {
        Self { rank: 1, ..Self::new(advice, case) }
    }
}

impl Doctor {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        let scheme = scheme::find(&self.receiver.scheme)?;
        let secrets = self.receiver.secrets.read(&scheme)?;
        let Captured { request, wrong_length } = request::capture(&self.request)?;
        let case = Case { scheme, secrets, url: self.receiver.url.clone(), request };
        let verifier = self.receiver.verifier(&case.scheme, &case.secrets);
        let refused = match verifier.map(|verifier| judge(&verifier, case.request.clone())) {
            Ok(Ok(delivery)) => {
                say(sentence(&format!("It is valid as it is{}", matched(&case, &delivery))))?;
                return Ok(ExitCode::SUCCESS);
            }
            Ok(Err(rejection)) => Ok(rejection),
            // The secret may be in another notation, which is what this is for.
            Err(failed) => Err(failed),
        };
        let reason = match &refused {
            Ok(rejection) => rejection.to_string(),
            Err(failed) => failed.to_string(),
        };
        say(format_args!("It is refused: {}", sentence(&reason)))?;
        let found = self.diagnose(&case, wrong_length);
        for advice in &found {
            say(advice)?;
        }
        let of_preset = !self.receiver.scheme.ends_with(".toml");
        if of_preset && found.iter().any(|advice| advice.contains(" = ")) {
            let preset = &self.receiver.scheme;
            say(format_args!(
                "To change a key, make a scheme file of the preset: `inhook presets {preset} > {MINE}`, and `--scheme {MINE}`."
            ))?;
        }
        if found.is_empty() && refused.is_err() {
            // That is no mistake of the request's.
            return Ok(ExitCode::from(2));
        }
        if let Some(missing) = wrong_length.and_then(|wrong| wrong.missing())
            && found.is_empty()
        {
            say(format_args!(
                "By its content-length {missing} bytes of the body are missing, and none of the usual mistakes explains that: it was cut off, so nothing can be said of its signature."
            ))?;
            return Ok(ExitCode::from(1));
        }
        match refused {
            _ if !found.is_empty() => {}
            Ok(Rejection::MissingHeader { header }) => say(format_args!(
                "None of the usual mistakes explains it: the request has no `{header}`. Whatever saved or passed it on dropped that, or the partner signs by another scheme."
            ))?,
            Ok(Rejection::RepeatedHeader { header }) => say(format_args!(
                "None of the usual mistakes explains it: `{header}` is there more than once. A proxy may have added it again."
            ))?,
            Ok(Rejection::MalformedHeader { header }) if is_signature(&case.scheme, &header) => {
                say(format_args!(
                    "None of the usual mistakes explains it: `{header}` should be like `{}`.",
                    signature::shape(&case.scheme)
                ))?;
            }
            _ => say(NOTHING)?,
        }
        Ok(ExitCode::from(1))
    }

    /// The likeliest mistakes that explain it, or else the first pair of them.
    fn diagnose(&self, case: &Case, wrong_length: Option<WrongLength>) -> Vec<String> {
        let right = match self.signed(case) {
            None => None,
            Some(proved) => {
                let rest = self.about_the_rest(case, &proved);
                let right = format!("The signature is right, but {rest}");
                // What changed the body, whose digest is signed, can be found.
                if !matches!(proved, Err(Rejection::WrongDigest)) {
                    return vec![right];
                }
                Some(right)
            }
        };
        let declared = wrong_length.and_then(|wrong| wrong.declared);
        let shorter = declared.and_then(|declared| case.request.body().get(..declared));
        let cut = shorter.map(|body| {
            let body = Bytes::copy_from_slice(body);
            Mistake::new(
                "without what follows the body in the file: by its content-length that is no part of it; an editor or `echo` added it.",
                case.with_body(body),
            )
        });
        let all = cut.into_iter().chain(mistakes(case));
        let explained = |mistake: Mistake| Some((mistake.rank, self.explained(&mistake, "")?));
        let mut singles: Vec<(u8, String)> = all.filter_map(explained).collect();
        singles.sort_by_key(|(rank, _)| *rank);
        let likeliest = singles.first().map(|(rank, _)| *rank);
        let mut found: Vec<String> = Vec::new();
        for (_, advice) in singles.into_iter().filter(|(rank, _)| Some(*rank) == likeliest) {
            if !found.contains(&advice) {
                found.push(advice);
            }
        }
        if !found.is_empty() || case.request.body().len() > MAX_FOR_PAIRS {
            return found;
        }
        if let Some(right) = right {
            return vec![right];
        }
        let pairs = mistakes(case).filter(|mistake| mistake.rank == 0);
        let mut pairs = pairs.flat_map(|first| {
            let seconds: Vec<Mistake> = mistakes(&first.case).collect();
            seconds.into_iter().filter_map(move |second| self.explained(&second, &first.advice))
        });
        pairs.next().into_iter().collect()
    }

    /// The advice, if the request would then be signed, and what else would be wrong with it.
    fn explained(&self, mistake: &Mistake, before: &str) -> Option<String> {
        let proved = self.signed(&mistake.case)?;
        let before = if before.is_empty() { String::new() } else { format!("{before} And: ") };
        let advice = format!("The signature would be right: {before}{}", mistake.advice);
        let case = &mistake.case;
        let besides = || format!("{advice} Besides, {}", self.about_the_rest(case, &proved));
        match &proved {
            Err(Rejection::WrongDigest) => return None,
            Err(_) => return Some(besides()),
            Ok(_) => {}
        }
        let builder =
            self.receiver.builder(&case.scheme, &case.secrets, case.url.as_deref()).ok()?;
        let verifier = builder.allow_weak_secret().build().ok()?;
        match judge(&verifier, case.request.clone()) {
            Err(Rejection::Stale { .. } | Rejection::Future { .. }) => Some(besides()),
            _ => Some(advice),
        }
    }

    /// What is known once the MAC holds, whatever the time is; `None` if it does not.
    fn signed(&self, case: &Case) -> Option<Result<Delivery, Rejection>> {
        let builder =
            self.receiver.builder(&case.scheme, &case.secrets, case.url.as_deref()).ok()?;
        let verifier = builder.allow_weak_secret().ignore_sent_at().build().ok()?;
        match verifier.verify(case.request.clone()) {
            // The signature is right, and what was signed is not what the scheme says of it.
            Err(
                rejection @ (Rejection::NotJson { .. }
                | Rejection::IdentityField { .. }
                | Rejection::MalformedTime { .. }
                | Rejection::WrongDigest),
            ) => Some(Err(rejection)),
            Ok(delivery) => Some(Ok(delivery)),
            Err(_) => None,
        }
    }

    /// What is wrong beside the signature: mostly the time.
    fn about_the_rest(&self, case: &Case, proved: &Result<Delivery, Rejection>) -> String {
        let delivery = match proved {
            Ok(delivery) => delivery,
            Err(rejection) => return sentence(&rejection.to_string()),
        };
        let now = self.receiver.now();
        let (Ok(()), Some(signed_at), Some(sent_at)) =
            (check_kind(&case.request), delivery.signed_at(), &case.scheme.sent_at)
        else {
            return "a server does not take the method or the content encoding.".into();
        };
        let since_1970 = signed_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match (sent_at.format, since_1970.as_secs()) {
            // The year 3000, and 2001.
            (TimeFormat::UnixSeconds, 32_503_680_000..) => {
                return "the time is in milliseconds: `sent_at` needs `format = \"unix_millis\"`."
                    .into();
            }
            (TimeFormat::UnixMillis, ..1_000_000_000) => {
                return "the time is in seconds: `sent_at` needs `format = \"unix_seconds\"`."
                    .into();
            }
            _ => {}
        }
        let away = match now.duration_since(signed_at) {
            Ok(age) => format!("{} s ago", age.as_secs()),
            Err(error) => format!("{} s ahead", error.duration().as_secs()),
        };
        format!(
            "the request was sent {away} by this clock. If it was captured before, give the time then with `--at`; if it is live, set the clock (NTP), or a larger tolerance if the partner repeats the time of its first attempt."
        )
    }
}

const MINE: &str = "my-scheme.toml";

/// Pairs are tried for bodies of up to so many bytes; for longer ones it would take minutes.
const MAX_FOR_PAIRS: usize = 16 * 1024;

const NOTHING: &str = "\
None of the usual mistakes explains it. What is left: the secret is another one (an old one, that of
another endpoint, or of the test mode), the body is not the raw one (JSON that was parsed and written
again in some style that is not known here, an empty body for one that was read already), something else
was changed on its way, or the partner signs something else: see `docs/add-a-partner.md`.";

/// With a full stop, if it does not end as a sentence.
fn sentence(text: &str) -> String {
    let ends = text.ends_with(['.', '?', '!']);
    format!("{text}{}", if ends { "" } else { "." })
}

fn mistakes(case: &Case) -> impl Iterator<Item = Mistake> {
    let others = [secret::mistakes(case), signature::mistakes(case), url::mistakes(case)];
    body::mistakes(case)
        .into_iter()
        .chain(others.into_iter().flatten())
        // They are made one by one: there are many, of large bodies.
        .chain(json::mistakes(case))
}

/// Whether the signature is in this header.
fn is_signature(scheme: &Scheme, header: &HeaderName) -> bool {
    let names = scheme.signature.field.as_header().into_iter();
    let others = scheme.signature.others.iter().map(|name| &**name);
    let numbered = scheme.signature.layout == Layout::Numbered;
    names.chain(others).any(|name| {
        let name = name.to_ascii_lowercase();
        header.as_str() == name || numbered && header.as_str().starts_with(&name)
    })
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
