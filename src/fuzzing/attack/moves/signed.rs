//! What somebody signs: the partner once more, or somebody without its secret.

use bytes::Bytes;
use http::Request;

use super::{Attempt, Expected, Move, place, refused};
use crate::fuzzing::attack::Attack;
use crate::fuzzing::attack::clock::out_of_time;
use crate::fuzzing::attack::content::{Content, is_time};
use crate::fuzzing::attack::genuine::Genuine;
use crate::fuzzing::choices::Choices;
use crate::fuzzing::oracle::Oracle;
use crate::scheme::{Algorithm, Identity, Part};
use crate::sign::Signer;
use crate::verify::mac;

/// The partner's next attempt.
pub(super) fn again(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, now, choices } = attempt;
    let later = Genuine::new(attack, now, choices).ok()?.sent_at;
    let content = genuine.content.clone();
    let request = Genuine::sign(attack, attack.signer(choices), content, later).ok()?.request;
    let what = "the same message, signed again".into();
    Some(Move { request, what, expected: Expected::OneKey(Oracle::AcceptsGenuine) })
}

/// Another message of the partner.
pub(super) fn another(attempt: Attempt<'_, '_>) -> Option<Move> {
    let content = attempt.genuine.content.with_other_payload(attempt.choices).with_other_id();
    let counts = id_counts(attempt.attack) || payload_counts(attempt.attack);
    message(attempt, content, counts.then_some(true))
}

/// The same payload once more, and not as another attempt.
pub(super) fn another_id(attempt: Attempt<'_, '_>) -> Option<Move> {
    let content = attempt.genuine.content.with_other_id();
    let counts = id_counts(attempt.attack);
    message(attempt, content, counts.then_some(true))
}

/// The same delivery with another payload, as of partners who write the attempt into it.
pub(super) fn another_payload(attempt: Attempt<'_, '_>) -> Option<Move> {
    let content = attempt.genuine.content.with_other_payload(attempt.choices);
    let is_other = match (id_counts(attempt.attack), payload_counts(attempt.attack)) {
        (_, true) => Some(true),
        (true, false) => Some(false),
        (false, false) => None,
    };
    let old = attempt.genuine.request.body();
    // What identifies it may have taken the payload's place.
    message(attempt, content, is_other).filter(|other| old != other.request.body())
}

/// The same but for one of the fields that identify it together.
pub(super) fn another_field(attempt: Attempt<'_, '_>) -> Option<Move> {
    let scheme = &attempt.attack.scheme;
    let field = attempt.choices.any(scheme.identity.fields())?;
    let content = attempt.genuine.content.with_other(&field);
    message(attempt, content, (!is_time(scheme, &field)).then_some(true))
}

/// Another one that is the same to whoever joins what identifies it.
pub(super) fn joined_alike(attempt: Attempt<'_, '_>) -> Option<Move> {
    let (attack, content) = (attempt.attack, &attempt.genuine.content);
    let content = match attack.scheme.identity {
        Identity::IdAndContent => content.with_moved_payload(attack)?,
        _ => content.with_moved(attack, attempt.choices)?,
    };
    let what = "another message, whose id is the same where it is joined with what is next to it";
    let other = message(attempt, content, Some(true))?;
    let is_other = matches!(other.expected, Expected::TwoKeys(_));
    is_other.then(|| Move { what: what.into(), ..other })
}

/// A message of the partner, which is another delivery or the same.
fn message(attempt: Attempt<'_, '_>, content: Content, is_other: Option<bool>) -> Option<Move> {
    let Attempt { attack, genuine, now, choices } = attempt;
    let other = Genuine::sign(attack, attack.signer(choices), content, genuine.sent_at).ok()?;
    let is_other = match genuine.is_complete && other.is_complete {
        true => is_other?,
        // Where a message has more in it than is known here, a right receiver says.
        false => {
            let judged =
                |genuine: &Genuine| attack.reference.verify_at(genuine.request.clone(), now.at);
            judged(genuine).ok()?.key() != judged(&other).ok()?.key()
        }
    };
    let (what, expected) = match is_other {
        true => ("another message", Expected::TwoKeys(Oracle::AcceptsGenuine)),
        false => {
            let what = "the same delivery with something else in it";
            (what, Expected::OneKey(Oracle::AcceptsGenuine))
        }
    };
    Some(Move { request: other.request, what: what.into(), expected })
}

