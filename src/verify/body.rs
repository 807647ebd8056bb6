//! What the body says, once its MAC holds: from here on the partner wrote every byte of it.

use std::sync::Arc;
use std::time::SystemTime;

use super::rejection::Rejection;
use super::source::{IdentitySpec, Place, Source, is_text};
use crate::pointer::{Found, Scalar};
use crate::scheme::TimeFormat;
use crate::timestamp;

/// What was read from a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyFields {
    pub(crate) id: Option<Box<str>>,
    pub(crate) event: Option<Box<str>>,
    pub(crate) sent_at: Option<SystemTime>,
    /// The values of an identity that is more than the id.
    pub(crate) identity: Box<[Box<str>]>,
}

impl Source {
    /// Reads what the scheme needs from a body whose MAC holds; `None` where that is nothing.
    /// `header_id` is the id where it is in a header, and empty where that is missing.
    pub(crate) fn read_body(
        &self,
        body: &[u8],
        header_id: &[u8],
    ) -> Result<Option<Box<BodyFields>>, Rejection> {
        let fields = match self.reads_body {
            true => Some(Box::new(self.read_json(body, header_id)?)),
            false => None,
        };
        let id_in_body = fields.as_ref().is_some_and(|fields| fields.id.is_some());
        match (&self.identity, &self.id) {
            (IdentitySpec::SignedId | IdentitySpec::UnsignedId, Some(place))
                if !id_in_body && header_id.is_empty() =>
            {
                Err(place.not_identifying())
            }
            _ => Ok(fields),
        }
    }

    fn read_json(&self, body: &[u8], header_id: &[u8]) -> Result<BodyFields, Rejection> {
        let found = match self.pointers.find(body) {
            Ok(found) => found,
            Err(_) if self.requires_body => return Err(self.not_json()),
            Err(_) => return Ok(BodyFields::default()),
        };
        let (id, event) = (text(&found, self.id.as_ref()), text(&found, self.event.as_ref()));
        let mut fields = BodyFields { id, event, ..BodyFields::default() };
        if let Some((Place::Pointer(at, pointer), format)) = &self.sent_at {
            let malformed = || Rejection::MalformedTime { pointer: pointer.clone() };
            fields.sent_at = Some(time_at(&found, *at, *format).ok_or_else(malformed)?);
        }
        if let IdentitySpec::Fields(places) = &self.identity {
            let value = |place: &Place| {
                let text = match place {
                    Place::Pointer(at, _) => text_at(&found, *at),
                    // The only header that the MAC can cover is the id.
                    Place::Header(_) => std::str::from_utf8(header_id).ok(),
                };
                text.map(Into::into).ok_or_else(|| place.not_identifying())
            };
            fields.identity = places.iter().map(value).collect::<Result<_, _>>()?;
        }
        Ok(fields)
    }

    /// The event type in a body that nothing else needed to be read from.
    pub(crate) fn body_event(&self, body: &[u8]) -> Option<Box<str>> {
        let place @ Some(Place::Pointer(..)) = &self.event else { return None };
        text(&self.pointers.find(body).ok()?, place.as_ref())
    }

    fn not_json(&self) -> Rejection {
        let identity = match &self.identity {
            IdentitySpec::Fields(places) => places.as_slice(),
            _ => &[],
        };
        let others = self.id.iter().chain(self.sent_at.iter().map(|(place, _)| place));
        let pointer = identity.iter().chain(others).find_map(|place| match place {
            Place::Pointer(_, pointer) => Some(pointer.clone()),
            Place::Header(_) => None,
        });
        Rejection::NotJson { pointer: pointer.unwrap_or_else(|| Arc::from("/")) }
    }
}

fn text(found: &Found<'_>, place: Option<&Place>) -> Option<Box<str>> {
    match place {
        Some(Place::Pointer(at, _)) => text_at(found, *at).map(Into::into),
        _ => None,
    }
}

fn text_at<'f>(found: &'f Found<'_>, at: usize) -> Option<&'f str> {
    let text = match found.get(at)? {
        Scalar::Plain(text) => text,
        Scalar::Escaped(text) => text.as_str(),
        Scalar::Integer(_) | Scalar::Other => return None,
    };
    is_text(text).then_some(text)
}

/// A signed time has one spelling, so escapes are refused.
fn time_at(found: &Found<'_>, at: usize, format: TimeFormat) -> Option<SystemTime> {
    match found.get(at)? {
        Scalar::Plain(text) => timestamp::parse(format, text.as_bytes()),
        Scalar::Integer(value) => timestamp::from_integer(format, *value),
        Scalar::Escaped(_) | Scalar::Other => None,
    }
}
