//! What a scheme needs to be read of each request.

use super::identity::IdentitySpec;
use super::place::Place;
use crate::scheme::{Field, Json, Scheme, TimeFormat};

/// What a request has to be asked for.
pub(crate) struct Needs<'s> {
    pub(crate) scheme: &'s Scheme,
    pub(crate) id: &'s Option<Place>,
    pub(crate) sent_at: &'s Option<(Place, TimeFormat)>,
    pub(crate) identity: &'s IdentitySpec,
    /// Whether what is signed is worked out for each request.
    pub(crate) works_out: bool,
}

impl Needs<'_> {
    /// Whether something has to be read after the MAC. The event alone is no reason to parse JSON or a
    /// form.
    pub(crate) fn fields(&self, reads_form: bool) -> bool {
        let elsewhere = |place: &Place| place.as_header().is_none();
        let event = |field: &Field| match field {
            field if field.is_in_json() => self.scheme.json != Json::Body,
            Field::Form(_) => reads_form,
            field => field.as_header().is_none(),
        };
        self.scheme.events().iter().any(event)
            || self.id.as_ref().is_some_and(elsewhere)
            || self.sent_at.as_ref().is_some_and(|(place, _)| elsewhere(place))
            || matches!(self.identity, IdentitySpec::Fields(_))
            || self.works_out
    }

    /// Whether a request can't be accepted without what is in its JSON.
    pub(crate) fn json(&self) -> bool {
        self.sent_at.as_ref().is_some_and(|(place, _)| place.is_in_json())
            || match self.identity {
                IdentitySpec::Fields(fields) => fields.iter().any(Place::is_in_json),
                IdentitySpec::SignedId | IdentitySpec::UnsignedId => {
                    self.id.as_ref().is_some_and(Place::is_in_json)
                }
                IdentitySpec::Content | IdentitySpec::IdAndContent | IdentitySpec::None => false,
            }
    }
}
