//! The logic of this crate's own targets in `fuzz/`: each takes a fuzzer's bytes, and panics if a property is
//! broken. The targets are one line each, so that the properties are compiled with the crate, and
//! `tests/corpus.rs` replays them without a fuzzer.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an oracle fails by panicking"
)]

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::receiver::verify;
use super::{Attack, set};
use crate::clock::Clock;
use crate::scheme::presets::{GITHUB, SHOPIFY, SLACK, STANDARD_WEBHOOKS, STRIPE};
use crate::scheme::{
    Algorithm, Encoding, Field, Identity, KeyFormat, Layout, Part, Scheme, SentAt, Signature,
    TimeFormat, Tolerance,
};
use crate::secret::Secret;
use crate::sign::{Message, Signer};
use crate::timestamp;
use crate::verify::mac::{Key, Tag};
use crate::verify::{Rejection, Verifier};

mod capture;
mod case;
mod chosen;
#[cfg(feature = "moka")]
mod dedup;
mod forms;
mod json;
mod mutation;
#[cfg(feature = "tower")]
mod records;
mod requests;
#[cfg(feature = "toml")]
mod scheme;
mod signed;
mod tags;
mod time;

use capture::Capture;
use mutation::Mutation;

/// Any headers: accepted is exactly what an independent computation accepts.
///
/// The data is a request as text: lines of `name: value`, an empty line, and the body. Where a
/// signature header says `$new` or `$old`, the right tag under one of two secrets is put in, since no
/// fuzzer guesses a MAC; and where it says `$empty`, that of no secret at all. It is judged by three schemes: [`GITHUB`], [`STANDARD_WEBHOOKS`] and a list
/// of tags in hex. Returns whether one of them accepted it.
///
/// # Panics
///
/// A property is broken: the verifier accepts what the computation refuses, or the reverse, or it
/// answers differently the second time.
pub fn signature_headers(data: &[u8]) -> bool {
    let capture = Capture::parse(data);
    let accepted = [GITHUB, STANDARD_WEBHOOKS, LISTED].map(|scheme| capture.judge(&scheme));
    accepted.contains(&true)
}

/// [`signature_headers`] for lists that hold the time as well: that of [`STRIPE`], and one with tags
/// in base64 and another separator.
///
/// # Panics
///
/// A property is broken.
pub fn signature_lists(data: &[u8]) -> bool {
    let capture = Capture::parse(data);
    let accepted = [STRIPE_HEADER, KEYED].map(|scheme| capture.judge(&scheme));
    accepted.contains(&true)
}

/// Any text as a time, in each format: accepted are exactly the canonical spellings of the time that
/// an independent computation makes of them, and what is written again is that time. Returns whether
/// one of the formats accepted it.
///
/// # Panics
///
/// A property is broken.
pub fn timestamps(data: &[u8]) -> bool {
    time::check(data)
}

/// JSON pointers looked up in one pass find what they find in the tree that `serde_json` builds, and so do
/// those in each item of an array, unless a key on the way to that is repeated.
///
/// The data is lines with a pointer each, an empty line, and the body. Returns whether the body is
/// JSON in which every pointer leads to something.
///
/// # Panics
///
/// A property is broken.
pub fn json_pointers(data: &[u8]) -> bool {
    json::check(data)
}

/// Any text as a signature: of all texts it has exactly one spelling per encoding, or, where letters of
/// either case are taken, one but for that. Returns whether the text was that of the right MAC.
///
/// # Panics
///
/// A property is broken.
pub fn tags(data: &[u8]) -> bool {
    tags::check(data)
}

/// The comparison that decides, alone, for tools that look for whatever depends on a secret: whether one of
/// the texts is this MAC. At most 64 bytes of it count.
#[doc(hidden)]
pub fn is_tag(mac: &[u8], candidates: &[&[u8]], encoding: Encoding) -> bool {
    Tag::of(mac).matches_any(candidates.iter().copied(), encoding)
}

/// The same from the key on: whether one of the texts is the MAC of the content.
#[doc(hidden)]
pub fn is_signed(
    algorithm: Algorithm,
    key: &[u8],
    content: &[u8],
    candidates: &[&[u8]],
    encoding: Encoding,
) -> bool {
    let mac = Key::new(algorithm, key).mac([content].into_iter());
    mac.matches_any(candidates.iter().copied(), encoding)
}

