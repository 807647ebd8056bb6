//! What a request says beside its headers, once its MAC holds: from here on the partner wrote every
//! byte that is signed.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::content::{Piece, Value};
use super::place::{Place, utf8};
use super::reading::Reading;
use super::rejection::Rejection;
use super::source::{IdentitySpec, Source, is_text};
use super::unproved::{Message, sha256_hex};
use crate::pointer::{Found, Scalar};
use crate::scheme::{Json, TimeFormat};
use crate::timestamp;

/// What was read from a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub(crate) id: Option<Box<str>>,
    /// The first event type that is not in a header, and where that is among the scheme's.
    pub(crate) event: Option<(usize, Box<str>)>,
    pub(crate) sent_at: Option<SystemTime>,
    /// The values of an identity that is more than the id.
    pub(crate) identity: Box<[Box<str>]>,
    /// A digest of all that is signed but the time, where it is the identity and more than headers and
    /// the body.
    pub(crate) signed: Option<[u8; 32]>,
}

impl Source {
    /// Reads what the scheme needs from a request whose MAC holds; `None` where that is nothing.
    /// `header_id` is the id where it is in a header, and empty where that is missing.
    pub(crate) fn read_fields(
        &self,
        reading: &Reading<'_>,
        messages: Option<&[Message<'_>]>,
        header_id: &[u8],
    ) -> Result<Option<Box<Fields>>, Rejection> {
        let fields = match self.reads_fields {
            true => Some(Box::new(self.read_all(reading, messages, header_id)?)),
            false => None,
        };
        let has_id = fields.as_ref().is_some_and(|fields| fields.id.is_some());
        match (&self.identity, &self.id) {
            (IdentitySpec::SignedId | IdentitySpec::UnsignedId, Some(place))
                if !has_id && header_id.is_empty() =>
            {
                Err(not_identifying(place))
            }
            _ => Ok(fields),
        }
    }

    fn read_all(
        &self,
        reading: &Reading<'_>,
        messages: Option<&[Message<'_>]>,
        header_id: &[u8],
    ) -> Result<Fields, Rejection> {
        messages.map_or(Ok(()), |messages| self.check_content(messages, header_id))?;
        let found = match reading.json(&self.json).map(|json| self.pointers.find(json)) {
            _ if self.pointers.is_empty() => Found::default(),
            Some(Ok(found)) => found,
            _ if self.requires_json => return Err(self.not_json()),
            _ => Found::default(),
        };
        let text = |place: &Place| match place {
            // It is in the headers, where it is looked for when it is asked for.
            Place::Header(_) => None,
            place => text(reading, place, &found),
        };
        let mut fields = Fields {
            id: self.id.as_ref().and_then(text),
            event: self.event.iter().enumerate().find_map(|(at, place)| Some((at, text(place)?))),
            signed: messages
                .filter(|_| self.identity.has_content())
                .map(|messages| self.signed(reading, messages, header_id)),
            ..Fields::default()
        };
        if let Some((place, format)) = &self.sent_at
            && place.as_header().is_none()
        {
            let malformed = || Rejection::MalformedTime { pointer: place.name() };
            let time = self.time(reading, place, *format, &found)?;
            fields.sent_at = Some(time.ok_or_else(malformed)?);
        }
        if let IdentitySpec::Fields(places) = &self.identity {
            let value = |place: &Place| {
                self::text(reading, place, &found).ok_or_else(|| not_identifying(place))
            };
            fields.identity = places.iter().map(value).collect::<Result<_, _>>()?;
        }
        Ok(fields)
    }

    /// What is signed, without the time: one digest of it all, so that nothing changes it that does not
    /// change the MAC. Items count in whatever order, and each once.
    fn signed(&self, reading: &Reading<'_>, messages: &[Message<'_>], id: &[u8]) -> [u8; 32] {
        let content = self.contents.first().map(Vec::as_slice).unwrap_or_default();
        let digest = |message: &Message<'_>| -> [u8; 32] {
            let parts = message.timeless(content, id, reading.request.body);
            parts.fold(Sha256::new(), Sha256::chain_update).finalize().into()
        };
        let mut digests: Vec<[u8; 32]> = messages.iter().map(digest).collect();
        digests.sort_unstable();
        digests.dedup();
        digests.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into()
    }

