//! One change to a signed request, as somebody between the partner and us could make it: to any byte, where an
//! `Attack` has a list of what people get wrong.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Request};
use serde_json::Value;

use super::fixtures::{IN_BODY, SECRETS, Standing, signature_header, verifier};
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::fuzzing::receiver::verify;
use crate::fuzzing::set_json;
use crate::scheme::presets::{GITHUB, SHOPIFY, SLACK, STANDARD_WEBHOOKS, STRIPE};
use crate::scheme::{Field, Identity, Layout, Part, Scheme, SentAt, Tolerance};
use crate::secret::Secret;
use crate::sign::{Message, Signer};
use crate::timestamp;
use crate::verify::{Rejection, Verifier};

/// See [`sign_mutate_verify`](super::sign_mutate_verify).
pub(super) fn check(data: &[u8]) -> bool {
    let (choice, data) = data.split_first().unwrap_or((&0, &[]));
    let schemes = [GITHUB, STANDARD_WEBHOOKS, IN_BODY, STRIPE, SLACK, SHOPIFY];
    let (scheme, secret) = (&schemes[usize::from(*choice) % 6], Secret::new(SECRETS[0]));
    let mut controls = [0; 7];
    let (front, rest) = data.split_at(data.len().min(controls.len()));
    controls[..front.len()].copy_from_slice(front);
    let [time, mutation @ .., id_len] = controls;
    let (id, payload) = rest.split_at(rest.len().min(id_len.into()));

    let signer = Signer::new(scheme.clone(), secret.clone()).expect("a scheme that builds");
    let verifier = verifier(scheme, [secret]);
    let (sent_at, in_time) = sent_at(scheme, time.cast_signed());
    let id = id_text(scheme, id);
    let body = body(scheme, &id, sent_at, payload);
    let message = Message::new(body).id(&*id).sent_at(sent_at);
    let original = signer.request(&message).expect("an id and a time that a header can hold");

    let delivery = match verify(&verifier, original.clone()) {
        Ok(delivery) => delivery,
        Err(Rejection::Stale { .. } | Rejection::Future { .. }) if !in_time => return false,
        Err(rejection) => panic!("a signed request was refused: {rejection}: {original:?}"),
    };
    assert!(in_time, "a request outside the tolerance was accepted: {original:?}");
    assert_eq!(delivery.id(), scheme.id.is_some().then_some(&*id), "another id than was signed");
    assert_eq!(delivery.signed_at(), scheme.sent_at.is_some().then_some(sent_at), "another time");
    assert_eq!(delivery.body(), original.body(), "another body than was signed");

    Mutation::new(scheme, mutation).check(&verifier, &original, &delivery)
}

/// What is changed, and how.
struct Mutation<'s> {
    scheme: &'s Scheme,
    target: Target<'s>,
    kind: u8,
    at: usize,
    operand: u8,
}

/// What is changed; a header by its name.
#[derive(Debug, Clone, Copy)]
enum Target<'s> {
    Body,
    Signature(&'s str),
    Id(&'s str),
    Time(&'s str),
}

impl<'s> Mutation<'s> {
    fn new(scheme: &'s Scheme, [target, kind, high, low, operand]: [u8; 5]) -> Self {
        let id = match &scheme.id {
            Some(Field::Header(name)) => Some(Target::Id(name)),
            _ => None,
        };
        let time = match &scheme.sent_at {
            Some(SentAt { field: Field::Header(name), .. }) => Some(Target::Time(name)),
            _ => None,
        };
        let targets: Vec<Target<'s>> = [Target::Body, Target::Signature(signature_header(scheme))]
            .into_iter()
            .chain(id)
            .chain(time)
            .collect();
        let target =
            targets.get(usize::from(target) % targets.len()).copied().unwrap_or(Target::Body);
        Self { scheme, target, kind, at: u16::from_be_bytes([high, low]).into(), operand }
    }

    /// Whether the mutated request is accepted. Panics if that is wrong, or if it is accepted as
    /// another delivery than it was signed as.
    fn check(&self, verifier: &Verifier, original: &Request<Bytes>, signed: &Delivery) -> bool {
        let before = self.target.read(original);
        let mut after = before.clone();
        self.change(&mut after);
        let Some(mutated) = self.target.write(original, &after) else { return false };
        let changed = before != after;

        let delivery = match verify(verifier, mutated.clone()) {
            Ok(delivery) => delivery,
            Err(rejection) => {
                assert!(changed, "a signed request was refused: {rejection}: {mutated:?}");
                return false;
            }
        };
        assert!(!changed || self.is_harmless(&before, &after), "accepted: {self:?}: {mutated:?}");
        assert_eq!(delivery.body(), signed.body(), "another body than was signed");
        let identity = &self.scheme.identity;
        let counts = matches!(identity, Identity::IdAndContent | Identity::UnsignedId);
        let other = changed && counts && matches!(self.target, Target::Id(_));
        if *identity != Identity::None {
            assert_eq!(
                delivery.key() != signed.key(),
                other,
                "the wrong key: {self:?}: {mutated:?}"
            );
        }
        true
    }

    fn change(&self, text: &mut Vec<u8>) {
        let len = text.len();
        let at = self.at % (len + 1);
        match self.kind % 4 {
            0 => text.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= self.operand),
            1 => text.insert(at, self.operand),
            2 => drop(text.drain(at..(at + 1 + usize::from(self.operand)).min(len))),
            _ if at < len => text.swap(at, usize::from(self.operand) % len),
            _ => {}
        }
    }

    /// Whether an entry of the signature header is the time.
    fn is_time(&self, entry: &[u8]) -> bool {
        match &self.scheme.sent_at {
            Some(SentAt { field: Field::Parameter(name), .. }) => {
                entry.starts_with(format!("{name}=").as_bytes())
            }
            _ => false,
        }
    }

    /// Whether it changed neither a signed byte nor the spelling of the tag.
    fn is_harmless(&self, before: &[u8], after: &[u8]) -> bool {
        match (self.target, self.scheme.signature.layout) {
            (Target::Body | Target::Time(_), _) => false,
            (Target::Id(_), _) => !self.scheme.content.contains(&Part::Id),
            (Target::Signature(_), Layout::Single) => false,
            (Target::Signature(_), Layout::List(separator)) => {
                let entries = |list: &[u8]| -> Vec<Vec<u8>> {
                    list.split(|byte| char::from(*byte) == separator).map(<[u8]>::to_vec).collect()
                };
                let after = entries(after);
                // All that was signed is there, and no second time.
                let times = after.iter().filter(|entry| self.is_time(entry)).count();
                entries(before).iter().all(|entry| after.contains(entry)) && times <= 1
            }
            (Target::Signature(_), layout) => panic!("the oracle does not know {layout:?}"),
        }
    }
}

impl fmt::Debug for Mutation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, target, kind, at, operand } = self;
        let kind = ["xor", "insert", "delete", "swap"].get(usize::from(kind % 4)).unwrap_or(&"");
        write!(f, "{kind} {operand} at {at} in {target:?} of {}", scheme.name)
    }
}

