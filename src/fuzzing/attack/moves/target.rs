//! Where a request is sent to, where that is signed as it arrives.

use bytes::Bytes;
use http::{Method, Request, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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
    let parts = leaves(&attack.scheme.content);
    let signed = parts.iter().find_map(|part| match part {
        Part::Field(Field::Query(name)) => Some(&**name),
        _ => None,
    });
    let other = match signed {
        Some(name) => {
            let (at, value) = parameter(old, name)?;
            replaced(old, at, &format!("{value}{}", choices.one(&["1", "a", "-"])))?
        }
        None if parts.contains(&&Part::Query) => match choices.rarely(2) {
            true => format!("{old}1"),
            false => format!("{old}&admin=1"),
        },
        None => return None,
    };
    let mut request = genuine.request.clone();
    set_query(&mut request, &other)?;
    refused(request, Oracle::RefusesChanged, format!("its query was `{old}`"))
}

/// A parameter of the query, or of a form, that is there twice.
pub(super) fn repeated(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    let values = leaves(&scheme.content).into_iter().filter_map(|part| match part {
        Part::Field(field) => Some(field),
        _ => None,
    });
    let sent_at = scheme.sent_at.iter().map(|sent_at| &sent_at.field);
    let fields = values.chain(sent_at).chain(&scheme.id).chain([&scheme.signature.field]);
    let fields: Vec<&Field> =
        fields.filter(|it| matches!(it, Field::Query(_) | Field::Form(_))).collect();
    let mut request = genuine.request.clone();
    let twice = |pairs: &str, name: &str, is_first: bool| {
        let (_, value) = parameter(pairs, name)?;
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let other = format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC));
        Some(if is_first { format!("{other}1&{pairs}") } else { format!("{pairs}&{other}1") })
    };
    let is_first = choices.rarely(2);
    let name = match choices.one(fields.first().map(|_| &*fields)?) {
        Field::Query(name) => {
            set_query(&mut request, &twice(genuine.request.uri().query()?, name, is_first)?)?;
            name
        }
        Field::Form(name) => {
            let body = std::str::from_utf8(genuine.request.body()).ok()?;
            *request.body_mut() = twice(body, name, is_first)?.into();
            name
        }
        _ => return None,
    };
    refused(request, Oracle::RefusesRepeated, format!("parameter `{name}` is there twice"))
}

pub(super) fn set_query(request: &mut Request<Bytes>, query: &str) -> Option<()> {
    let uri = format!("{}?{query}", request.uri().path()).parse::<Uri>().ok()?;
    *request.uri_mut() = uri;
    Some(())
}
