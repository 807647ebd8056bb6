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

/// How long the data of an attempt is, in bytes.
const DATA: usize = 96;
/// How many smaller data are tried, once there is a finding.
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
/// In a target of cargo-fuzz: `fuzz_target!(|data: &[u8]| { attack.check(&receiver, data).unwrap(); })`.
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

    /// The same for the endpoint with this public URL, which some partners sign.
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
        if !genuine.is_complete && self.right.accepts(&genuine.request, now).is_err() {
            return Ok(false);
        }
        let found = |oracle, what: &str, request: &Request<Bytes>| {
            let (what, scheme) = (what.to_owned(), self.scheme.name.to_string());
            Box::new(Finding {
                oracle,
                what,
                scheme,
                request: request.clone(),
                data: data.to_vec(),
            })
        };
        let receive = |request: &Request<Bytes>| {
            catch_unwind(AssertUnwindSafe(|| receiver.receive(request)))
                .map_err(|_| found(Oracle::NoPanic, "see the message above", request))
        };

        let request = &genuine.request;
        let verdict = receive(request)?;
        let Verdict::Accepted { key } = &verdict else {
            return Err(found(Oracle::AcceptsGenuine, "as it was signed", request));
        };
        let again = receive(request)?;
        if again == Verdict::Refused || again != verdict && self.has_identity() {
            return Err(found(Oracle::Stable, "as it was signed, twice", request));
        }
        let attempt = Attempt { attack: self, genuine: &genuine, now, choices: &mut choices };
        let make = MOVES.get(usize::from(choice) % MOVES.len());
        let Some(Move { request, what, expected }) = make.and_then(|make| make(attempt)) else {
            return Ok(false);
        };
        let oracle = match (expected, receive(&request)?) {
            (Expected::Refused(oracle), Verdict::Accepted { .. }) => oracle,
            (Expected::OneKey(oracle) | Expected::TwoKeys(oracle), Verdict::Refused) => oracle,
            (Expected::OneKey(_) | Expected::OneKeyIfAny, Verdict::Accepted { key: other })
                if self.has_identity() && *key != other =>
            {
                Oracle::OneKey
            }
            (Expected::TwoKeys(_), Verdict::Accepted { key: other })
                if self.has_identity() && key.is_some() && *key == other =>
            {
                Oracle::TwoKeys
            }
            _ => return Ok(true),
        };
        Err(found(oracle, &what, &request))
    }

    /// So many attempts, made of the same bytes for a seed: the same ones if [`Receiver::now`] stands still.
    /// What it finds is made as small as it gets; a panic that it finds is printed once more for each try.
    /// Fewer than 50 attempts may all be of a kind that does not apply to the scheme.
    ///
    /// # Errors
    ///
    /// A property that does not hold. Its `Debug` is what a test prints that unwraps it.
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
            let length = DATA.min(usize::from(byte()) % (DATA.saturating_add(1)));
            let data: Vec<u8> = (0..length).map(|_| byte()).collect();
            match self.check(receiver, &data) {
                Ok(is_tried) => tried = tried.saturating_add(is_tried.into()),
                Err(finding) => return Err(self.shrink(receiver, finding)),
            }
        }
        // Of a few attempts there may be none by chance.
        match iterations >= 50 && tried < iterations.div_ceil(20) {
            false => Ok(()),
            true => Err(Box::new(Finding {
                oracle: Oracle::Tried,
                what: format!(
                    "{tried} of {iterations} attempts; {}",
                    self.obstacle(receiver.now())
                ),
                scheme: self.scheme.name.to_string(),
                request: Request::new(Bytes::new()),
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
            let cuts = (1..=data.len()).rev().flat_map(|length| {
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
        Ok(Self { scheme, url, first: (secret, signer), others: Vec::new(), right })
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

    fn has_identity(&self) -> bool {
        self.scheme.identity != Identity::None
    }

    /// Why there is hardly anything to try.
    fn obstacle(&self, now: SystemTime) -> String {
        match Genuine::new(self, now, &mut Choices(&[])) {
            Err(error) => error.to_string(),
            Ok(genuine) => match self.right.accepts(&genuine.request, now) {
                Err(rejection) => format!("a request as it is signed is refused: {rejection}"),
                Ok(()) => "most of what is tried does not apply to this scheme".into(),
            },
        }
    }
}

fn signer(scheme: &Scheme, secret: &Secret, url: Option<&str>) -> Result<Signer, ConfigError> {
    match url {
        Some(url) => Signer::for_url(scheme.clone(), secret.clone(), url),
        None => Signer::new(scheme.clone(), secret.clone()),
    }
}
