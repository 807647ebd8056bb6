//! What a request says at the places that a scheme names.

use std::borrow::Cow;

use http::{HeaderMap, Method};

use super::form::{self, NotForm, Parameter};
use super::headers::content_type;
use super::place::Place;
use super::rejection::Rejection;
use super::source::Source;
use crate::pointer::{Found, Scalar};
use crate::scheme::Json;

/// A request, as it arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'r> {
    pub(crate) method: &'r Method,
    pub(crate) query: Option<&'r str>,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r [u8],
}

/// A request, and its parameters where the scheme needs any.
pub(crate) struct Reading<'r> {
    pub(crate) request: Incoming<'r>,
    query: Vec<Parameter<'r>>,
    form: Vec<Parameter<'r>>,
}

impl<'r> Reading<'r> {
    /// Nothing is parsed yet.
    pub(crate) fn new(request: Incoming<'r>) -> Self {
        Self { request, query: Vec::new(), form: Vec::new() }
    }

    /// Parses the parameters that the scheme needs. Most need none.
    pub(crate) fn parse(&mut self, source: &Source) -> Result<(), Rejection> {
        let request = self.request;
        if source.reads_query {
            let text = request.query.unwrap_or_default().as_bytes();
            self.query = form::url_encoded(text).map_err(|NotForm| Rejection::MalformedQuery)?;
        }
        if source.reads_form {
            let form = match source.multipart {
                true => form::parameters(content_type(request.headers)?, request.body),
                false => form::url_encoded(request.body),
            };
            self.form = form.map_err(|NotForm| Rejection::NotForm)?;
        }
        Ok(())
    }

    /// The JSON that pointers point into, if there is any.
    pub(crate) fn json(&self, json: &Json) -> Option<&[u8]> {
        match json {
            Json::Body => Some(self.request.body),
            Json::Form(name) => form::value(&self.form, name).ok().flatten().map(|json| &**json),
        }
    }

    /// The value at a place; `found` is what pointers found. Twice is an error, wherever it is. A parameter is lent:
    /// each of many items may have the same one in what is signed.
    pub(crate) fn value<'s>(
        &'s self,
        place: &Place,
        found: &Found<'_>,
    ) -> Result<Option<Cow<'s, [u8]>>, Rejection> {
        let parameter = |parameters: &'s [Parameter<'r>], name| {
            let value = form::value(parameters, name).map_err(|NotForm| place.unusable())?;
            Ok(value.map(|value| Cow::Borrowed(&**value)))
        };
        match place {
            Place::Header(header) => Ok(header.value(self.request.headers)?.map(Cow::Borrowed)),
            Place::Query(name) => parameter(&self.query, name),
            Place::Form(name) => parameter(&self.form, name),
            Place::Pointer(at, _) | Place::Integer(at, _) => {
                let text = match (place, found.get(*at)) {
                    (_, None | Some(Scalar::Null)) => return Ok(None),
                    (Place::Pointer(..), Some(Scalar::Word(word))) => word.clone(),
                    (Place::Pointer(..), Some(Scalar::Plain(text))) => (*text).to_owned(),
                    (Place::Pointer(..), Some(Scalar::Escaped(text))) => text.clone(),
                    (_, Some(Scalar::Integer(value))) => value.to_string(),
                    _ => return Err(place.unusable()),
                };
                Ok(Some(Cow::Owned(text.into_bytes())))
            }
        }
    }
}
