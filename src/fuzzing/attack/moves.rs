//! What somebody makes of a genuine request.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use super::Attack;
use super::clock::Now;
use super::genuine::Genuine;
use crate::fuzzing::choices::Choices;
use crate::fuzzing::oracle::Oracle;
use crate::scheme::{Danger, Field, Identity, KeyId, Part, Scheme};

mod content;
mod forged;
mod headers;
mod place;
mod signature;
mod signed;
mod target;
mod time;
mod twice;

/// A request that is made of a genuine one, and what has to become of it.
pub(super) struct Move {
    pub(super) request: Request<Bytes>,
    pub(super) what: String,
    pub(super) expected: Expected,
}

/// What has to become of a request; otherwise this does not hold.
pub(super) enum Expected {
    Refused(Oracle),
    /// Accepted, with the key of the genuine one.
    OneKey(Oracle),
    /// Accepted, with another key.
    TwoKeys(Oracle),
    /// Whatever it is, no other delivery.
    OneKeyIfAny,
    /// Whatever it is, a delivery that can be told from others.
    KeyIfAny,
    /// Whatever it is, without a panic.
    Anything,
}

/// What there is to make a move of.
pub(super) struct Attempt<'a, 'd> {
    pub(super) attack: &'a Attack,
    pub(super) genuine: &'a Genuine,
    pub(super) now: Now,
    pub(super) choices: &'a mut Choices<'d>,
}

type Make = fn(Attempt<'_, '_>) -> Option<Move>;

/// Everything that is tried. Two stand here twice, to be chosen twice as often: each of them has many variants.
pub(super) const MOVES: &[Make] = &[
    signed::again,
    signed::another,
    signed::another_id,
    signed::another_payload,
    signed::another_field,
    signed::out_of_tolerance,
    signed::signed_with_another_key,
    signed::signed_with_another_algorithm,
    signature::tag,
    signature::tag,
    signature::same_bytes,
    signature::version,
    signature::among_others,
    headers::missing,
    headers::signed_header,
    headers::unsigned_header,
    headers::required,
    headers::key_id,
    headers::unrelated,
    headers::content_type,
    headers::odd,
    headers::odd,
    time::extreme,
    time::respelled,
    twice::value,
    twice::refreshed,
    twice::second_name,
    content::cut_otherwise,
    content::body,
    content::body_respelled,
    content::form,
    content::items,
    target::method,
    target::query,
    forged::content_type,
    forged::body,
    forged::event,
    forged::origin,
    forged::method,
    forged::query,
    signed::joined_alike,
];

fn refused(request: Request<Bytes>, oracle: Oracle, what: impl Into<String>) -> Option<Move> {
    Some(Move { request, what: what.into(), expected: Expected::Refused(oracle) })
}

/// The headers that are signed, and that of the signature.
fn signed_headers(attack: &Attack) -> Vec<&str> {
    let scheme = &attack.scheme;
    let signed =
        Part::leaves(&scheme.content).into_iter().filter_map(|part| header_of(scheme, part));
    scheme.signature.field.as_header().into_iter().chain(signed).collect()
}

fn header_of<'s>(scheme: &'s Scheme, part: &'s Part) -> Option<&'s str> {
    match part {
        Part::Id => scheme.id.as_ref()?.as_header(),
        Part::SentAt => scheme.sent_at.as_ref()?.field.as_header(),
        Part::Field(field) => field.as_header(),
        _ => None,
    }
}

/// Whether the scheme knows a header of that name.
pub(super) fn names(scheme: &Scheme, name: &str) -> bool {
    let key_id = scheme.key_id.iter().filter_map(|key_id| match key_id {
        KeyId::Header(name) => Some(&**name),
        KeyId::Prefix(_) => None,
    });
    let fields = scheme.fields().chain(scheme.events());
    let headers = fields.filter_map(Field::as_header).chain(key_id);
    let headers = headers.chain(scheme.signature.others.iter().map(|name| &**name));
    let headers = headers.chain(scheme.requires.iter().map(|(name, _)| &**name));
    let aliases = scheme.aliases.iter().flat_map(|(own, second)| [&**own, &**second]);
    headers.chain(aliases).any(|header| header.eq_ignore_ascii_case(name))
}

/// Whether a value was changed by taking away what the partner may have signed behind it or not.
fn lacks_end(scheme: &Scheme, old: &[u8], new: &[u8]) -> bool {
    scheme.optional_end.as_ref().is_some_and(|end| [new, end.as_bytes()].concat() == old)
}

/// Whether a delivery is told from others by something that nobody signs, so that somebody can make another
/// of it.
fn binds_unsigned(attack: &Attack) -> bool {
    let scheme = &attack.scheme;
    let in_body =
        || scheme.identity.fields().iter().any(Field::is_in_body) && !scheme.covers_body();
    matches!(scheme.identity, Identity::IdAndContent | Identity::UnsignedId)
        || scheme.allows(Danger::AmbiguousContent)
        || scheme.allows(Danger::LooseItems)
        || in_body()
}

/// Whether that is in the body.
fn binds_body(attack: &Attack) -> bool {
    let scheme = &attack.scheme;
    binds_unsigned(attack) && !matches!(scheme.id, Some(Field::Header(_) | Field::Query(_)))
}

/// A text with a byte replaced, with one more, or with one less.
fn edited(front: &[u8], rest: &[u8], byte: u8, how: u8) -> Vec<u8> {
    let after = rest.get(1..).unwrap_or_default();
    match how {
        0 => [front, &[byte], after].concat(),
        1 => [front, &[byte], rest].concat(),
        _ => [front, after].concat(),
    }
}

fn text(request: &Request<Bytes>, header: &str) -> Option<String> {
    request.headers().get(header)?.to_str().ok().map(str::to_owned)
}

/// Another value; `None` if none can arrive like that: without spaces at its ends, RFC 9110, section 5.5.
fn set_header(request: &mut Request<Bytes>, header: &str, value: impl AsRef<[u8]>) -> Option<()> {
    let name = HeaderName::from_bytes(header.as_bytes()).ok()?;
    let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| b" \t".contains(byte));
    let value = value.as_ref();
    if is_space(value.first()) || is_space(value.last()) {
        return None;
    }
    request.headers_mut().insert(name, HeaderValue::from_bytes(value).ok()?);
    Some(())
}
