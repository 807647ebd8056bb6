//! Where a request is sent to, where that is signed as it arrives.

use bytes::Bytes;
use http::{Method, Request, Uri};

use super::place::{parameter, replaced};
use super::{Attempt, Move, refused};
use crate::fuzzing::attack::genuine::leaves;
use crate::fuzzing::finding::Oracle;
use crate::scheme::{Field, Part};

pub(super) fn method(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    if !attack.scheme.content.contains(&Part::Method) {
        return None;
    }
    let mut request = genuine.request.clone();
    *request.method_mut() = choices.one(&[Method::PUT, Method::GET, Method::DELETE]);
    refused(request, Oracle::RefusesChanged, "its method is another one")
}

/// The query, or what is signed of it.
pub(super) fn query(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let old = genuine.request.uri().query().unwrap_or_default();
    let signed = leaves(&attack.scheme.content).into_iter().find_map(|part| match part {
        Part::Field(Field::Query(name)) => Some(&**name),
        _ => None,
    });
    let other = match signed {
        Some(name) => {
            let (at, value) = parameter(old, name)?;
            replaced(old, at, &format!("{value}{}", choices.one(&["1", "a", "-"])))?
        }
        None if attack.scheme.content.contains(&Part::Query) => match choices.rarely(2) {
            true => format!("{old}1"),
            false => format!("{old}&admin=1"),
        },
        None => return None,
    };
    let mut request = genuine.request.clone();
    set_query(&mut request, &other)?;
    refused(request, Oracle::RefusesChanged, format!("its query was `{old}`"))
}

pub(super) fn set_query(request: &mut Request<Bytes>, query: &str) -> Option<()> {
    let uri = format!("{}?{query}", request.uri().path()).parse::<Uri>().ok()?;
    *request.uri_mut() = uri;
    Some(())
}
