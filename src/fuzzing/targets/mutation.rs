//! One change to a signed request, as somebody between the partner and us could make it.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Request};

use super::signature_header;
use crate::delivery::Delivery;
use crate::fuzzing::receiver::verify;
use crate::scheme::{Field, Identity, Layout, Part, Scheme, SentAt};
use crate::verify::Verifier;

/// What is changed, and how.
pub(super) struct Mutation<'s> {
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
    pub(super) fn new(scheme: &'s Scheme, [target, kind, high, low, operand]: [u8; 5]) -> Self {
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
    pub(super) fn check(
        &self,
        verifier: &Verifier,
        original: &Request<Bytes>,
        signed: &Delivery,
    ) -> bool {
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
