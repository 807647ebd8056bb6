//! What a request says beside its headers, once its MAC holds: from here on the partner wrote every
//! byte that is signed.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

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
    pub(crate) event: Option<Box<str>>,
    pub(crate) sent_at: Option<SystemTime>,
    /// The values of an identity that is more than the id.
    pub(crate) identity: Box<[Box<str>]>,
    /// A digest of what is signed beside the body, the id in a header, the time and constants.
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
            true => Some(Box::new(self.read_all(reading, messages)?)),
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
        let mut fields = Fields {
            id: self.id.as_ref().and_then(text),
            event: self.event.iter().filter_map(text).next(),
            signed: self.signed(messages),
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

    /// What is signed beside the body, the id in a header and the time: one digest, in which no two
    /// lists of values look alike.
    fn signed(&self, messages: Option<&[Message<'_>]>) -> Option<[u8; 32]> {
        let content = self.contents.first()?;
        let mut values = messages?.iter().flat_map(|message| message.timeless(content)).peekable();
        values.peek()?;
        let hash = values.fold(Sha256::new(), |hash, value| {
            hash.chain_update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes())
                .chain_update(value)
        });
        Some(hash.finalize().into())
    }

    /// A signed time has one spelling, so escapes are refused, and so is text for a number unless it
    /// is the text that is signed.
    fn time(
        &self,
        reading: &Reading<'_>,
        place: &Place,
        format: TimeFormat,
        found: &Found<'_>,
    ) -> Result<Option<SystemTime>, Rejection> {
        if let Place::Pointer(at, _) = place {
            match found.get(*at) {
                Some(Scalar::Integer(value)) => {
                    let fits = self.time_fits(format, value.to_string().as_bytes());
                    return Ok(timestamp::from_integer(format, *value).filter(|_| fits));
                }
                Some(Scalar::Plain(_)) if self.time_is_text || format == TimeFormat::Rfc3339 => {}
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
    pub(crate) fn body_event(&self, body: &[u8]) -> Option<Box<str>> {
        let in_json = |place: &Place| matches!(place, Place::Pointer(..));
        if self.json != Json::Body || !self.event.iter().any(in_json) {
            return None;
        }
        let found = self.pointers.find(body).ok()?;
        let event = self.event.iter().filter_map(|place| match place {
            Place::Pointer(at, _) => text_at(&found, *at),
            _ => None,
        });
        event.map(Into::into).next()
    }

    fn not_json(&self) -> Rejection {
        let identity = match &self.identity {
            IdentitySpec::Fields(places) => places.as_slice(),
            _ => &[],
        };
        let others = self.id.iter().chain(self.sent_at.iter().map(|(place, _)| place));
        let pointer = identity.iter().chain(others).find_map(|place| match place {
            Place::Pointer(_, pointer) => Some(pointer.clone()),
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
    if let Place::Pointer(at, _) = place {
        return text_at(found, *at).map(Into::into);
    }
    let text = reading.value(place, found).ok().flatten().and_then(utf8)?;
    is_text(&text).then(|| Cow::into_owned(text).into())
}

fn text_at<'f>(found: &'f Found<'_>, at: usize) -> Option<&'f str> {
    let text = match found.get(at)? {
        Scalar::Plain(text) => text,
        Scalar::Escaped(text) => text.as_str(),
        Scalar::Integer(_) | Scalar::Other => return None,
    };
    is_text(text).then_some(text)
}
