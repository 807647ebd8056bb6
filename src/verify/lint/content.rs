//! The signed content: whether it covers the body, and whether its parts can be told apart.

use crate::error::ConfigError;
use crate::scheme::{Danger, Field, Part, Scheme, SentAt, TimeFormat};

use super::{any_two, signs};

/// The values of all parts are in memory at once, and what follows one of them is looked for in it: whoever
/// writes a scheme, a tenant for one, must not decide how much that is.
const MAX_PARTS: usize = 32;
const MAX_LITERAL: usize = 255;

pub(super) fn lint(scheme: &Scheme) -> Result<(), ConfigError> {
    let wrong = |problem| Err(ConfigError::Content { problem });
    lint_parts(scheme)?;
    let covered = scheme.covers_body_or_form() && !digest_moves(scheme);
    match (covered, scheme.allows(Danger::UnsignedBody)) {
        (false, false) => {
            return wrong(
                "covers neither the body nor a digest of it, or that is ambiguous and not at an end: add `Part::Body`; where the partner signs only some fields, allow `Danger::UnsignedBody` and believe nothing else",
            );
        }
        (true, true) => return Err(ConfigError::NeedlessDanger { danger: "UnsignedBody" }),
        _ => {}
    }
    match (scheme.items.is_some(), scheme.allows(Danger::LooseItems)) {
        (true, false) => {
            return wrong(
                "is signed for each item alone: where the partner leaves no choice, allow `Danger::LooseItems`",
            );
        }
        (false, true) => return Err(ConfigError::NeedlessDanger { danger: "LooseItems" }),
        _ => {}
    }
    match (ambiguity(scheme), scheme.allows(Danger::AmbiguousContent)) {
        (Some(problem), false) => wrong(problem),
        // What may not contain what follows it, may so with this.
        (None, true) if !scheme.content.iter().any(varies) => {
            Err(ConfigError::NeedlessDanger { danger: "AmbiguousContent" })
        }
        (_, true) => lint_ambiguous(scheme),
        (None, false) => Ok(()),
    }
}

/// Where bytes can be moved from one part to the next one, nothing that varies stands before the time or
/// nothing behind it, so it is where its digits must be; and nothing before a URL of two lengths.
fn lint_ambiguous(scheme: &Scheme) -> Result<(), ConfigError> {
    let wrong = |problem| Err(ConfigError::Content { problem });
    let [first, last] = outermost(&scheme.content);
    // Digits could be the time's.
    let ends = scheme
        .optional_end
        .as_ref()
        .is_none_or(|end| !end.bytes().any(|byte| byte.is_ascii_digit()) && !is_rfc3339(scheme));
    let is_found = first == Some(&Part::SentAt) || last == Some(&Part::SentAt) && ends;
    if scheme.content.contains(&Part::SentAt) && !is_found {
        return wrong(
            "is ambiguous, and has the time between other parts, so nobody could say where that begins: leave `sent_at` out",
        );
    }
    let before_url = scheme.content.iter().take_while(|part| **part != Part::Url);
    if scheme.either_port && !before_url.into_iter().all(is_constant) {
        return wrong("is ambiguous, so with `either_port` only constants stand before the URL");
    }
    Ok(())
}

/// Whether what another value says could become the digest of the body: one that is ambiguous has its
/// place only at an end.
fn digest_moves(scheme: &Scheme) -> bool {
    let whole = [Part::Body, Part::SortedForm];
    let is_digest = |part: &Part| match part {
        Part::BodySha256 => true,
        Part::Field(field) => scheme.digest.as_ref().is_some_and(|digest| digest.is_at(field)),
        _ => false,
    };
    let [first, last] = outermost(&scheme.content);
    // An end could be the end of a digest.
    let last = last.filter(|_| scheme.optional_end.is_none());
    scheme.allows(Danger::AmbiguousContent)
        && !whole.iter().any(|part| scheme.content.contains(part))
        && !first.into_iter().chain(last).any(is_digest)
}

/// The first part and the last one that are not the same in every request.
fn outermost(content: &[Part]) -> [Option<&Part>; 2] {
    let mut parts = content.iter().filter(|part| !is_constant(part));
    let first = parts.next();
    [first, parts.next_back().or(first)]
}

fn is_constant(part: &Part) -> bool {
    matches!(part, Part::Literal(_) | Part::Url | Part::Path)
}

