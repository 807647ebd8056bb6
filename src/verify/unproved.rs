//! What is signed beside the body, the id and the time, read from a request that nobody has proved
//! yet.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::content::{Piece, Unproved, Value};
use super::form::{self, NotForm};
use super::headers::Envelope;
use super::place::Place;
use super::reading::Reading;
use super::rejection::Rejection;
use super::signatures::Signatures;
use super::source::Source;
use crate::pointer::Found;

/// How many items of one request are verified.
pub(crate) const MAX_ITEMS: usize = 100;

/// What is signed once: the request, or one of its items.
#[derive(Debug)]
pub(crate) struct Message<'r> {
    /// The values of the [`Piece::Value`]s, in their order.
    values: Vec<Cow<'r, [u8]>>,
    /// The text of the signature, where it is not in a header.
    signature: Option<Cow<'r, [u8]>>,
}

/// What is signed, once its MAC holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'s> {
    pub(crate) messages: &'s [Message<'s>],
    /// What was signed behind each.
    pub(crate) end: &'s [u8],
}

impl<'r> Message<'r> {
    /// Its values, one for each [`Piece::Value`].
    pub(crate) fn values(&self) -> &[Cow<'r, [u8]>] {
        &self.values
    }

    /// A digest of the signed bytes without the time: of what is before it, and then of that and what
    /// is behind it, so that nothing can be moved over to the other side.
    pub(crate) fn digest(&self, content: &[Piece], id: &[u8], body: &[u8], end: &[u8]) -> [u8; 32] {
        let mut values = self.values.iter();
        let mut hash = Sha256::new();
        for piece in content {
            let part = match piece {
                Piece::Body => Some(body),
                Piece::Id => Some(id),
                Piece::SentAt => None,
                Piece::Literal(text) => Some(&**text),
                Piece::Value(value) => match (values.next(), &**value) {
                    (_, Value::SentAt(_)) | (None, _) => None,
                    (Some(value), _) => Some(&**value),
                },
            };
            match part {
                Some(part) => hash.update(part),
                None => hash = Sha256::new_with_prefix(hash.finalize()),
            }
        }
        hash.chain_update(end).finalize().into()
    }

    /// Whether it has a value that differs from one delivery to the next.
    pub(crate) fn tells_apart(&self, content: &[Piece]) -> bool {
        let places = content.iter().filter_map(|piece| match piece {
            Piece::Value(value) => Some(&**value),
            _ => None,
        });
        let differs = |place: &Value| !matches!(place, Value::SentAt(_) | Value::Method);
        places.zip(&self.values).any(|(place, value)| differs(place) && !value.is_empty())
    }

    /// Its signatures. Where they are not in a header they were parsed once before.
    pub(crate) fn signatures<'a>(
        &'a self,
        source: &Source,
        in_headers: Signatures<'a>,
    ) -> Signatures<'a> {
        match &self.signature {
            None => in_headers,
            Some(text) => source.signature.parse(text).unwrap_or(Signatures::Elsewhere),
        }
    }
}

/// The signed bytes, piece by piece. There is a value for each [`Piece::Value`].
pub(crate) fn signed<'a>(
    content: &'a [Piece],
    values: &'a [Cow<'a, [u8]>],
    envelope: &Envelope<'a>,
    body: &'a [u8],
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let (id, time) = (envelope.id, envelope.time);
    let mut values = values.iter();
    content.iter().map(move |piece| match piece {
        Piece::Body => body,
        Piece::Id => id,
        Piece::SentAt => time,
        Piece::Literal(text) => text,
        Piece::Value(_) => values.next().map(|value| &**value).unwrap_or_default(),
    })
}