/// A MAC as the text of a signature. At most 64 bytes of it count.
#[doc(hidden)]
pub fn tag_text(mac: &[u8], encoding: Encoding) -> String {
    crate::verify::mac::encode(encoding, &Tag::of(mac))
}

/// Any body as a form, in either encoding: another program reads the same in it, and what that writes in
/// parts is read again. One that is signed by its names and values is the same in any order and spelling.
///
/// The data is a content type, a line feed, and the body. Returns whether it is a form.
///
/// # Panics
///
/// A property is broken.
pub fn forms(data: &[u8]) -> bool {
    forms::check(data)
}

/// Any bytes as a stored record, or those of a real one with a few changed: they are refused, or are a
/// record that is the same however often it is stored. Returns whether they are.
///
/// # Panics
///
/// A property is broken.
#[cfg(feature = "tower")]
pub fn records(data: &[u8]) -> bool {
    records::check(data)
}

/// Operations on a [`MemoryDedup`](crate::MemoryDedup), in any order and at any time: each answer is what
/// a model says that is a few lines long.
///
/// The data are pairs of bytes: what is done (claim with a new ticket, claim again, commit, release, let
/// time pass, set the wall clock) and to which. Returns whether a delivery was granted to a second ticket.
///
/// # Panics
///
/// The store answers differently.
#[cfg(feature = "moka")]
pub fn dedup_operations(data: &[u8]) -> bool {
    dedup::operations(data)
}

/// Any text as a scheme file: it is refused with a message that names the file and a line of it, or what
/// is printed of it is the same scheme, and what that signs it accepts: with other headers and in another
/// order too, and with another body only where the scheme says that this is not signed, as the same
/// delivery.
///
/// The data is the file, a zero byte, and the body of a message. Returns whether there was a request that
/// the scheme accepted.
///
/// # Panics
///
/// A property is broken.
#[cfg(feature = "toml")]
pub fn scheme_files(data: &[u8]) -> bool {
    scheme::check(data)
}

/// The same for a scheme that the data chooses key by key.
///
/// # Panics
///
/// A property is broken.
#[cfg(feature = "toml")]
pub fn schemes(data: &[u8]) -> bool {
    scheme::chosen(data)
}

/// Any request for any scheme: whatever is accepted has the right tag of all that an independent reading of
/// it says is signed, by the key that it says; it is in time, and is judged so again, with other headers
/// and in another order too. After any bit of it is changed it is refused, or just as right and the same
/// delivery; where that is signed anew, other content is another one. What all of the scheme's own rules
/// were followed for has no wrong signature.
///
/// The data chooses a scheme as in `schemes`, then what is changed, then the request: text with the
/// method and the target, lines of `name: value`, an empty line, and the body, or edits to one that has all
/// that the scheme asks for. In it `$tag` and `$old` stand for the right tag under either of two keys, and
/// `$sha` for the digest of the body. Returns whether it was accepted.
///
/// # Panics
///
/// A property is broken.
pub fn requests(data: &[u8]) -> bool {
    requests::check(data)
}

/// An [`Attack`] on a [`Verifier`] of each preset, which the first byte chooses. Returns whether there was
/// something to try.
///
/// # Panics
///
/// A property is broken.
pub fn attacks(data: &[u8]) -> bool {
    static ATTACKS: LazyLock<Vec<(Attack, Verifier)>> = LazyLock::new(|| {
        let attacked = |preset: &crate::presets::Preset| {
            let scheme = &preset.scheme;
            let secret = secret(scheme);
            let attack = Attack::for_url(scheme.clone(), secret.clone(), URL);
            let builder = Verifier::builder("attacked", scheme.clone(), secret).url(URL);
            (
                attack.expect("a preset"),
                builder.clock(Arc::new(Standing)).build().expect("a preset"),
            )
        };
        crate::presets::all().map(attacked).collect()
    });
    let (choice, data) = data.split_first().unwrap_or((&0, &[]));
    let (attack, verifier) = &ATTACKS[usize::from(*choice) % ATTACKS.len()];
    attack.check(verifier, data).expect("what holds of a receiver")
}