/// What can't be, whatever is allowed.
fn lint_parts(scheme: &Scheme) -> Result<(), ConfigError> {
    let wrong = |problem| Err(ConfigError::Content { problem });
    let content = &scheme.content;
    if content.is_empty() {
        return wrong("is empty");
    }
    let leaves = Part::leaves(content);
    if leaves.len() > MAX_PARTS {
        return wrong("has more than 32 parts, the literals and those of optional parts included");
    }
    let fits = |part: &&Part| match part {
        Part::Literal(text) => (1..=MAX_LITERAL).contains(&text.len()),
        _ => true,
    };
    if !leaves.iter().all(fits) {
        return wrong("has a literal that is empty or longer than 255 bytes");
    }
    let values = leaves.iter().copied().filter(|part| !matches!(part, Part::Literal(_)));
    if any_two(values, |value, other| is_same(scheme, value, other)) {
        return wrong("has a value twice; once is enough");
    }
    if content.contains(&Part::Id) && scheme.id.is_none() {
        return wrong("has `Part::Id`, which needs an `id`");
    }
    if content.contains(&Part::SentAt) && scheme.sent_at.is_none() {
        return wrong("has `Part::SentAt`, which needs a `sent_at`");
    }
    let only_sent_at =
        |part: &Part| matches!(part, Part::Field(Field::Parameter(_) | Field::Entry(_)));
    if signs(content, &only_sent_at) {
        return wrong("has a part of the signature header, which can only be `sent_at`");
    }
    let may_be_absent =
        |part: &Part| matches!(part, Part::Literal(_) | Part::Query | Part::Field(_));
    let is_literal = |part: &&Part| matches!(part, Part::Literal(_));
    for part in content.iter() {
        let Part::Optional(parts) = part else { continue };
        if !parts.iter().all(may_be_absent) {
            return wrong("has an optional part other than a literal, a field or the query");
        }
        // Of two, whoever leaves one out would have the other one unsigned.
        if parts.iter().filter(|part| !is_literal(part)).count() != 1 {
            return wrong(
                "has optional parts that have not one value: make each value optional by itself",
            );
        }
    }
    let whole = [Part::Id, Part::SentAt, Part::Body, Part::BodySha256, Part::SortedForm];
    if scheme.items.is_some() && whole.iter().any(|part| content.contains(part)) {
        return wrong("is that of an item, so it has only fields and constants");
    }
    let in_item = |part: &Part| match part {
        Part::Optional(parts) => parts.iter().all(|part| {
            matches!(part, Part::Literal(_)) || part.as_field().is_some_and(Field::is_in_json)
        }),
        _ => true,
    };
    // Each item would have a copy of it.
    if scheme.items.is_some() && !content.iter().all(in_item) {
        return wrong("has an optional part that is not in the item");
    }
    lint_settings(scheme)
}

/// Whether two parts are one value, by whatever name.
fn is_same<'s>(scheme: &'s Scheme, one: &'s Part, other: &'s Part) -> bool {
    let field = |part: &'s Part| match part {
        Part::Id => scheme.id.as_ref(),
        Part::SentAt => scheme.sent_at.as_ref().map(|sent_at| &sent_at.field),
        part => part.as_field(),
    };
    match (field(one), field(other)) {
        // An id and a time in one place are said as that.
        (Some(at), Some(place)) if [one, other].iter().any(|part| part.as_field().is_some()) => {
            at.is_at(place)
        }
        _ => one == other,
    }
}

/// What belongs to the content, and contradicts it.
fn lint_settings(scheme: &Scheme) -> Result<(), ConfigError> {
    let wrong = |key, problem| Err(ConfigError::Setting { key, problem });
    if scheme.either_port && !scheme.content.contains(&Part::Url) {
        return wrong("either_port", "is set, but the URL is not in the content");
    }
    if let Some(digest) = &scheme.digest {
        if digest.is_in_body() {
            return wrong("digest", "is in the body, so it can't be that of the body");
        }
        if !scheme.signs(digest) {
            return wrong("digest", "is not signed: add the part of the content that it is in");
        }
    }
    if scheme.optional_end.as_ref().is_some_and(|end| !(1..=MAX_LITERAL).contains(&end.len())) {
        return wrong(
            "optional_end",
            "is empty or longer than 255 bytes: leave it out, or shorten it",
        );
    }
    lint_fields(scheme)
}

/// Each field can be one.
fn lint_fields(scheme: &Scheme) -> Result<(), ConfigError> {
    if scheme.event.is_some() && scheme.events().is_empty() {
        let problem = "is the first of no fields: leave it out";
        return Err(ConfigError::Setting { key: "event", problem });
    }
    let keys = [
        ("signature", std::slice::from_ref(&scheme.signature.field)),
        ("id", scheme.id.as_slice()),
        ("event", scheme.events()),
        ("digest", scheme.digest.as_slice()),
        ("identity", scheme.identity.fields()),
    ];
    let sent_at = scheme.sent_at.iter().map(|sent_at| ("sent_at", &sent_at.field));
    let content = Part::leaves(&scheme.content).into_iter().filter_map(Part::as_field);
    let content = content.map(|field| ("content", field));
    let fields = keys.into_iter().flat_map(|(key, fields)| fields.iter().map(move |it| (key, it)));
    for (key, field) in fields.chain(sent_at).chain(content) {
        let problem = match field {
            Field::Query(name) | Field::Form(name) if name.is_empty() => {
                "is in a parameter that has no name"
            }
            Field::FirstOf(_) => {
                "can't be the first of several: only `event` can, and of single ones"
            }
            _ => continue,
        };
        return Err(ConfigError::Setting { key, problem });
    }
    Ok(())
}

