//! An attack on a receiver: it has to accept what the partner signs, and to refuse whatever somebody
//! makes of that.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use super::choices::Choices;
use super::finding::Finding;
use super::oracle::Oracle;
use super::receiver::{Receiver, Verdict};
use crate::error::ConfigError;
use crate::scheme::{Identity, Scheme};
use crate::secret::Secret;
use crate::sign::Signer;
use crate::verify::Verifier;

mod clock;
mod content;
mod doctor;
mod genuine;
mod moves;
mod run;

use clock::Now;
use genuine::Genuine;
use moves::{Attempt, Expected, MOVES, Move};

/// What stands before the text of a panic.
const SAID: &str = "; it said: ";

/// An attack on whatever receives the webhooks of one partner.
///
/// In a test of your own, with the secret that the receiver is configured with there: not one in use, because
/// what is found is a request that is signed with it, and goes into a log.
///
/// ```
/// use inhook::fuzzing::Attack;
/// use inhook::{Secret, Verifier, presets};
///
/// let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
/// // Or anything that implements `inhook::fuzzing::Receiver`.
/// let receiver = Verifier::new("acme", presets::STANDARD_WEBHOOKS, secret.clone())?;
/// Attack::new(presets::STANDARD_WEBHOOKS, secret)?.run(&receiver, 500, 1)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A target of cargo-fuzz has it in a static, and calls [`check`](Self::check) with the data.
///
/// It decides by itself what is forged, changed or stale. It asks a [`Verifier`] whether a message is complete, and
/// whether two are the same delivery, for schemes that want more in a message than is known here: those with items,
/// JSON in a form, an unsigned body, named keys or a signed query parameter, with one field inside another one, or
/// whose identity has an event, a digest or a header that is the same in all requests.
pub struct Attack {
    scheme: Scheme,
    url: Option<String>,
    /// What the receiver takes, and who signs with it.
    first: (Secret, Signer),
    /// What it takes as well.
    others: Vec<(Secret, Signer)>,
    /// A right receiver of all of that.
    reference: Verifier,
    event: String,
    ids: Option<fn(u32) -> String>,
    bodies: Option<fn(u32) -> String>,
    max_body: usize,
    /// What the receiver wants in each request beside what the scheme has there.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Attack {
    /// An attack by this scheme, with the receiver's own secret: so it can tell what is genuine. The tolerance
    /// and the identity are the scheme's; where the receiver has others, change them there, as in
    /// `Scheme { tolerance: …, ..presets::STRIPE }`.
    ///
    /// # Errors
    ///
    /// As [`Signer::new`].
    pub fn new(scheme: Scheme, secret: impl Into<Secret>) -> Result<Self, ConfigError> {
        Self::on(scheme, secret.into(), None)
    }

    /// The same for the endpoint with this public URL. Some partners sign it, and a router looks at its path;
    /// without it requests go to `/`.
    ///
    /// # Errors
    ///
    /// As [`Signer::for_url`].
    pub fn for_url(
        scheme: Scheme,
        secret: impl Into<Secret>,
        url: &str,
    ) -> Result<Self, ConfigError> {
        Self::on(scheme, secret.into(), Some(url.to_owned()))
    }

    /// Another secret that the receiver takes, as while it is rotated: what is signed with any of them is
    /// genuine, and a delivery is the same whichever it is.
    ///
    /// # Errors
    ///
    /// As [`Signer::new`], or the label is there already, or there are more than 16.
    pub fn secret(mut self, secret: impl Into<Secret>) -> Result<Self, ConfigError> {
        let secret = secret.into();
        let signer = signer(&self.scheme, &secret, self.url.as_deref())?;
        self.others.push((secret, signer));
        let all = [&self.first].into_iter().chain(&self.others);
        self.reference.rotate(all.map(|(secret, _)| secret.clone()))?;
        Ok(self)
    }