impl Source {
    /// All that has to be right; without `signature` for a request that is yet to be signed.
    #[inline(never)] // It is rare, and would be in the way of the usual case.
    pub(crate) fn messages<'r>(
        &self,
        unproved: &Unproved,
        reading: &'r Reading<'_>,
        signature: bool,
    ) -> Result<Vec<Message<'r>>, Rejection> {
        let signature = signature && self.signature.place().as_header().is_none();
        let json = || reading.json(&self.json).ok_or(Rejection::NotForm);
        if let Some(path) = &unproved.items {
            let items = path.find(&unproved.pointers, json()?, MAX_ITEMS);
            let items = items.ok_or(Rejection::SignedItems { max: MAX_ITEMS })?;
            return items.iter().map(|found| self.message(reading, found, signature)).collect();
        }
        let found = match unproved.pointers.is_empty() {
            true => Found::default(),
            false => unproved.pointers.find(json()?).map_err(|_| Rejection::SignedJson)?,
        };
        Ok(vec![self.message(reading, &found, signature)?])
    }

    fn message<'r>(
        &self,
        reading: &'r Reading<'_>,
        found: &Found<'_>,
        signature: bool,
    ) -> Result<Message<'r>, Rejection> {
        let mut values = Vec::new();
        // All contents have the same values: they differ in a constant.
        for piece in self.contents.first().into_iter().flatten() {
            if let Piece::Value(value) = piece {
                let found = work_out(value, reading, found)?;
                values.push(found.ok_or_else(|| absent(value))?);
            }
        }
        let mut message = Message { values, signature: None };
        if signature {
            let place = self.signature.place();
            let text = reading.value(place, found)?.ok_or_else(|| place.unusable())?;
            self.signature.parse(&text).map_err(|_| place.unusable())?;
            message.signature = Some(text);
        }
        Ok(message)
    }
}

/// The value, or `None` where it is absent.
fn work_out<'r>(
    value: &Value,
    reading: &'r Reading<'_>,
    found: &Found<'_>,
) -> Result<Option<Cow<'r, [u8]>>, Rejection> {
    let request = reading.request;
    let (value, ends, place) = match value {
        Value::BodySha256 => return Ok(Some(Cow::Owned(sha256_hex(request.body).into_bytes()))),
        Value::Method => return Ok(Some(Cow::Borrowed(request.method.as_str().as_bytes()))),
        Value::SortedForm => {
            let form = form::url_encoded(request.body).map_err(|NotForm| Rejection::NotForm)?;
            return Ok(Some(Cow::Owned(sorted(form))));
        }
        Value::SentAt(place) => return reading.value(place, found),
        Value::Optional(pieces) => return optional(pieces, reading, found).map(Some),
        Value::Query { ends } => (request.query.map(|query| query.as_bytes().into()), ends, None),
        Value::Field { place, ends } => (reading.value(place, found)?, ends, Some(place)),
    };
    // Then it could be read as a shorter one.
    match (value, place) {
        (Some(value), place) if ends.begin_within(&value) => {
            Err(place.map_or(Rejection::MalformedQuery, Place::unusable))
        }
        (value, _) => Ok(value),
    }
}

/// The pieces together, or nothing if one of them is absent.
fn optional<'r>(
    pieces: &[Piece],
    reading: &'r Reading<'_>,
    found: &Found<'_>,
) -> Result<Cow<'r, [u8]>, Rejection> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => all.extend_from_slice(text),
            Piece::Value(value) => match work_out(value, reading, found)? {
                Some(value) if !value.is_empty() => all.extend_from_slice(&value),
                _ => return Ok(Cow::Borrowed(&[])),
            },
            // The lint lets no other pieces be optional.
            Piece::Body | Piece::Id | Piece::SentAt => return Ok(Cow::Borrowed(&[])),
        }
    }
    Ok(Cow::Owned(all))
}

fn absent(value: &Value) -> Rejection {
    match value {
        Value::Field { place: Place::Header(header), .. } => header.missing(),
        Value::Field { place, .. } | Value::SentAt(place) => place.unusable(),
        _ => Rejection::MalformedQuery,
    }
}

/// Names with their values, by name and then by value, each once. They are in the order of their
/// UTF-16 code units, as where this is from.
fn sorted(mut form: Vec<form::Parameter<'_>>) -> Vec<u8> {
    let units = |text: &[u8]| String::from_utf8_lossy(text).encode_utf16().collect::<Vec<u16>>();
    form.sort();
    form.dedup();
    form.sort_by_cached_key(|(name, value)| (units(name), units(value)));
    form.iter().flat_map(|(name, value)| [&**name, &**value]).collect::<Vec<_>>().concat()
}

/// 64 lower-case digits.
pub(crate) fn sha256_hex(body: &[u8]) -> String {
    const_hex::encode(Sha256::digest(body))
}
