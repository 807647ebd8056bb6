//! An attack on a receiver: it has to accept what the partner signs, and to refuse whatever somebody
//! makes of that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;

use super::choices::Choices;
use super::finding::{Finding, Oracle};
use super::receiver::{Receiver, Verdict};
use crate::error::ConfigError;
use crate::scheme::{Identity, Scheme};
use crate::secret::Secret;
use crate::sign::Signer;
use crate::verify::Verifier;

mod genuine;
mod moves;

use genuine::Genuine;
use moves::{Attempt, Expected, MOVES, Move};

/// The data of an attempt is shorter, in bytes.
const DATA: usize = 97;
/// How many smaller data are tried at most, once there is a finding.
const SHRINKS: usize = 2_000;

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
/// JSON in a form, an unsigned body, named keys or a signed query parameter, or with one field inside another one.
#[derive(Debug)]
pub struct Attack {
    scheme: Scheme,
    url: Option<String>,
    /// What the receiver takes, and who signs with it.
    first: (Secret, Signer),
    /// What it takes as well.
    others: Vec<(Secret, Signer)>,
    /// A right receiver of all of that.
    right: Verifier,
    ids: Option<fn(u32) -> String>,
    bodies: Option<fn(u32) -> String>,
    max_body: usize,
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
        self.right.rotate(all.map(|(secret, _)| secret.clone()))?;
        Ok(self)
    }

    /// How the partner writes its ids, where the receiver takes notice of that: a number's id, which no other
    /// number has. Without this there are ids of up to 80 characters: digits, and letters in either case.
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

    /// The longest body that the receiver takes, in bytes; of less than 1 KiB there are always some. Without
    /// this a few have some 200 KB, and some of the forged ones as well.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// One attempt, made of a fuzzer's bytes: a genuine request, and something that is made of it.
    /// Returns whether there was one: not everything can be done to every scheme.
    ///
    /// # Errors
    ///
    /// A property that does not hold.
    pub fn check(&self, receiver: &impl Receiver, data: &[u8]) -> Result<bool, Box<Finding>> {
        let mut choices = Choices(data);
        let choice = choices.byte();
        let now = receiver.now();
        let Ok(genuine) = Genuine::new(self, now, &mut choices) else { return Ok(false) };
        // Not every message that can be signed is accepted: it may lack something that identifies it. One that
        // ours refuses and has all that the scheme asks for is a finding about ours.
        if !genuine.is_complete && self.right.verify_at(genuine.request.clone(), now).is_err() {
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
                received_at: now,
                data: data.to_vec(),
            })
        };
        // `None` if it panics.
        let receive = |request| catch_unwind(AssertUnwindSafe(|| receiver.receive(request))).ok();

        let request = &genuine.request;
        let as_signed =
            |oracle| found(oracle, &format!("as it was signed, {}", genuine.shape(self)), request);
        let verdict = receive(request).ok_or_else(|| as_signed(Oracle::NoPanic))?;
        let Verdict::Accepted { key } = &verdict else {
            return Err(as_signed(Oracle::AcceptsGenuine));
        };
        let again = receive(request).ok_or_else(|| as_signed(Oracle::NoPanic))?;
        if again == Verdict::Refused || again != verdict && self.has_identity() {
            return Err(found(Oracle::Stable, "as it was signed, twice", request));
        }
        let attempt = Attempt { attack: self, genuine: &genuine, now, choices: &mut choices };
        let make = MOVES.iter().cycle().nth(choice.into());
        let Some(Move { request, what, expected }) = make.and_then(|make| make(attempt)) else {
            return Ok(false);
        };
        let verdict = receive(&request).ok_or_else(|| found(Oracle::NoPanic, &what, &request))?;
        let (oracle, what) = match (expected, verdict) {
            (Expected::Refused(oracle), Verdict::Accepted { .. }) => (oracle, what),
            (Expected::OneKey(oracle) | Expected::TwoKeys(oracle), Verdict::Refused) => {
                (oracle, what)
            }
            (Expected::OneKey(_) | Expected::OneKeyIfAny, Verdict::Accepted { key: other })
                if self.has_identity() && *key != other =>
            {
                let (key, other) = (written(key.as_deref()), written(other.as_deref()));
                (Oracle::OneKey, format!("{what}; the keys are {key} and {other}"))
            }
            (Expected::KeyIfAny, Verdict::Accepted { key: None }) if key.is_some() => {
                (Oracle::OneKey, format!("{what}; it has no key, and that with the header has one"))
            }
            (Expected::TwoKeys(_), Verdict::Accepted { key: other })
                if self.has_identity() && key.is_some() && *key == other =>
            {
                (Oracle::TwoKeys, format!("{what}; the key is {}", written(key.as_deref())))
            }
            _ => return Ok(true),
        };
        let finding = *found(oracle, &what, &request);
        Err(Box::new(Finding { genuine: Some(genuine.request), ..finding }))
    }

    /// So many attempts, made of the same bytes for a seed: the same ones if [`Receiver::now`] stands still.
    /// 10,000 take some seconds in a debug build; some mistakes show in one of a thousand. What it finds is
    /// made smaller; a panic that it finds is printed once more for each try.
    ///
    /// # Errors
    ///
    /// A property that does not hold, or [`Oracle::Tried`] if none of the attempts applies to the scheme, or of
    /// many hardly any. Its `Debug` is what a test prints that unwraps it.
    pub fn run(
        &self,
        receiver: &impl Receiver,
        iterations: u32,
        seed: u64,
    ) -> Result<(), Box<Finding>> {
        // Xorshift, which never leaves 0.
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        };
        let mut tried = 0u32;
        for _ in 0..iterations {
            let length = usize::from(byte()) % DATA;
            let data: Vec<u8> = (0..length).map(|_| byte()).collect();
            match self.check(receiver, &data) {
                Ok(is_tried) => tried = tried.saturating_add(is_tried.into()),
                Err(finding) => return Err(self.shrink(receiver, finding)),
            }
        }
        match tried == 0 || iterations >= 50 && tried < iterations.div_ceil(20) {
            false => Ok(()),
            true => Err(Box::new(Finding {
                oracle: Oracle::Tried,
                what: format!(
                    "{tried} of {iterations} attempts; {}",
                    self.obstacle(receiver.now())
                ),
                scheme: self.scheme.name.to_string(),
                request: Request::new(Bytes::new()),
                genuine: None,
                received_at: receiver.now(),
                data: Vec::new(),
            })),
        }
    }

    /// The smallest data in sight that break the same property.
    fn shrink(&self, receiver: &impl Receiver, finding: Box<Finding>) -> Box<Finding> {
        let mut smallest = finding;
        let mut tries = 0usize;
        loop {
            let data = smallest.data.clone();
            // By halves, so that there are not too many to try.
            let lengths = std::iter::successors(Some(data.len()), |length| Some(length / 2));
            let cuts = lengths.take_while(|length| *length > 0).flat_map(|length| {
                let starts = 0..=data.len().saturating_sub(length);
                starts.map(move |start| (start, length))
            });
            let cut = |(start, length): (usize, usize)| {
                let end = start.saturating_add(length);
                let (front, rest) = (data.get(..start), data.get(end..));
                [front.unwrap_or_default(), rest.unwrap_or_default()].concat()
            };
            let zeroed = (0..data.len()).filter_map(|at| {
                let mut data = data.clone();
                let byte = data.get_mut(at).filter(|byte| **byte != 0)?;
                *byte = 0;
                Some(data)
            });
            let most = if smallest.oracle == Oracle::NoPanic { SHRINKS / 4 } else { SHRINKS };
            let smaller = cuts.map(cut).chain(zeroed).take(most.saturating_sub(tries));
            let found = smaller.into_iter().find_map(|data| {
                tries = tries.saturating_add(1);
                let found = self.check(receiver, &data).err();
                found.filter(|found| found.oracle == smallest.oracle)
            });
            match found {
                Some(found) => smallest = found,
                None => return smallest,
            }
        }
    }

    fn on(scheme: Scheme, secret: Secret, url: Option<String>) -> Result<Self, ConfigError> {
        let signer = signer(&scheme, &secret, url.as_deref())?;
        let right =
            Verifier::builder("attacked", scheme.clone(), secret.clone()).allow_weak_secret();
        let right = match &url {
            Some(url) => right.url(url.clone()),
            None => right,
        };
        let right = right.build()?;
        let first = (secret, signer);
        Ok(Self {
            scheme,
            url,
            first,
            others: Vec::new(),
            right,
            ids: None,
            bodies: None,
            max_body: usize::MAX,
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

    fn has_identity(&self) -> bool {
        self.scheme.identity != Identity::None
    }

    /// Why there is hardly anything to try.
    fn obstacle(&self, now: SystemTime) -> String {
        match Genuine::new(self, now, &mut Choices(&[])) {
            Err(error) => error.to_string(),
            Ok(genuine) => match self.right.verify_at(genuine.request, now) {
                Err(rejection) => format!("a request as it is signed is refused: {rejection}"),
                Ok(_) => "most of what is tried does not apply to this scheme".into(),
            },
        }
    }
}

/// A key as text, if it is one.
fn written(key: Option<&[u8]>) -> String {
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
