//! Where and how a request is sent, where that is signed as it arrives.

use bytes::Bytes;
use http::{Method, Request, Uri};

use super::{Attempt, Move, place, refused};
use crate::fuzzing::oracle::Oracle;
use crate::scheme::{Field, Part};

/// Those that have a body, and that somebody may take for harmless.
pub(super) const METHODS: [Method; 6] =
    [Method::PUT, Method::GET, Method::DELETE, Method::OPTIONS, Method::HEAD, Method::PATCH];

pub(super) fn method(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    if !attack.scheme.content.contains(&Part::Method) {
        return None;
    }
    let mut request = genuine.request.clone();
    *request.method_mut() = choices.one(&METHODS);
    refused(request, Oracle::RefusesChanged, "its method is another one")
}

/// The query, or what is signed of it.
pub(super) fn query(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    let old = genuine.request.uri().query().unwrap_or_default();
    let parts = Part::leaves(&scheme.content);
    let mut signed = parts.iter().filter_map(|part| part.as_field());
    let signed = signed.find(|field| matches!(field, Field::Query(_)));
    let request = match signed {
        Some(field) => {
            let value = place::read(scheme, &genuine.request, field)?;
            let other = format!("{value}{}", choices.one(&["1", "a", "-"]));
            place::replaced(scheme, &genuine.request, field, other.as_bytes())?
        }
        None if parts.contains(&&Part::Query) => {
            let mut request = genuine.request.clone();
            let more = if choices.one_in(2) { "1" } else { "&admin=1" };
            set_query(&mut request, &format!("{old}{more}"))?;
            request
        }
        None => return None,
    };
    refused(request, Oracle::RefusesChanged, format!("its query was `{old}`"))
}

pub(super) fn set_query(request: &mut Request<Bytes>, query: &str) -> Option<()> {
    let uri = format!("{}?{query}", request.uri().path()).parse::<Uri>().ok()?;
    *request.uri_mut() = uri;
    Some(())
}
