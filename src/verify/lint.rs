//! The schemes that are not safe to build.

use crate::error::ConfigError;
use crate::scheme::{Encoding, Field, Identity, Layout, Part, Scheme, SentAt, TimeFormat};

/// Refuses a scheme that would let something unsigned through.
pub(super) fn lint(scheme: &Scheme) -> Result<(), ConfigError> {
    if scheme.deadline.is_zero() {
        return Err(ConfigError::Deadline);
    }
    lint_content(scheme)?;
    lint_separator(scheme)?;
    lint_headers(scheme)?;
    lint_parameter(scheme)?;
    if time_in_header(scheme) && !scheme.content.contains(&Part::SentAt) {
        return Err(ConfigError::UncoveredTime);
    }
    lint_identity(scheme)
}

/// Whether the time is outside the body, as a header or as a part of one.
fn time_in_header(scheme: &Scheme) -> bool {
    match &scheme.sent_at {
        Some(SentAt { field: Field::Header(_) | Field::Parameter(_), .. }) => true,
        Some(SentAt { field: Field::Pointer(_), .. }) | None => false,
    }
}

fn lint_content(scheme: &Scheme) -> Result<(), ConfigError> {
    let wrong = |problem| Err(ConfigError::Content { problem });
    let count = |part: &Part| scheme.content.iter().filter(|other| *other == part).count();
    if scheme.content.last() != Some(&Part::Body) || count(&Part::Body) != 1 {
        return wrong("must have the body as its last part, and only there");
    }
    if count(&Part::Id) > 1 || count(&Part::SentAt) > 1 {
        return wrong("has the id or the time twice; once each is enough");
    }
    if count(&Part::Id) == 1 && !matches!(scheme.id, Some(Field::Header(_))) {
        return wrong("has `Part::Id`, which needs `id` to be a header");
    }
    if count(&Part::SentAt) == 1 && !time_in_header(scheme) {
        return wrong("has `Part::SentAt`, which needs `sent_at` to be a header or parameter");
    }
    // Without something between them, the end of one part could be read as the start of the next.
    let separates = |part: &Part| match part {
        Part::Literal(text) => text.bytes().any(|byte| !byte.is_ascii_alphanumeric()),
        _ => false,
    };
    let varies = |part: &Part| matches!(part, Part::Id | Part::SentAt);
    let mut neighbours = scheme.content.iter().zip(scheme.content.iter().skip(1));
    if neighbours.any(|(part, next)| varies(part) && !separates(next)) {
        return wrong("is ambiguous: put a separating literal after `Part::Id` and `Part::SentAt`");
    }
    Ok(())
}

fn lint_separator(scheme: &Scheme) -> Result<(), ConfigError> {
    let Layout::List(separator) = scheme.signature.layout else { return Ok(()) };
    let in_encoding = match scheme.signature.encoding {
        Encoding::Hex => separator.is_ascii_hexdigit(),
        Encoding::Base64 => separator.is_ascii_alphanumeric() || "+/=".contains(separator),
    };
    let usable = separator == ' ' || separator.is_ascii_graphic();
    if !usable || in_encoding || scheme.signature.prefix.contains(separator) {
        return Err(ConfigError::Separator);
    }
    Ok(())
}

/// A parameter is an entry of a list, and what it begins with tells it from the signatures.
fn lint_parameter(scheme: &Scheme) -> Result<(), ConfigError> {
    let Some(SentAt { field: Field::Parameter(name), format }) = &scheme.sent_at else {
        return Ok(());
    };
    let wrong = |problem| Err(ConfigError::Parameter { name: name.to_string(), problem });
    let Layout::List(separator) = scheme.signature.layout else {
        return wrong("needs `Layout::List`: a single signature leaves no room for it");
    };
    let (start, prefix) = (format!("{name}="), &*scheme.signature.prefix);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) || name.contains('=') {
        return wrong("needs a name of visible ASCII without `=`");
    }
    let in_time = *format == TimeFormat::Rfc3339 && "+-.:TZ".contains(separator);
    if start.contains(separator) || in_time {
        return wrong("contains the list separator: choose another one");
    }
    if start.starts_with(prefix) || prefix.starts_with(&start) {
        return wrong("begins like a signature: the prefix must tell them apart");
    }
    Ok(())
}

/// Each header is looked for once, so it can't mean two things.
fn lint_headers(scheme: &Scheme) -> Result<(), ConfigError> {
    let header = |field: &Field| match field {
        Field::Header(name) => Some(name.to_ascii_lowercase()),
        // A parameter is in the signature's own header.
        Field::Pointer(_) | Field::Parameter(_) => None,
    };
    let sent_at = scheme.sent_at.as_ref().map(|sent_at| &sent_at.field);
    let mut names = vec![scheme.signature.header.to_ascii_lowercase()];
    names.extend([scheme.id.as_ref(), sent_at].into_iter().flatten().filter_map(header));
    let mut aliased = Vec::new();
    for (name, other) in scheme.aliases.iter() {
        let (name, other) = (name.to_ascii_lowercase(), other.to_ascii_lowercase());
        if aliased.contains(&name) {
            return Err(ConfigError::Alias { name });
        }
        // A scheme that is built upon another one may not use all of its headers.
        if names.contains(&name) {
            names.push(other);
        }
        aliased.push(name);
    }
    names.sort();
    match names.iter().zip(names.iter().skip(1)).find(|(name, next)| name == next) {
        Some((header, _)) => Err(ConfigError::HeaderTwice { header: header.clone() }),
        None => Ok(()),
    }
}

fn lint_identity(scheme: &Scheme) -> Result<(), ConfigError> {
    let wrong = |problem| Err(ConfigError::Identity { problem });
    let body_time = matches!(&scheme.sent_at, Some(SentAt { field: Field::Pointer(_), .. }));
    match &scheme.identity {
        Identity::Fields(fields) if fields.is_empty() => {
            wrong("`Fields` is empty; name at least one signed field")
        }
        Identity::Fields(fields)
            if scheme.sent_at.as_ref().is_some_and(|sent_at| fields.contains(&sent_at.field)) =>
        {
            wrong("has the time of the attempt among its fields, so no retry would be a duplicate")
        }
        Identity::Fields(fields) => {
            let covered = |field: &&Field| match field {
                Field::Pointer(_) => true,
                Field::Header(name) => {
                    let is_id = |id: &Field| matches!(id, Field::Header(id) if id.eq_ignore_ascii_case(name));
                    scheme.content.contains(&Part::Id) && scheme.id.as_ref().is_some_and(is_id)
                }
                Field::Parameter(_) => false,
            };
            match fields.iter().find(|field| !covered(field)) {
                Some(Field::Header(field) | Field::Pointer(field) | Field::Parameter(field)) => {
                    Err(ConfigError::UncoveredIdentity { field: field.to_string() })
                }
                None => Ok(()),
            }
        }
        Identity::Content | Identity::IdAndContent if body_time => wrong(
            "is the content, but the body has a time that is new at each attempt, so no retry would be a duplicate; use `Fields`, or `UnsignedId` where no id is signed",
        ),
        Identity::IdAndContent | Identity::UnsignedId if scheme.id.is_none() => {
            wrong("needs an `id`, which the scheme does not have")
        }
        _ => Ok(()),
    }
}
