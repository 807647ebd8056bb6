//! A scheme that somebody wrote, and what it makes of its own requests.

use std::sync::Arc;

use super::case::Case;
use super::fixtures::{Standing, URL, secret};
use crate::clock::Clock;
use crate::fuzzing::Attack;
use crate::fuzzing::choices::Choices;
use crate::fuzzing::receiver::verify;
use crate::scheme::{Danger, Field, Identity, Scheme};
use crate::sign::{Message, Signer};
use crate::verify::source::Source;
use crate::verify::{Rejection, Verifier};

pub(super) fn check(data: &[u8]) -> bool {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (file, body) = data.split_at(end);
    let Ok(file) = std::str::from_utf8(file) else { return false };
    let scheme = match Scheme::from_toml("fuzzed.toml", file) {
        Ok(scheme) => scheme,
        Err(error) => {
            assert!(error.to_string().starts_with("fuzzed.toml"), "{error}");
            let lines = file.split('\n').count();
            let is_long = file.len() > 64 * 1024;
            assert!(error.line.map_or(is_long, |line| (1..=lines).contains(&line)), "{error}");
            return false;
        }
    };
    holds(&scheme, body.get(1..).unwrap_or_default())
}

/// What holds of any scheme that can be built: what is printed is the same, and what it signs it accepts,
/// whatever else is in the request.
fn holds(scheme: &Scheme, body: &[u8]) -> bool {
    let printed = scheme.to_toml();
    let read = Scheme::from_toml("printed.toml", &printed);
    assert_eq!(read.as_ref(), Ok(scheme), "what is printed is another scheme: {printed}");

    let (verifier, signer) = both_sides(scheme);
    let mut message = Message::new(body.to_vec()).id("71").sent_at(Standing.now());
    if body.starts_with(b"{") {
        message = message.fill_body();
    }
    // In JSON there is no place for one that belongs into a form.
    let with_event = signer.request(&message.clone().event("event1"));
    let Ok(request) = with_event.or_else(|_| signer.request(&message)) else { return false };
    let signed = match verify(&verifier, request.clone()) {
        Ok(delivery) => delivery,
        // What is inside a body that is signed as it is was not there.
        Err(
            Rejection::NotJson { .. }
            | Rejection::IdentityField { .. }
            | Rejection::MalformedTime { .. }
            | Rejection::Stale { .. }
            | Rejection::Future { .. },
        ) => return false,
        Err(rejection) => {
            panic!("a signed request was refused: {rejection}: {request:?}: {printed}")
        }
    };
    let case = Case { scheme, verifier: &verifier, request: &request, signed: &signed };
    case.unrelated_headers();
    case.changed_bodies();
    true
}

/// Nothing that somebody makes of its requests is accepted.
fn attack(scheme: &Scheme, attempt: &[u8]) {
    let (verifier, _) = both_sides(scheme);
    let attack = Attack::for_url(scheme.clone(), secret(scheme), URL).expect("a scheme that signs");
    let finding = attack.check(&verifier, attempt);
    finding.unwrap_or_else(|finding| panic!("{finding}\n{scheme:#?}"));
}

/// Who receives and who signs by a scheme that was checked.
fn both_sides(scheme: &Scheme) -> (Verifier, Signer) {
    let builder = Verifier::builder("fuzzed", scheme.clone(), secret(scheme)).url(URL);
    match (
        builder.clock(Arc::new(Standing)).build(),
        Signer::for_url(scheme.clone(), secret(scheme), URL),
    ) {
        (Ok(verifier), Ok(signer)) => (verifier, signer),
        _ => panic!("a scheme that was checked can't be built: {scheme:#?}"),
    }
}

/// A scheme that the data chooses, key by key: most text is none.
pub(super) fn chosen(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let scheme = choices.scheme();
    let body = choices.body();
    if Source::prepare("chosen".into(), &scheme, Some(URL), true, None).is_err() {
        return false;
    }
    // From the other end, where there is something left.
    let attempt: Vec<u8> = data.iter().rev().copied().collect();
    attack(&scheme, &attempt);
    holds(&scheme, &body)
}

impl Choices<'_> {
    fn body(&mut self) -> Vec<u8> {
        match self.byte() % 5 {
            0 => br#"{"a":"1","b":2,"c":"x","d":9}"#.to_vec(),
            1 => b"e=1&f=%7C".to_vec(),
            2 => b"e=x+y".to_vec(),
            3 => br#"{"a":1,"i":[{"a":"1","b":2,"c":"x","d":9},{"a":"2","b":3,"c":"","d":0}]}"#
                .to_vec(),
            _ => self.rest().to_vec(),
        }
    }
}

impl Case<'_> {
    /// A body that was changed is refused, or, where not all of it is signed, at least no second delivery.
    fn changed_bodies(&self) {
        let body = self.request.body();
        for at in (0..=body.len()).step_by(body.len() / 24 + 1) {
            let (front, rest) = body.split_at(at);
            let after = rest.get(1..).unwrap_or_default();
            let flipped = rest.first().map(|byte| byte ^ 1);
            let changes = [
                [front, flipped.as_slice(), after].concat(),
                [front, after].concat(),
                [front, b"&", rest].concat(),
                [front, b"1", rest].concat(),
                [front, b"%20", rest].concat(),
                [front, b"\n", rest].concat(),
            ];
            for changed in changes.into_iter().filter(|changed| changed != body) {
                self.changed_body(changed);
            }
        }
    }

    fn changed_body(&self, body: Vec<u8>) {
        let mut changed = self.request.clone();
        *changed.body_mut() = body.into();
        let Ok(delivery) = verify(self.verifier, changed.clone()) else { return };
        let allows = |danger| self.scheme.dangerously_allow.contains(&danger);
        let in_body =
            |field: &Field| matches!(field, Field::Pointer(_) | Field::Integer(_) | Field::Form(_));
        // The whole body is signed, by its bytes or by a digest, unless the scheme says otherwise; a
        // signature in it is not.
        let loose = allows(Danger::UnsignedBody)
            || allows(Danger::AmbiguousContent)
            || in_body(&self.scheme.signature.field);
        assert!(loose, "another body was accepted: {changed:?}: {:?}", self.scheme);
        let binds_id =
            matches!(self.scheme.identity, Identity::IdAndContent | Identity::UnsignedId);
        let id = self.scheme.id.as_ref();
        let moves_id = binds_id && id.is_some_and(|id| in_body(id) && !self.scheme.signs(id));
        if self.has_identity() && !moves_id && !allows(Danger::LooseItems) {
            assert_eq!(delivery.key(), self.signed.key(), "{changed:?}: {:?}", self.scheme);
        }
    }
}