    /// Refuses a request of which nothing is signed that could tell it from another one.
    fn check_content(&self, messages: &[Message<'_>], header_id: &[u8]) -> Result<(), Rejection> {
        let content = self.contents.first().map(Vec::as_slice).unwrap_or_default();
        let has_id =
            content.iter().any(|piece| matches!(piece, Piece::Id)) && !header_id.is_empty();
        let is_content = matches!(self.identity, IdentitySpec::Content);
        if !is_content || has_id || self.covers_body {
            return Ok(());
        }
        let tells = |message: &Message<'_>| message.tells_apart(content);
        match content.iter().find_map(first_place) {
            Some(place) if !messages.iter().any(tells) => Err(not_identifying(place)),
            _ => Ok(()),
        }
    }

    /// A signed time has one spelling, so escapes are refused.
    fn time(
        &self,
        reading: &Reading<'_>,
        place: &Place,
        format: TimeFormat,
        found: &Found<'_>,
    ) -> Result<Option<SystemTime>, Rejection> {
        if let Place::Pointer(at, _) | Place::Integer(at, _) = place {
            match found.get(*at) {
                Some(Scalar::Integer(value)) => {
                    let fits = self.time_fits(format, value.to_string().as_bytes());
                    return Ok(timestamp::from_integer(format, *value).filter(|_| fits));
                }
                Some(Scalar::Plain(_)) if matches!(place, Place::Pointer(..)) => {}
                _ => return Ok(None),
            }
        }
        let text = reading.value(place, found)?.filter(|text| self.time_fits(format, text));
        Ok(text.and_then(|text| timestamp::parse(format, &text)))
    }

    /// Refuses a body that is not the one whose digest was signed.
    pub(crate) fn check_digest(&self, reading: &Reading<'_>) -> Result<(), Rejection> {
        let Some(place) = &self.digest else { return Ok(()) };
        let digest = reading.value(place, &Found::default())?;
        let body = sha256_hex(reading.request.body);
        match digest.is_some_and(|digest| *digest == *body.as_bytes()) {
            true => Ok(()),
            false => Err(Rejection::WrongDigest),
        }
    }

    /// The event type in a body that nothing else needed to be read from.
    pub(crate) fn body_event(&self, body: &[u8]) -> Option<(usize, Box<str>)> {
        if self.json != Json::Body || !self.event.iter().any(Place::is_in_json) {
            return None;
        }
        let found = self.pointers.find(body).ok()?;
        let events = self.event.iter().enumerate();
        events.into_iter().find_map(|(at, place)| Some((at, json_text(&found, place)?)))
    }

    fn not_json(&self) -> Rejection {
        let identity = match &self.identity {
            IdentitySpec::Fields(places) => places.as_slice(),
            _ => &[],
        };
        let others = self.id.iter().chain(self.sent_at.iter().map(|(place, _)| place));
        let pointer = identity.iter().chain(others).find_map(|place| match place {
            Place::Pointer(_, pointer) | Place::Integer(_, pointer) => Some(pointer.clone()),
            _ => None,
        });
        Rejection::NotJson { pointer: pointer.unwrap_or_else(|| Arc::from("/")) }
    }
}

fn not_identifying(place: &Place) -> Rejection {
    Rejection::IdentityField { field: place.name(), max: super::source::MAX_ID }
}

/// The text at a place; what is twice there, or unusable, counts as missing.
fn text(reading: &Reading<'_>, place: &Place, found: &Found<'_>) -> Option<Box<str>> {
    if place.is_in_json() {
        return json_text(found, place);
    }
    let text = reading.value(place, found).ok().flatten().and_then(utf8)?;
    is_text(&text).then(|| Cow::into_owned(text).into())
}

fn json_text(found: &Found<'_>, place: &Place) -> Option<Box<str>> {
    let (Place::Pointer(at, _) | Place::Integer(at, _)) = place else { return None };
    let text: Box<str> = match (place, found.get(*at)?) {
        (Place::Pointer(..), Scalar::Plain(text)) => (*text).into(),
        (Place::Pointer(..), Scalar::Escaped(text)) => text.as_str().into(),
        (Place::Integer(..), Scalar::Integer(value)) => value.to_string().into(),
        _ => return None,
    };
    is_text(&text).then_some(text)
}

/// The first place that is signed.
fn first_place(piece: &Piece) -> Option<&Place> {
    match piece {
        Piece::Value(value) => match &**value {
            Value::Field { place, .. } => Some(place),
            Value::Optional(pieces) => pieces.iter().find_map(first_place),
            _ => None,
        },
        _ => None,
    }
}
