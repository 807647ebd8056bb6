//! What makes two requests one delivery, prepared.

use super::place::Place;
use crate::error::ConfigError;
use crate::scheme::{Field, Identity, Scheme};

#[derive(Debug)]
pub(crate) enum IdentitySpec {
    /// One signed field, which is the id.
    SignedId,
    Fields(Vec<Place>),
    Content,
    IdAndContent,
    UnsignedId,
    None,
}

impl IdentitySpec {
    pub(crate) fn prepare(
        scheme: &Scheme,
        place: &mut impl FnMut(&Field) -> Result<Place, ConfigError>,
    ) -> Result<Self, ConfigError> {
        Ok(match &scheme.identity {
            Identity::Fields(fields) if is_id(fields, scheme.id.as_ref()) => Self::SignedId,
            Identity::Fields(fields) => {
                Self::Fields(fields.iter().map(place).collect::<Result<_, _>>()?)
            }
            Identity::Content => Self::Content,
            Identity::IdAndContent => Self::IdAndContent,
            Identity::UnsignedId => Self::UnsignedId,
            Identity::None => Self::None,
        })
    }

    /// Whether the signed content is a part of it.
    pub(crate) fn has_content(&self) -> bool {
        matches!(self, Self::Content | Self::IdAndContent)
    }
}

/// Whether the fields are the id, however often, and nothing else.
fn is_id(fields: &[Field], id: Option<&Field>) -> bool {
    id.is_some_and(|id| fields.iter().all(|field| field.is(id)))
}
