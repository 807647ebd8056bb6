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

/// Whether the only field is the id.
fn is_id(fields: &[Field], id: Option<&Field>) -> bool {
    matches!((fields, id), ([field], Some(id)) if field.is(id))
}