/// Why two different requests could have the same content.
fn ambiguity(scheme: &Scheme) -> Option<&'static str> {
    let content = &scheme.content;
    if scheme.optional_end.is_some() {
        return Some(
            "is ambiguous: its optional end may be the end of a value; where the partner leaves no choice, allow `Danger::AmbiguousContent`",
        );
    }
    if content.contains(&Part::SortedForm) {
        return Some(
            "is ambiguous: nothing separates the names and values of a form; where the partner signs one, allow `Danger::AmbiguousContent`",
        );
    }
    if ends_badly(content) {
        return Some(
            "is ambiguous: the body can contain anything, so after it only the time, a digest and constants may come",
        );
    }
    if optional_badly(content) {
        return Some(
            "is ambiguous: an optional part must begin with a literal, unlike whatever may follow it, which is another literal, the URL or the path; and end with one, unless it is the last; or be a value alone",
        );
    }
    let touches = |part: &Part, rest: &[Part]| match (part, rest.first()) {
        (_, None) => false,
        // What follows must not be of its characters.
        (Part::Method, Some(Part::Url | Part::Path)) => false,
        (Part::Method, Some(Part::Literal(text))) => text.bytes().all(is_token),
        (Part::Method, _) => true,
        // An id does not contain the `:` that every such time has.
        (Part::Id, Some(Part::SentAt)) if is_rfc3339(scheme) => false,
        (Part::Id | Part::Query | Part::Field(_), _) => !separated(rest),
        (Part::Optional(parts), _) if is_value(parts) => !separated(rest),
        // It has as many digits as it needs, or an end that can't be missed; literals must not look
        // like more of it.
        (Part::SentAt, Some(Part::Literal(_))) => !separated(rest),
        _ => false,
    };
    let within = |parts: &[Part]| {
        let rest = |at: usize| parts.get(at.saturating_add(1)..).unwrap_or_default();
        parts.iter().enumerate().any(|(at, part)| touches(part, rest(at)))
    };
    let optional = content.iter().any(|part| match part {
        Part::Optional(parts) => within(parts),
        _ => false,
    });
    (optional || within(content)).then_some(
        "is ambiguous: put a separating literal after `Part::Id`, `Part::SentAt` and every other value",
    )
}

/// Whether something stands before whatever comes next: without that, the end of one part could be
/// read as the start of the next.
fn separated(rest: &[Part]) -> bool {
    let separates = |part: &Part| match part {
        Part::Literal(text) => text.bytes().any(|byte| !byte.is_ascii_alphanumeric()),
        _ => false,
    };
    match rest {
        [] => true,
        [Part::Optional(parts), rest @ ..] => {
            parts.first().is_some_and(separates) && separated(rest)
        }
        [part, ..] => separates(part),
    }
}

/// Whether an optional part is a value, which may be empty.
fn is_value(optional: &[Part]) -> bool {
    matches!(optional, [Part::Query | Part::Field(_)])
}

/// Whether a part is one whose bytes a sender may choose.
fn varies(part: &Part) -> bool {
    matches!(part, Part::Id | Part::Query | Part::Field(_) | Part::SortedForm | Part::Optional(_))
}

/// Whether a method can contain this: RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_rfc3339(scheme: &Scheme) -> bool {
    matches!(&scheme.sent_at, Some(SentAt { format: TimeFormat::Rfc3339, .. }))
}

fn ends_badly(content: &[Part]) -> bool {
    let after_body = content.iter().skip_while(|part| **part != Part::Body).skip(1);
    let fixed = |part: &Part| {
        matches!(part, Part::SentAt | Part::BodySha256 | Part::Literal(_) | Part::Url | Part::Path)
    };
    !after_body.into_iter().all(fixed)
}

/// Whether it can't be told if an optional part is there.
fn optional_badly(content: &[Part]) -> bool {
    // What a part begins with, always.
    let beginning = |part: Option<&Part>| match part {
        Some(Part::Literal(text)) => Some(text.to_string()),
        Some(Part::Url) => Some("http".to_owned()),
        Some(Part::Path) => Some("/".to_owned()),
        _ => None,
    };
    // The optional parts that follow each other, and what follows the last of them.
    let mut starts: Vec<String> = Vec::new();
    for (at, part) in content.iter().enumerate() {
        let next = content.get(at.saturating_add(1));
        let Part::Optional(parts) = part else { continue };
        if is_value(parts) {
            continue;
        }
        let ends = next.is_none() || matches!(parts.last(), Some(Part::Literal(_)));
        let Some(start) = beginning(parts.first()).filter(|_| ends) else { return true };
        starts.push(start);
        match next {
            Some(Part::Optional(parts)) if !is_value(parts) => continue,
            None => {}
            next => match beginning(next) {
                Some(start) => starts.push(start),
                None => return true,
            },
        }
        let alike = starts.iter().enumerate().any(|(at, start)| {
            let mut others = starts.iter().enumerate().filter(|(other, _)| *other != at);
            others.any(|(_, other)| other.starts_with(start.as_str()))
        });
        if alike {
            return true;
        }
        starts.clear();
    }
    false
}
