//! A request that somebody wrote, for a scheme that somebody chose.
//!
//! `$tag` and `$old` in it stand for the right tags of just this request under either key, `$empty` for the tag
//! under a key that is none, and `$sha` for the digest of its body, since no fuzzer guesses one.

use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::{Digest, Sha1};

use super::capture;
use super::case::{Case, with_unrelated_headers};
use super::fixtures::{Standing, URL};
use super::signed::{Message, Reading, sha256};
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::fuzzing::choices::Choices;
use crate::fuzzing::receiver::verify;
use crate::presets;
use crate::scheme::{Danger, Field, Identity, Json, KeyFormat, Scheme};
use crate::secret::Secret;
use crate::timestamp;
use crate::verify::mac::COMPUTED;
use crate::verify::source::Source;
use crate::verify::{Rejection, Verifier};

mod genuine;
mod text;

use text::{flip, parse, replaced, split};

/// What stands for the tags under the two keys, which have these names.
const TAGS: [(&str, &str); 2] = [("$tag", "key1"), ("$old", "key2")];

pub(super) fn check(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let scheme = choices.scheme();
    if Source::prepare("chosen".into(), &scheme, Some(URL), true, None).is_err() {
        return false;
    }
    let variant = choices.below_byte(4);
    let at = choices.below(usize::from(u16::MAX));
    let (text, is_edited) = match choices.below_byte(8) {
        0 => (choices.rest().to_vec(), true),
        _ => choices.edited(genuine::text(&scheme)),
    };
    Requests::new(scheme).check(&text, variant, at, is_edited)
}

/// The same for a partner's scheme: the first line is its name, and the rest is the request.
pub(super) fn of_partner(data: &[u8]) -> bool {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return false };
    let name = std::str::from_utf8(&data[..end]).ok();
    let Some(preset) = name.and_then(presets::find) else { return false };
    // People read these, so there is no byte for what `check` chooses.
    let sum = data.iter().map(|byte| usize::from(*byte)).sum();
    Requests::new(preset.scheme.clone()).check(&data[end + 1..], sum % 4, sum, true)
}

/// Who judges, and by what.
struct Requests {
    scheme: Scheme,
    verifier: Verifier,
    /// The keys, as the scheme makes them of the secrets.
    keys: [Vec<u8>; 2],
}

impl Requests {
    fn new(scheme: Scheme) -> Self {
        let [(_, one), (_, other)] = secrets(&scheme);
        let verifier = verifier("chosen", &scheme);
        Self { scheme, verifier, keys: [one, other] }
    }

    /// Whether the request is accepted; whatever is changed in one that is has no other verdict than it should.
    fn check(&self, text: &[u8], variant: usize, at: usize, is_edited: bool) -> bool {
        let Some(signed) = self.with_tags(text, variant) else { return false };
        let Some(accepted) = self.judge(&signed, is_edited) else { return false };
        self.of_another_source(&signed, &accepted);
        let places = |text: &[u8]| {
            let step = text.len() / 8 + 1;
            (at % step..text.len()).step_by(step)
        };
        for at in places(&signed) {
            self.flipped(&signed, at, &accepted);
        }
        for at in places(text) {
            let other = self.with_tags(&flip(text, at), variant);
            other.into_iter().for_each(|other| self.signed_anew(&signed, &other, &accepted));
        }
        true
    }

    /// The text with what stands for something replaced by that, where the signature is.
    fn with_tags(&self, text: &[u8], variant: usize) -> Option<Vec<u8>> {
        let [line, head, body] = split(text);
        let digest = sha256(body);
        let [line, head] = [line, head].map(|text| replaced(text, "$sha", &[&digest]));
        let text = [&line, &head, body].concat();
        let request = parse(&text)?;
        let messages = Reading::new(&self.scheme, &request).and_then(|it| it.messages());
        let Some(messages) = messages else { return Some(text) };
        let is_encoded = match &self.scheme.signature.field {
            Field::Query(_) | Field::Form(_) => true,
            field => field.is_in_json() && self.scheme.json != Json::Body,
        };
        let mut parts = [line, head, body.to_vec()];
        let part = match &self.scheme.signature.field {
            Field::Query(_) => &mut parts[0],
            Field::Header(_) => &mut parts[1],
            _ => &mut parts[2],
        };
        let keys = TAGS.iter().map(|(name, _)| *name).zip(self.keys.iter().map(Vec::as_slice));
        for (name, key) in keys.chain([("$empty", b"".as_slice())]) {
            let tag = |Message { contents, .. }: &Message| {
                let tag = capture::tag_of(&self.scheme, key, &contents[variant % contents.len()]);
                let encoded = utf8_percent_encode(&tag, NON_ALPHANUMERIC);
                if is_encoded { encoded.to_string() } else { tag }
            };
            let tags: Vec<String> = messages.iter().map(tag).collect();
            *part = replaced(part, name, &tags.iter().map(String::as_str).collect::<Vec<_>>());
        }
        Some(parts.concat())
    }