/// What a partner signs is accepted, and what somebody changed on its way is not.
///
/// From the data come one of six schemes ([`GITHUB`], [`STANDARD_WEBHOOKS`], one that has everything inside
/// the JSON body, [`STRIPE`], [`SLACK`] and [`SHOPIFY`]), a time, an id, a body and one mutation. A request
/// that is signed in time has to be accepted with its id; after the mutation it has to be refused, unless
/// that changed neither a signed byte nor the spelling of the tag. Returns whether the mutated request
/// was accepted.
///
/// # Panics
///
/// A property is broken.
pub fn sign_mutate_verify(data: &[u8]) -> bool {
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

/// Tags in hex, several of them, over a time in milliseconds and the body.
const LISTED: Scheme = Scheme {
    algorithm: Algorithm::HmacSha512,
    signature: Signature {
        field: Field::header("x-signature"),
        prefix: Cow::Borrowed("v1="),
        layout: Layout::List(','),
        ..Signature::BASE
    },
    content: Cow::Borrowed(&[
        Part::Literal(Cow::Borrowed("v1:")),
        Part::SentAt,
        Part::Literal(Cow::Borrowed(":")),
        Part::Body,
    ]),
    sent_at: Some(SentAt { field: Field::header("x-timestamp"), format: TimeFormat::UnixMillis }),
    ..Scheme::BASE
};

/// Stripe's, without what is inside the body.
const STRIPE_HEADER: Scheme =
    Scheme { id: None, event: None, identity: Identity::Content, ..STRIPE };

/// Tags in base64 and the time in one list.
const KEYED: Scheme = Scheme {
    algorithm: Algorithm::HmacSha1,
    signature: Signature {
        field: Field::header("x-signature"),
        prefix: Cow::Borrowed("h1="),
        layout: Layout::List(';'),
        encoding: Encoding::Base64,
        ..Signature::BASE
    },
    content: Cow::Borrowed(&[Part::SentAt, Part::Literal(Cow::Borrowed(":")), Part::Body]),
    sent_at: Some(SentAt { field: Field::parameter("ts"), format: TimeFormat::UnixMillis }),
    ..Scheme::BASE
};

/// Only the signature is in a header.
const IN_BODY: Scheme = Scheme {
    signature: Signature {
        field: Field::header("x-webhook-signature"),
        prefix: Cow::Borrowed("sha256="),
        ..Signature::BASE
    },
    id: Some(Field::pointer("/webhook_id")),
    event: Some(Field::pointer("/event")),
    sent_at: Some(SentAt { field: Field::pointer("/delivered_at"), format: TimeFormat::Rfc3339 }),
    identity: Identity::Fields(Cow::Borrowed(&[Field::pointer("/webhook_id")])),
    ..Scheme::BASE
};

/// The new secret and the old one, usable as text and as base64.
const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

/// One that has all that is signed of a URL.
const URL: &str = "https://hooks.example.com/fuzzed?e=1&data.id=5";

/// A secret in the notation of the scheme, with a name that a request of it may have.
fn secret(scheme: &Scheme) -> Secret {
    let text = match &scheme.key {
        KeyFormat::Hex => "6b".repeat(32),
        KeyFormat::Base64 { prefix } | KeyFormat::Base64If { prefix } => {
            format!("{prefix}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        }
        _ => "a secret of at least sixteen bytes".into(),
    };
    Secret::new(text).label("key1")
}

/// The oracles know schemes whose signature is in a header.
fn signature_header(scheme: &Scheme) -> &str {
    scheme.signature.field.as_header().expect("a signature in a header")
}

/// A clock that stands still, so that a finding stays one.
#[derive(Debug)]
struct Standing;

impl Standing {
    /// 2026-01-15T09:30:00Z.
    const UNIX_SECONDS: u64 = 1_768_469_400;
}

impl Clock for Standing {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(Self::UNIX_SECONDS)
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

fn verifier(scheme: &Scheme, secrets: impl IntoIterator<Item = Secret>) -> Verifier {
    let mut secrets = secrets.into_iter();
    let first = secrets.next().expect("a secret");
    let builder = Verifier::builder("fuzzed", scheme.clone(), first).allow_weak_secret();
    let builder = secrets.fold(builder, |builder, secret| builder.secret(secret));
    builder.clock(Arc::new(Standing)).build().expect("a scheme that builds")
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
            set(&mut json, pointer, text.into());
        }
    }
    serde_json::to_vec(&json).expect("a JSON value can be written")
}
