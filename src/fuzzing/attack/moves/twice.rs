//! What is there twice: under one name, or under two.

use std::time::Duration;

use super::{Attempt, Expected, Move, binds_unsigned, place, refused, set_header, text};
use crate::fuzzing::attack::Attack;
use crate::fuzzing::attack::clock::out_of_time;
use crate::fuzzing::attack::genuine::Genuine;
use crate::fuzzing::oracle::Oracle;
use crate::scheme::{Field, Layout, Part, Scheme};
use crate::timestamp;

/// Something that is signed, or the signature, twice, with two values.
pub(super) fn value(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    let signed = Part::leaves(&scheme.content).into_iter().filter_map(|part| match part {
        Part::Id => scheme.id.as_ref(),
        Part::SentAt => scheme.sent_at.as_ref().map(|sent_at| &sent_at.field),
        part => part.as_field(),
    });
    let signature = Some(&scheme.signature.field).filter(|_| has_one_signature(scheme));
    let fields: Vec<&Field> = signature.into_iter().chain(signed).collect();
    let field = choices.any(&fields)?;
    let other = other_value(attack, genuine, field)?;
    let is_first = choices.one_in(2);
    let request = place::doubled(scheme, &genuine.request, field, &other, is_first)?;
    let where_to = if is_first { "before" } else { "behind" };
    refused(
        request,
        Oracle::RefusesRepeated,
        format!("{} has `{other}` {where_to} the right one", name(field)),
    )
}

/// A request that was signed too early or too late, with a time beside its own that is neither; or with all
/// that has a second name under that.
pub(super) fn refreshed(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, now, choices } = attempt;
    let scheme = &attack.scheme;
    let time = out_of_time(scheme, now, choices)?;
    let signer = attack.signer(choices);
    let mut request = Genuine::sign(attack, signer, genuine.content.clone(), time).ok()?.request;
    let sent_at = scheme.sent_at.as_ref()?;
    let fresh = timestamp::write(sent_at.format, genuine.sent_at);
    let second = |name: &str| {
        let mut aliases = scheme.aliases.iter();
        aliases.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, second)| &**second)
    };
    let what = match choices.byte() % 5 {
        which @ (0 | 1) => {
            request = place::doubled(scheme, &request, &sent_at.field, &fresh, which == 0)?;
            "a time of now is there twice with it"
        }
        2 => {
            set_header(&mut request, second(sent_at.field.as_header()?)?, &fresh)?;
            "a time of now is there under its second name"
        }
        3 => {
            let own = sent_at.field.as_header()?;
            let stale = text(&request, own)?;
            set_header(&mut request, second(own)?, stale)?;
            set_header(&mut request, own, &fresh)?;
            "its time is there under its second name, and one of now under its own"
        }
        _ => {
            let mut is_renamed = false;
            for (own, second) in scheme.aliases.iter() {
                if let Some(value) = request.headers_mut().remove(&**own) {
                    set_header(&mut request, second, value.as_bytes())?;
                    is_renamed = true;
                }
            }
            is_renamed.then_some("its headers have their second names")?
        }
    };
    refused(request, Oracle::RefusesStale, format!("it was signed out of tolerance, and {what}"))
}

/// A header under its second name, alone, or beside itself with another value.
pub(super) fn second_name(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let scheme = &attack.scheme;
    let aliases = scheme.aliases.get(choices.below(scheme.aliases.len().max(1)));
    let (name, second) = aliases.map(|(name, second)| (&**name, &**second))?;
    // Under another name an id that nobody signs is another one for whoever does not know that.
    let is_id = scheme.id.as_ref().and_then(Field::as_header) == Some(name);
    if is_id && binds_unsigned(attack) {
        return None;
    }
    let right = text(&genuine.request, name)?;
    let wrong = other_value(attack, genuine, &Field::Header(name.to_owned().into()))?;
    let mut request = genuine.request.clone();
    let (value, second_value) = match choices.byte() % 4 {
        0 => (None, &right),
        1 => (Some(&right), &right),
        2 => (Some(&right), &wrong),
        _ => (Some(&wrong), &right),
    };
    match value {
        Some(value) => set_header(&mut request, name, value)?,
        None => drop(request.headers_mut().remove(name)?),
    }
    set_header(&mut request, second, second_value)?;
    let value = value.map_or("missing".into(), |value| format!("`{value}`"));
    let what = format!("header `{name}` is {value}, and `{second}` is `{second_value}`");
    Some(Move { request, what, expected: Expected::OneKeyIfAny })
}

/// Where several signatures are looked at, two of them are not one too many.
fn has_one_signature(scheme: &Scheme) -> bool {
    let signature = &scheme.signature;
    !matches!(signature.layout, Layout::Repeated | Layout::Numbered) && signature.others.is_empty()
}

/// Another value of the kind: of a time one that is tolerated as well.
fn other_value(attack: &Attack, genuine: &Genuine, field: &Field) -> Option<String> {
    if let Some(sent_at) = attack.scheme.sent_at.as_ref().filter(|it| it.field.is(field)) {
        let later = genuine.sent_at.checked_add(Duration::from_secs(1))?;
        return Some(timestamp::write(sent_at.format, later));
    }
    let mut other = place::read(&attack.scheme, &genuine.request, field)?;
    let last = other.pop()?;
    other.push(if last == '0' { '1' } else { '0' });
    Some(other)
}

fn name(field: &Field) -> String {
    match field {
        Field::Header(name) => format!("header `{name}`"),
        Field::Parameter(name) | Field::Query(name) | Field::Form(name) => {
            format!("parameter `{name}`")
        }
        _ => "it".into(),
    }
}