    /// What is made of a request, if it is accepted. One that was written by the scheme's own rules has the
    /// right signature.
    fn judge(&self, text: &[u8], is_edited: bool) -> Option<Delivery> {
        let Self { scheme, verifier, .. } = self;
        let request = parse(text)?;
        let before = COMPUTED.get();
        let verdict = verify(verifier, request.clone());
        self.is_cheap(&request, COMPUTED.get().wrapping_sub(before));
        if let Err(rejection) = verifier.check_headers(request.headers()) {
            assert_eq!(verdict.as_ref().err(), Some(&rejection), "headers, judged differently");
        }
        let again = verify(verifier, request.clone());
        let delivery = match (verdict, again) {
            (Ok(delivery), Ok(again)) => {
                assert_eq!(self.known(&delivery), self.known(&again), "another verdict");
                delivery
            }
            (Err(one), Err(other)) => {
                assert_eq!(one, other, "the same request, refused differently: {request:?}");
                let right = !matches!(one, Rejection::WrongSignature | Rejection::WrongDigest);
                assert!(
                    right || is_edited,
                    "signed, and {one}: {}\n{scheme:#?}",
                    text.escape_ascii()
                );
                let changed = with_unrelated_headers(scheme, &request)?;
                let is_refused = verify(verifier, changed).is_err();
                assert!(
                    is_refused,
                    "an unrelated header, and it is accepted: {request:?}\n{scheme:#?}"
                );
                return None;
            }
            (one, other) => panic!("{one:?}, and then {other:?}: {request:?}\n{scheme:#?}"),
        };
        self.is_right(&request, &delivery);
        Case { scheme, verifier, request: &request, signed: &delivery }.unrelated_headers();
        Some(delivery)
    }

    /// So many MACs are at most one for each secret, and each way in which each of its items may be signed.
    fn is_cheap(&self, request: &Request<Bytes>, macs: usize) {
        let messages = Reading::new(&self.scheme, request).and_then(|it| it.messages());
        let Some(messages) = messages else { return };
        let ways: usize = messages.iter().map(|it| it.contents.len()).sum();
        assert!(macs <= ways * self.keys.len(), "{macs} MACs: {request:?}\n{:#?}", self.scheme);
    }

    /// What is said of a request; its key, unless each has another one.
    fn known(&self, delivery: &Delivery) -> impl PartialEq + std::fmt::Debug + use<> {
        let key = (self.scheme.identity != Identity::None).then(|| delivery.key());
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (key, owned(delivery.id()), owned(delivery.event()), delivery.signed_at())
    }

    /// Whatever is accepted has the tags of all that the independent reading says is signed, by the key that is
    /// named; it is in time, and nothing in it says otherwise.
    fn is_right(&self, request: &Request<Bytes>, delivery: &Delivery) {
        let Self { scheme, .. } = self;
        let Some(reading) = Reading::new(scheme, request) else { return };
        let label = delivery.secret();
        let key = TAGS.iter().position(|(_, other)| *other == label).expect("one of both");
        let messages = reading.messages().unwrap_or_default();
        let all = messages.iter().all(|it| it.is_signed(scheme, label, &self.keys[key]));
        let is_signed = all && !messages.is_empty();
        assert!(is_signed, "accepted without the right tag: {request:?}\n{scheme:#?}");
        let wrong = reading.contradiction(label);
        assert!(wrong.is_none(), "accepted, although {wrong:?}: {request:?}\n{scheme:#?}");
        let Some(sent_at) = &scheme.sent_at else { return };
        let time = reading.time().and_then(|text| timestamp::parse(sent_at.format, &text));
        assert_eq!(delivery.signed_at(), time, "another time: {request:?}\n{scheme:#?}");
        if let (Some(tolerance), Some(time)) = (scheme.tolerance, time) {
            let now = Standing.now();
            let in_time = now - tolerance.past <= time && time <= now + tolerance.future;
            assert!(in_time, "accepted, and out of time: {request:?}\n{scheme:#?}");
        }
    }

