//! What a request says beside its headers, once its MAC holds: from here on the partner wrote every
//! byte that is signed.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::content::{Piece, Value};
use super::form::{self, Parameter};
use super::identity::IdentitySpec;
use super::place::{Place, utf8};
use super::reading::Reading;
use super::rejection::Rejection;
use super::source::{Source, is_text};
use super::unproved::{Message, Signed, sha256_hex};
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
        signed: Option<Signed<'_>>,
        header_id: &[u8],
    ) -> Result<Option<Box<Fields>>, Rejection> {
        let fields = match self.reads_fields {
            true => Some(Box::new(self.read_all(reading, signed, header_id)?)),
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

    #[inline(never)] // It is rare, and would be in the way of the usual case.
    fn read_all(
        &self,
        reading: &Reading<'_>,
        signed: Option<Signed<'_>>,
        header_id: &[u8],
    ) -> Result<Fields, Rejection> {
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
        let form = self.form_of_event(reading.request.body);
        let event = |place: &Place| match place {
            Place::Form(name) if !self.reads_form => form_text(&form, name),
            place => text(place),
        };
        let mut fields = Fields {
            id: self.id.as_ref().and_then(text),
            event: self.event.iter().enumerate().find_map(|(at, place)| Some((at, event(place)?))),
            signed: signed
                .filter(|_| self.identity.has_content())
                .map(|signed| self.digest_of(signed, reading, header_id)),
            ..Fields::default()
        };
        if let Some(Signed { messages, .. }) = signed {
            self.check_content(messages, !header_id.is_empty() || fields.id.is_some())?;
        }
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
    fn digest_of(&self, signed: Signed<'_>, reading: &Reading<'_>, id: &[u8]) -> [u8; 32] {
        let content = self.contents.first().map(Vec::as_slice).unwrap_or_default();
        let Signed { messages, end } = signed;
        let digest = |message: &Message<'_>| message.digest(content, id, reading.request.body, end);
        let mut digests: Vec<[u8; 32]> = messages.iter().map(digest).collect();
        digests.sort_unstable();
        digests.dedup();
        digests.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into()
    }

    /// Refuses a request of which nothing is signed that could tell it from another one.
    fn check_content(&self, messages: &[Message<'_>], has_id: bool) -> Result<(), Rejection> {
        let content = self.contents.first().map(Vec::as_slice).unwrap_or_default();
        let id_tells = match self.identity {
            IdentitySpec::IdAndContent => true,
            _ => content.iter().any(|piece| matches!(piece, Piece::Id)),
        };
        let tells = |message: &Message<'_>| message.tells_apart(content);
        if !self.identity.has_content()
            || id_tells && has_id
            || self.covers_body
            || messages.iter().any(tells)
        {
            return Ok(());
        }
        let field = content.iter().find_map(first_place).map(Place::name);
        Err(unidentified(field.unwrap_or_else(|| Arc::from("all that is signed"))))
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
    #[inline(never)] // As `read_all`.
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
        let in_json = self.json == Json::Body && self.event.iter().any(Place::is_in_json);
        let found = in_json.then(|| self.pointers.find(body).ok()).flatten().unwrap_or_default();
        let form = self.form_of_event(body);
        let event = |place: &Place| match place {
            Place::Form(name) => form_text(&form, name),
            place => json_text(&found, place),
        };
        self.event.iter().enumerate().find_map(|(at, place)| Some((at, event(place)?)))
    }

    /// The form in the body, where nothing but the event may be in one: a body that is none has none.
    fn form_of_event<'r>(&self, body: &'r [u8]) -> Vec<Parameter<'r>> {
        let in_form = self.event.iter().any(|place| matches!(place, Place::Form(_)));
        if !in_form || self.reads_form {
            return Vec::new();
        }
        match body.trim_ascii_start().first() {
            // JSON may have a text in it that looks like a parameter.
            Some(b'{' | b'[' | b'"') => Vec::new(),
            _ => form::url_encoded(body).unwrap_or_default(),
        }
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
    unidentified(place.name())
}

fn unidentified(field: Arc<str>) -> Rejection {
    Rejection::IdentityField { field, max: super::source::MAX_ID }
}

/// The text at a place; what is twice there, or unusable, counts as missing.
fn text(reading: &Reading<'_>, place: &Place, found: &Found<'_>) -> Option<Box<str>> {
    if place.is_in_json() {
        return json_text(found, place);
    }
    usable(reading.value(place, found).ok().flatten()?)
}

fn form_text(form: &[Parameter<'_>], name: &str) -> Option<Box<str>> {
    usable(form::value(form, name).ok()??.clone())
}

fn usable(value: Cow<'_, [u8]>) -> Option<Box<str>> {
    utf8(value).filter(|text| is_text(text)).map(|text| text.into_owned().into())
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
