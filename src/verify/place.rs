//! Where a value is in a request, prepared.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::rejection::Rejection;
use crate::error::ConfigError;
use crate::scheme::{Field, Scheme};

/// A header and the other name it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) alias: Option<HeaderName>,
}

/// Where a value is. Texts are for messages as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Header(Header),
    /// The position of the pointer among those that are looked for together.
    Pointer(usize, Arc<str>),
    Integer(usize, Arc<str>),
    Query(Arc<str>),
    Form(Arc<str>),
}

impl Header {
    pub(crate) fn prepare(scheme: &Scheme, name: &str) -> Result<Self, ConfigError> {
        let alias = scheme.aliases.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        let alias = alias.map(|(_, other)| header_name(other)).transpose()?;
        Ok(Self { name: header_name(name)?, alias })
    }

    /// Its one value, under either name. Two that differ, or twice the same one, never count.
    pub(crate) fn value<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h [u8]>, Rejection> {
        let under = |name: &HeaderName| {
            let mut values = headers.get_all(name).iter().map(|value| value.as_bytes());
            let value = values.next();
            if values.next().is_some() { Err(self.repeated()) } else { Ok(value) }
        };
        match (under(&self.name)?, self.alias.as_ref().map(under).transpose()?.flatten()) {
            (Some(value), Some(other)) if value != other => Err(self.repeated()),
            (value, other) => Ok(value.or(other)),
        }
    }

    pub(crate) fn malformed(&self) -> Rejection {
        Rejection::MalformedHeader { header: self.name.clone() }
    }

    pub(crate) fn missing(&self) -> Rejection {
        Rejection::MissingHeader { header: self.name.clone() }
    }

    pub(crate) fn repeated(&self) -> Rejection {
        Rejection::RepeatedHeader { header: self.name.clone() }
    }
}

impl Place {
    /// Pointers are collected in `pointers`, each once.
    pub(crate) fn prepare(
        scheme: &Scheme,
        field: &Field,
        pointers: &mut Vec<Arc<str>>,
    ) -> Result<Self, ConfigError> {
        let only_sent_at =
            |name: String| Err(ConfigError::Parameter { name, problem: "can only be `sent_at`" });
        Ok(match field {
            Field::Header(name) => Self::Header(Header::prepare(scheme, name)?),
            Field::Pointer(pointer) => {
                Self::Pointer(position(pointer, pointers), Arc::from(&**pointer))
            }
            Field::Integer(pointer) => {
                Self::Integer(position(pointer, pointers), Arc::from(&**pointer))
            }
            Field::Query(name) => Self::Query(Arc::from(&**name)),
            Field::Form(name) => Self::Form(Arc::from(&**name)),
            Field::Parameter(name) => return only_sent_at(name.to_string()),
            Field::Entry(entry) => return only_sent_at(entry.to_string()),
            Field::FirstOf(_) => {
                let problem = "is only for `event`";
                return Err(ConfigError::Setting { key: "first_of", problem });
            }
        })
    }

    pub(crate) fn as_header(&self) -> Option<&Header> {
        match self {
            Self::Header(header) => Some(header),
            _ => None,
        }
    }

    pub(crate) fn is_in_json(&self) -> bool {
        matches!(self, Self::Pointer(..) | Self::Integer(..))
    }

    /// What a message calls it.
    pub(crate) fn name(&self) -> Arc<str> {
        match self {
            Self::Header(header) => Arc::from(header.name.as_str()),
            Self::Pointer(_, name)
            | Self::Integer(_, name)
            | Self::Query(name)
            | Self::Form(name) => name.clone(),
        }
    }

    /// It is signed, and missing or not what the scheme says.
    pub(crate) fn unusable(&self) -> Rejection {
        match self {
            Self::Header(header) => header.malformed(),
            _ => Rejection::SignedField { field: self.name() },
        }
    }
}

/// Where a pointer is among the others; it is added if it is new.
fn position(pointer: &str, pointers: &mut Vec<Arc<str>>) -> usize {
    let at = pointers.iter().position(|text| **text == *pointer);
    at.unwrap_or_else(|| {
        pointers.push(Arc::from(pointer));
        pointers.len().saturating_sub(1)
    })
}

pub(crate) fn header_name(name: &str) -> Result<HeaderName, ConfigError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| ConfigError::HeaderName { name: name.into() })
}

/// A value as text, if it is any.
pub(crate) fn utf8(value: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match value {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}