    /// After one bit was changed, the request is refused, or just as right, and the same delivery.
    fn flipped(&self, text: &[u8], at: usize, accepted: &Delivery) {
        let flipped = flip(text, at);
        let Some(request) = parse(&flipped) else { return };
        let Ok(delivery) = verify(&self.verifier, request.clone()) else { return };
        self.is_right(&request, &delivery);
        let scheme = &self.scheme;
        // Nobody signed them, or each is signed alone.
        let same = match scheme.identity {
            Identity::None => false,
            Identity::IdAndContent | Identity::UnsignedId => delivery.id() == accepted.id(),
            _ => true,
        };
        if same && !scheme.dangerously_allow.contains(&Danger::LooseItems) {
            let message = flipped.escape_ascii();
            assert_eq!(delivery.key(), accepted.key(), "another delivery: {message}\n{scheme:#?}");
        }
    }

    /// A request that is signed as well is the same delivery exactly if what identifies it is the same. Where that
    /// is the content, it is looked at if it is signed at the same time.
    fn signed_anew(&self, text: &[u8], other: &[u8], accepted: &Delivery) {
        let Self { scheme, verifier, .. } = self;
        let (Some(one), Some(other)) = (parse(text), parse(other)) else { return };
        let Ok(delivery) = verify(verifier, other.clone()) else { return };
        self.is_right(&other, &delivery);
        let read = |request| Reading::new(scheme, request);
        let (Some(reading), Some(other_reading)) = (read(&one), read(&other)) else { return };
        let has_content = matches!(scheme.identity, Identity::Content | Identity::IdAndContent);
        if has_content && reading.time() != other_reading.time() {
            return;
        }
        let (Some(identity), Some(other_identity)) = (reading.identity(), other_reading.identity())
        else {
            return;
        };
        let is_one = delivery.key() == accepted.key();
        assert_eq!(is_one, identity == other_identity, "{one:?}, {other:?}\n{scheme:#?}");
    }

    /// The same request of another source is another delivery.
    fn of_another_source(&self, text: &[u8], accepted: &Delivery) {
        let Some(request) = parse(text) else { return };
        let other = verify(&verifier("another", &self.scheme), request).expect("what was accepted");
        assert_ne!(other.key(), accepted.key(), "of another source: {:#?}", self.scheme);
    }
}

/// Two secrets with their names, and the keys that the scheme makes of them.
fn secrets(scheme: &Scheme) -> [(Secret, Vec<u8>); 2] {
    [("k", "key1"), ("l", "key2")].map(|(letter, label)| {
        let (secret, key) = secret(&scheme.key, &letter.repeat(32));
        (Secret::new(secret).label(label), key)
    })
}

fn verifier(source: &str, scheme: &Scheme) -> Verifier {
    let [(first, _), (second, _)] = secrets(scheme);
    let builder = Verifier::builder(source, scheme.clone(), first).secret(second).url(URL);
    builder.clock(Arc::new(Standing)).build().expect("a scheme that was checked")
}

/// A secret of these bytes in the notation of the scheme, and the key that is made of it.
fn secret(format: &KeyFormat, bytes: &str) -> (String, Vec<u8>) {
    let text = match format {
        KeyFormat::Base64 { prefix } | KeyFormat::Base64If { prefix } => {
            format!("{prefix}{}", Base64::encode_string(bytes.as_bytes()))
        }
        KeyFormat::Hex => bytes.bytes().map(|byte| format!("{byte:02X}")).collect(),
        KeyFormat::Tail { prefix, separator } => format!("{prefix}name{separator}{bytes}"),
        KeyFormat::Raw | KeyFormat::Sha1 | KeyFormat::Nfkd => bytes.into(),
    };
    let key = match format {
        KeyFormat::Sha1 => Sha1::digest(bytes).to_vec(),
        _ => bytes.into(),
    };
    (text, key)
}