/// Whether deliveries with two ids are two.
fn id_counts(attack: &Attack) -> bool {
    let scheme = &attack.scheme;
    let id = scheme.id.as_ref();
    match &scheme.identity {
        Identity::Fields(fields) => fields.iter().any(|field| !is_time(scheme, field)),
        Identity::UnsignedId | Identity::IdAndContent => id.is_some(),
        Identity::Content => scheme.content.contains(&Part::Id),
        _ => false,
    }
}

/// Whether deliveries with two payloads are two, whatever their ids are.
fn payload_counts(attack: &Attack) -> bool {
    let is_content = matches!(attack.scheme.identity, Identity::Content | Identity::IdAndContent);
    is_content && (attack.scheme.covers_body() || attack.scheme.content.contains(&Part::SortedForm))
}

pub(super) fn out_of_tolerance(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, now, choices } = attempt;
    let time = out_of_time(&attack.scheme, now, choices)?;
    let content = genuine.content.clone();
    let request = Genuine::sign(attack, attack.signer(choices), content, time).ok()?.request;
    let away = match now.at.duration_since(time) {
        Ok(age) => format!("it was signed {} s ago", age.as_secs()),
        Err(error) => format!("it says that it is signed in {} s", error.duration().as_secs()),
    };
    refused(request, Oracle::RefusesStale, away)
}

/// With a key that anybody can guess.
pub(super) fn signed_with_another_key(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let (key, what): (&[u8], &str) = choices.one(&[
        (b"".as_slice(), "an empty key"),
        (b"secret".as_slice(), "the key `secret`"),
        (b"null".as_slice(), "the key `null`"),
        (b"undefined".as_slice(), "the key `undefined`"),
        (b"whsec_".as_slice(), "the key `whsec_`"),
    ]);
    let request = with_key(attack, genuine, choices, key)?;
    refused(request, Oracle::RefusesForged, format!("it is signed with {what}"))
}

/// The same message with the signature of another key. `None` if that is a key of the receiver's, as it may be
/// in a test: which no receiver is asked, not even ours, or it could not be attacked.
pub(super) fn with_key(
    attack: &Attack,
    genuine: &Genuine,
    choices: &mut Choices<'_>,
    key: &[u8],
) -> Option<Request<Bytes>> {
    let sign = |signer: &Signer| {
        let signed = Genuine::sign(attack, signer, genuine.content.clone(), genuine.sent_at);
        signed.ok().map(|it| it.request)
    };
    let key = mac::Key::new(attack.scheme.algorithm, key);
    let forged = sign(&attack.signer(choices).with_key(key))?;
    let is_forged = |right: Request<Bytes>| {
        (right.uri(), right.headers(), right.body())
            != (forged.uri(), forged.headers(), forged.body())
    };
    attack.signers().filter_map(sign).all(is_forged).then_some(forged)
}

/// With the right key, by another algorithm, and mostly saying so.
pub(super) fn signed_with_another_algorithm(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let names = [
        (Algorithm::HmacSha1, "sha1"),
        (Algorithm::HmacSha256, "sha256"),
        (Algorithm::HmacSha512, "sha512"),
    ];
    let (algorithm, name) = choices.one(&names);
    let (_, own) = names.into_iter().find(|(own, _)| *own == attack.scheme.algorithm)?;
    if algorithm == attack.scheme.algorithm {
        return None;
    }
    let (secret, signer) = &attack.first;
    let forger = signer.with_algorithm(algorithm, secret)?;
    let forged = Genuine::sign(attack, &forger, genuine.content.clone(), genuine.sent_at);
    let mut request = forged.ok()?.request;
    // A text that names the algorithm does so in the prefix; without that it may be told by the tag's length.
    let field = place::signature(&attack.scheme);
    let mut says_so = !choices.one_in(4) && field.as_header().is_some();
    if says_so {
        let text = place::read(&attack.scheme, &request, &field)?;
        let renamed = text.replacen(own, name, 1);
        says_so = renamed != text;
        request = place::replaced(&attack.scheme, &request, &field, renamed.as_bytes())?;
    }
    let says = if says_so { "" } else { ", without saying so" };
    refused(request, Oracle::RefusesForged, format!("it is signed by HMAC-{name}{says}"))
}