    /// The type of the events, where the receiver takes notice of that and the scheme has it in a header, a query or
    /// a form; without this it is `push`. In JSON it is what [`bodies`](Self::bodies) say, unless the signature is
    /// there too.
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.event = event.into();
        self
    }

    /// How the partner writes its ids, where the receiver takes notice of that: a number's id, which no other
    /// number has. Numbers in JSON ([`Field::Integer`](crate::scheme::Field)) are the number itself. Without this
    /// there are ids of up to 80 characters: digits, and letters in either case.
    ///
    /// ```
    /// # use inhook::{fuzzing::Attack, presets};
    /// # let attack = Attack::new(presets::GITHUB, "a secret of at least sixteen bytes")?;
    /// let attack = attack.ids(|n| format!("{n:08x}-8cf0-11ef-9b1c-0242ac120002"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ids(mut self, ids: fn(u32) -> String) -> Self {
        self.ids = Some(ids);
        self
    }

    /// What the partner says in JSON, where the receiver takes notice of that: a number's text, which no other
    /// number has. What the scheme has in JSON is written into it, for which it has to be an object. Without this
    /// there is JSON that nobody expects, and text, and bytes that are none. Where the scheme has a form instead of
    /// JSON this changes nothing.
    ///
    /// ```
    /// # use inhook::{fuzzing::Attack, presets};
    /// # let attack = Attack::new(presets::GITHUB, "a secret of at least sixteen bytes")?;
    /// let attack = attack.bodies(|n| format!(r#"{{"action":"opened","number":{n}}}"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bodies(mut self, bodies: fn(u32) -> String) -> Self {
        self.bodies = Some(bodies);
        self
    }

    /// The largest body that the receiver accepts, in bytes. Bodies under 1 KiB are sent regardless. Without this a
    /// few genuine and forged bodies have 70 to 300 KB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// A header that each request has, where the receiver wants more than the scheme does: a `host` that is routed
    /// by, a `user-agent` that is let in, the `x-forwarded-proto` of a proxy, or a value that is signed and always the
    /// same. Some attempts leave it out, or have it twice or with something odd in it.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// One attempt, made of a fuzzer's bytes: a genuine request, and something that is made of it.
    /// Returns whether there was one: not everything can be done to every scheme.
    ///
    /// # Errors
    ///
    /// A property that does not hold.
    ///
    /// # Panics
    ///
    /// As [`ids`](Self::ids), [`bodies`](Self::bodies) and [`Receiver::now`] do; a panic of
    /// [`Receiver::receive`] is a finding.
    pub fn check(&self, receiver: &impl Receiver, data: &[u8]) -> Result<bool, Box<Finding>> {
        let mut choices = Choices(data);
        let choice = choices.byte();
        let now = Now::of(receiver);
        let Ok(genuine) = Genuine::new(self, now, &mut choices) else { return Ok(false) };
        // Not every message that can be signed is accepted: it may lack something that identifies it. One that
        // ours refuses and has all that the scheme asks for is a finding about ours.
        if !genuine.is_complete
            && self.reference.verify_at(genuine.request.clone(), now.at).is_err()
        {
            return Ok(false);
        }
        let found = |oracle, what: &str, request: &Request<Bytes>| {
            let (what, scheme) = (what.to_owned(), self.scheme.name.to_string());
            Box::new(Finding {
                oracle,
                what,
                scheme,
                request: request.clone(),
                genuine: None,
                received_at: now.at,
                data: data.to_vec(),
                doctor: self.doctor(),
            })
        };
        let receive = |what: &str, request: &Request<Bytes>| {
            let verdict = catch_unwind(AssertUnwindSafe(|| receiver.receive(request)));
            let said = |panic| format!("{what}{SAID}{}", panic_text(panic));
            verdict.map_err(|panic| found(Oracle::NoPanic, &said(panic), request))
        };

        let request = &genuine.request;
        let as_signed = format!("as it was signed, {}", genuine.shape(self, now));
        let verdict = receive(&as_signed, request)?;
        let Verdict::Accepted { key } = &verdict else {
            return Err(found(Oracle::AcceptsGenuine, &as_signed, request));
        };
        let again = receive(&as_signed, request)?;
        if again == Verdict::Refused || again != verdict && self.has_identity() {
            return Err(found(Oracle::Stable, "as it was signed, twice", request));
        }
        let attempt = Attempt { attack: self, genuine: &genuine, now, choices: &mut choices };
        let make = MOVES.iter().cycle().nth(choice.into());
        let Some(Move { request, what, expected }) = make.and_then(|make| make(attempt)) else {
            return Ok(false);
        };
        let verdict = receive(&what, &request)?;
        let (oracle, what) = match (expected, verdict) {
            (Expected::Refused(oracle), Verdict::Accepted { .. }) => (oracle, what),
            (Expected::OneKey(oracle) | Expected::TwoKeys(oracle), Verdict::Refused) => {
                (oracle, what)
            }
            (Expected::OneKey(_) | Expected::OneKeyIfAny, Verdict::Accepted { key: other })
                if self.has_identity() && *key != other =>
            {
                let (key, other) = (key_as_text(key.as_deref()), key_as_text(other.as_deref()));
                (Oracle::OneKey, format!("{what}; the keys are {key} and {other}"))
            }
            (Expected::KeyIfAny, Verdict::Accepted { key: None }) if key.is_some() => {
                (Oracle::OneKey, format!("{what}; it has no key, and that with the header has one"))
            }
            (Expected::TwoKeys(_), Verdict::Accepted { key: other })
                if self.has_identity() && key.is_some() && *key == other =>
            {
                (Oracle::TwoKeys, format!("{what}; the key is {}", key_as_text(key.as_deref())))
            }
            _ => return Ok(true),
        };
        let finding = *found(oracle, &what, &request);
        Err(Box::new(Finding { genuine: Some(genuine.request), ..finding }))
    }

    fn on(scheme: Scheme, secret: Secret, url: Option<String>) -> Result<Self, ConfigError> {
        let signer = signer(&scheme, &secret, url.as_deref())?;
        let reference =
            Verifier::builder("attacked", scheme.clone(), secret.clone()).allow_weak_secret();
        let reference = match &url {
            Some(url) => reference.url(url.clone()),
            None => reference,
        };
        let reference = reference.build()?;
        let first = (secret, signer);
        Ok(Self {
            scheme,
            url,
            first,
            others: Vec::new(),
            reference,
            event: "push".into(),
            ids: None,
            bodies: None,
            max_body: usize::MAX,
            headers: Vec::new(),
        })
    }

    /// The first secret, or any of several.
    fn signer(&self, choices: &mut Choices<'_>) -> &Signer {
        let any = match self.others.len() {
            0 => 0,
            others => choices.below(others.saturating_add(1)),
        };
        let other = any.checked_sub(1).and_then(|at| self.others.get(at));
        let (_, signer) = other.unwrap_or(&self.first);
        signer
    }

    /// All whose requests the receiver has to take.
    fn signers(&self) -> impl Iterator<Item = &Signer> {
        [&self.first].into_iter().chain(&self.others).map(|(_, signer)| signer)
    }

    /// Whether each request has that header, with one value.
    fn sends(&self, header: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.as_str().eq_ignore_ascii_case(header))
    }

    fn has_identity(&self) -> bool {
        self.scheme.identity != Identity::None
    }
}

impl fmt::Debug for Attack {
    /// Without the URL and the headers, in which there may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attack").field("scheme", &self.scheme.name).finish_non_exhaustive()
    }
}

/// What a panic said.
fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "nothing".into())
}

/// A key as text, if it is one.
fn key_as_text(key: Option<&[u8]>) -> String {
    match key.map(|key| (key, std::str::from_utf8(key))) {
        None => "none".into(),
        Some((_, Ok(text))) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            format!("`{text}`")
        }
        Some((key, _)) => const_hex::encode(key),
    }
}

fn signer(scheme: &Scheme, secret: &Secret, url: Option<&str>) -> Result<Signer, ConfigError> {
    match url {
        Some(url) => Signer::for_url(scheme.clone(), secret.clone(), url),
        None => Signer::new(scheme.clone(), secret.clone()),
    }
}
