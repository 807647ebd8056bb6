//! Where a request is sent to, where that is signed as it arrives.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, Request, Uri};

use super::place::{parameter, replaced};
use super::{Move, refused};
use crate::fuzzing::attack::Attack;
use crate::fuzzing::attack::genuine::Genuine;
use crate::fuzzing::choices::Choices;
use crate::fuzzing::finding::Oracle;
use crate::scheme::{Field, Part};

pub(super) fn method(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    if !attack.scheme.content.contains(&Part::Method) {
        return None;
    }
    let mut request = genuine.request.clone();
    *request.method_mut() = choices.one(&[Method::PUT, Method::GET, Method::DELETE]);
    refused(request, Oracle::RefusesChanged, "its method is another one")
}

/// The query, or what is signed of it.
pub(super) fn query(
    attack: &Attack,
    genuine: &Genuine,
    _: SystemTime,
    choices: &mut Choices<'_>,
) -> Option<Move> {
    let old = genuine.request.uri().query().unwrap_or_default();
    let parts = attack.scheme.content.iter().flat_map(|part| match part {
        Part::Optional(parts) => parts,
        part => std::slice::from_ref(part),
    });
    let signed = parts.into_iter().find_map(|part| match part {
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
