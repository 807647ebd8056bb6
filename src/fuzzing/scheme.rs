//! A scheme that somebody wrote, and what it makes of its own requests.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an oracle fails by panicking"
)]

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use super::Attack;
use super::choices::Choices;
use super::{Standing, URL, secret, verify};
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::scheme::{
    Danger, Encoding, Field, Identity, Json, Layout, Part, Scheme, SentAt, Signature, TimeFormat,
};
use crate::sign::{Message, Signer};
use crate::verify::source::Source;
use crate::verify::{Rejection, Verifier};

/// No scheme is about it.
const UNRELATED: &str = "x-unrelated-to-everything";

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
    fn scheme(&mut self) -> Scheme {
        let count = self.byte() % 5 + 1;
        let content: Vec<Part> = (0..count).map(|_| self.part()).collect();
        let id = self.rarely(2).then(|| self.field());
        let sent_at = self.rarely(3).then(|| SentAt {
            field: if self.rarely(3) { Field::parameter("t") } else { self.field() },
            format: self.one(&[
                TimeFormat::UnixSeconds,
                TimeFormat::UnixMillis,
                TimeFormat::Rfc3339,
            ]),
        });
        let identity = match (self.byte() % 6, &id) {
            (0, Some(id)) => Identity::Fields(vec![id.clone()].into()),
            (1, _) => Identity::Fields(vec![self.field()].into()),
            (2, _) => Identity::IdAndContent,
            (3, _) => Identity::UnsignedId,
            (4, _) => Identity::None,
            _ => Identity::Content,
        };
        let dangers = [Danger::UnsignedBody, Danger::AmbiguousContent];
        let dangers: Vec<Danger> = dangers.into_iter().filter(|_| self.rarely(3)).collect();
        let judged = !self.rarely(4);
        Scheme {
            name: "chosen".into(),
            signature: Signature {
                field: match self.byte() % 8 {
                    0 => Field::query("s"),
                    1 => Field::form("s"),
                    2 => Field::pointer("/s"),
                    _ => Field::header("x-signature"),
                },
                prefix: self.one(&["", "v1=", "HMAC "]).into(),
                layout: self.one(&[
                    Layout::Single,
                    Layout::List(','),
                    Layout::SpacedList(','),
                    Layout::Lists(','),
                    Layout::Repeated,
                    Layout::Numbered,
                ]),
                encoding: self.one(&[
                    Encoding::Hex,
                    Encoding::Base64,
                    Encoding::Base64Url,
                    Encoding::AnyCaseHex,
                ]),
                ..Signature::BASE
            },
            content: content.into(),
            digest: self.rarely(6).then(|| self.one(&[Field::header("x-d"), Field::query("d")])),
            event: self.rarely(2).then(|| self.field()),
            json: if self.rarely(6) { Json::Form("payload".into()) } else { Json::Body },
            optional_end: self.rarely(6).then(|| self.one(&["|", "\n", "1"]).into()),
            multipart: self.rarely(8),
            either_port: self.rarely(4),
            tolerance: if judged { Scheme::BASE.tolerance } else { None },
            dangerously_allow: dangers.into(),
            id,
            sent_at,
            identity,
            ..Scheme::BASE
        }
    }

    fn field(&mut self) -> Field {
        let name = self.one(&["a", "b", "c", "d"]);
        match self.byte() % 5 {
            0 => Field::Header(format!("x-{name}").into()),
            1 => Field::query(name),
            2 => Field::form(name),
            3 => Field::Pointer(format!("/{name}").into()),
            _ => Field::Integer(format!("/{name}").into()),
        }
    }

    fn literal(&mut self) -> Part {
        Part::Literal(self.one(&["|", ".", ";", "\n", "a", "1", "|a"]).into())
    }

    fn part(&mut self) -> Part {
        match self.byte() % 16 {
            0..=2 => Part::Body,
            3 => Part::BodySha256,
            4 => Part::Id,
            5 => Part::SentAt,
            6 => Part::Method,
            7 => Part::Url,
            8 => Part::Path,
            9 => Part::Query,
            10 => Part::Field(self.field()),
            11 => Part::SortedForm,
            12 => {
                let value = if self.rarely(4) { Part::Query } else { Part::Field(self.field()) };
                let parts = match self.byte() % 3 {
                    0 => vec![value],
                    1 => vec![self.literal(), value],
                    _ => vec![self.literal(), value, self.literal()],
                };
                Part::Optional(parts.into())
            }
            _ => self.literal(),
        }
    }

    fn body(&mut self) -> Vec<u8> {
        match self.byte() % 4 {
            0 => br#"{"a":"1","b":2,"c":"x","d":9}"#.to_vec(),
            1 => b"e=1&f=%7C".to_vec(),
            2 => b"e=x+y".to_vec(),
            _ => self.rest().to_vec(),
        }
    }
}

/// A request that was accepted.
struct Case<'c> {
    scheme: &'c Scheme,
    verifier: &'c Verifier,
    request: &'c Request<Bytes>,
    signed: &'c Delivery,
}

impl Case<'_> {
    /// Whether two requests of the scheme can be one delivery.
    fn has_identity(&self) -> bool {
        self.scheme.identity != Identity::None
    }

    /// Neither a header that nobody needs, nor the order of those that somebody does, changes anything.
    fn unrelated_headers(&self) {
        let names = format!("{:?}", self.scheme).to_ascii_lowercase();
        if names.contains(UNRELATED) {
            return;
        }
        let mut changed = self.request.clone();
        let headers: Vec<(HeaderName, HeaderValue)> = self
            .request
            .headers()
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        changed.headers_mut().clear();
        changed.headers_mut().insert(UNRELATED, HeaderValue::from_static("1"));
        for (name, value) in headers.into_iter().rev() {
            changed.headers_mut().append(name, value);
        }
        let delivery = verify(self.verifier, changed).unwrap_or_else(|rejection| {
            panic!("an unrelated header, and it is refused: {rejection}: {:?}", self.scheme)
        });
        if self.has_identity() {
            assert_eq!(delivery.key(), self.signed.key(), "an unrelated header: {:?}", self.scheme);
        }
        assert_eq!(delivery.id(), self.signed.id());
        assert_eq!(delivery.event(), self.signed.event());
        assert_eq!(delivery.signed_at(), self.signed.signed_at());
    }

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