impl Target<'_> {
    fn read(self, request: &Request<Bytes>) -> Vec<u8> {
        match self {
            Self::Body => request.body().to_vec(),
            Self::Signature(name) | Self::Id(name) | Self::Time(name) => request
                .headers()
                .get(name)
                .map(|value| value.as_bytes().to_vec())
                .unwrap_or_default(),
        }
    }

    /// The request with another value here; `None` if a header can't hold it.
    fn write(self, request: &Request<Bytes>, text: &[u8]) -> Option<Request<Bytes>> {
        let mut request = request.clone();
        match self {
            Self::Body => *request.body_mut() = Bytes::copy_from_slice(text),
            Self::Signature(name) | Self::Id(name) | Self::Time(name) => {
                *request.headers_mut().get_mut(name)? = HeaderValue::from_bytes(text).ok()?;
            }
        }
        Some(request)
    }
}

/// Up to 1.28 times the tolerance away from now, in whole seconds, and whether that is in time.
fn sent_at(scheme: &Scheme, steps: i8) -> (SystemTime, bool) {
    let future = steps > 0;
    let tolerance = scheme.tolerance.unwrap_or(Tolerance::BASE);
    let tolerance = if future { tolerance.future } else { tolerance.past };
    let away = Duration::from_secs((tolerance * u32::from(steps.unsigned_abs()) / 100).as_secs());
    let now = Standing.now();
    let sent_at = if future { now + away } else { now - away };
    (sent_at, scheme.sent_at.is_none() || away <= tolerance)
}

/// An id of 1 to 255 bytes. In a header it has letters and digits, which no separator consists of;
/// in a body it has whatever JSON can say, without control characters.
fn id_text(scheme: &Scheme, data: &[u8]) -> String {
    let mut id = String::new();
    match scheme.id {
        Some(Field::Pointer(_)) => {
            for char in String::from_utf8_lossy(data).chars().filter(|char| !char.is_control()) {
                if id.len() + char.len_utf8() <= 255 {
                    id.push(char);
                }
            }
        }
        _ => id.extend(data.iter().filter_map(|byte| char::from_digit(u32::from(*byte) % 36, 36))),
    }
    if id.is_empty() { "0".into() } else { id }
}

/// The payload as it is, or inside JSON that has the fields which the scheme needs.
fn body(scheme: &Scheme, id: &str, sent_at: SystemTime, payload: &[u8]) -> Vec<u8> {
    let time = scheme
        .sent_at
        .as_ref()
        .map(|SentAt { field, format }| (field, timestamp::write(*format, sent_at)));
    let ids = scheme.identity.fields().iter().chain(&scheme.id).map(|field| (field, id.to_owned()));
    let mut fields =
        ids.chain(time).filter(|(field, _)| matches!(field, Field::Pointer(_))).peekable();
    if fields.peek().is_none() {
        return payload.to_vec();
    }
    let mut json = Value::Object(serde_json::Map::new());
    json["payload"] = String::from_utf8_lossy(payload).into();
    for (field, text) in fields {
        if let Field::Pointer(pointer) = field {
            set_json(&mut json, pointer, text.into());
        }
    }
    serde_json::to_vec(&json).expect("a JSON value can be written")
}
