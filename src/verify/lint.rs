//! The schemes that are not safe to build.

use super::content::signs;
use super::place::header_name;
use crate::error::ConfigError;
use crate::scheme::{Danger, Field, Identity, Json, KeyId, Part, Scheme, SentAt, TimeFormat};

mod content;
mod signature;

/// Each is looked for in every request: whoever writes a scheme, a tenant for one, must not decide how many
/// there are.
const MAX_PLACES: usize = 16;

/// Refuses a scheme that would let something unsigned through.
pub(super) fn lint(scheme: &Scheme) -> Result<(), ConfigError> {
    if scheme.deadline.is_zero() {
        return Err(ConfigError::Deadline);
    }
    let status = scheme.answer.status;
    // These have no body: RFC 9110, section 6.4.1.
    let no_body = matches!(status, 204 | 205) && !scheme.answer.body.is_empty();
    if !(200..=299).contains(&status) || no_body {
        return Err(ConfigError::Answer { status });
    }
    if scheme.name.is_empty()
        || scheme.name.len() > 255
        || scheme.name.chars().any(char::is_control)
    {
        return Err(ConfigError::SchemeName);
    }
    if scheme.sent_at.is_none()
        && scheme.tolerance.is_some_and(|tolerance| Some(tolerance) != Scheme::BASE.tolerance)
    {
        return Err(ConfigError::NeedlessTolerance);
    }
    lint_counts(scheme)?;
    content::lint(scheme)?;
    signature::lint(scheme)?;
    lint_headers(scheme)?;
    lint_places(scheme)?;
    lint_body(scheme)?;
    if let Some(SentAt { field, .. }) = &scheme.sent_at
        && !scheme.content.contains(&Part::SentAt)
        && !scheme.covers(field)
    {
        return Err(ConfigError::UncoveredTime);
    }
    lint_identity(scheme)
}

impl Scheme {
    /// All that it names but the event.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        let named = self.id.iter().chain(&self.digest).chain(self.identity.fields());
        let sent_at = self.sent_at.iter().map(|sent_at| &sent_at.field);
        let content = Part::leaves(&self.content).into_iter().filter_map(Part::as_field);
        named.chain(sent_at).chain([&self.signature.field]).chain(content)
    }

    /// Whether any field but the event is so.
    pub(super) fn has_field(&self, is: fn(&Field) -> bool) -> bool {
        self.fields().any(is)
    }

    pub(crate) fn allows(&self, danger: Danger) -> bool {
        self.dangerously_allow.contains(&danger)
    }

    /// Whether the MAC covers every byte of the body.
    pub(crate) fn covers_body(&self) -> bool {
        self.content.iter().any(|part| matches!(part, Part::Body | Part::BodySha256))
            || self.digest.as_ref().is_some_and(|digest| self.signs(digest))
    }

    /// Whether it covers that, or all that a form in it says.
    fn covers_body_or_form(&self) -> bool {
        self.covers_body() || self.content.contains(&Part::SortedForm)
    }

    /// Whether the MAC covers a field: nobody can change what is read there. Where the content is
    /// ambiguous, bytes can be moved from one part to the next one; and a form in two encodings may say
    /// two things.
    fn covers(&self, field: &Field) -> bool {
        !self.allows(Danger::AmbiguousContent) && (self.signs(field) || self.covers_in_body(field))
    }

    fn covers_in_body(&self, field: &Field) -> bool {
        match field {
            field if field.is_in_json() && self.json == Json::Body => self.covers_body(),
            field => field.is_in_body() && self.covers_body() && !self.multipart,
        }
    }

    /// Whether a field is itself a part of the signed content.
    pub(crate) fn signs(&self, field: &Field) -> bool {
        // In an item, a pointer is another one.
        let elsewhere = field.is_in_json() && self.items.is_some();
        let is = |other: &Field| !elsewhere && field.is_at(other);
        self.signs_as_value(field)
            || signs(&self.content, &|part| match part {
                Part::Id => self.id.as_ref().is_some_and(is),
                Part::SentAt => self.sent_at.as_ref().is_some_and(|sent_at| is(&sent_at.field)),
                _ => false,
            })
    }

    /// Whether it is one other than as the id or the time.
    fn signs_as_value(&self, field: &Field) -> bool {
        let elsewhere = field.is_in_json() && self.items.is_some();
        signs(&self.content, &|part| match part {
            Part::Field(other) => !elsewhere && field.is_at(other),
            Part::Query => matches!(field, Field::Query(_)),
            _ => false,
        })
    }
}

fn lint_counts(scheme: &Scheme) -> Result<(), ConfigError> {
    let counts = [
        ("signature", scheme.signature.others.len()),
        ("requires", scheme.requires.len()),
        ("aliases", scheme.aliases.len()),
        ("event", scheme.events().len()),
        ("identity", scheme.identity.fields().len()),
    ];
    match counts.into_iter().find(|(_, count)| *count > MAX_PLACES) {
        Some((key, _)) => Err(ConfigError::Setting { key, problem: "names more than 16 places" }),
        None => Ok(()),
    }
}

/// The body is JSON or a form. The event type, of which nothing depends, may be in either.
fn lint_body(scheme: &Scheme) -> Result<(), ConfigError> {
    let form = scheme.content.contains(&Part::SortedForm)
        || scheme.has_field(|field| matches!(field, Field::Form(_)));
    if scheme.json == Json::Body && form && scheme.has_field(Field::is_in_json) {
        let problem = "is the body, which is a form as well: say which field has the JSON";
        return Err(ConfigError::Setting { key: "json", problem });
    }
    Ok(())
}

/// What each of these says is said in a place of its own. A signature may be the id.
fn lint_places(scheme: &Scheme) -> Result<(), ConfigError> {
    let sent_at = scheme.sent_at.as_ref().map(|sent_at| &sent_at.field);
    let (id, digest) = (scheme.id.as_ref(), scheme.digest.as_ref());
    // In an item, a pointer is another one.
    let signature = Some(&scheme.signature.field).filter(|_| scheme.items.is_none());
    let alike = |one: Option<&Field>, other: Option<&Field>| {
        one.zip(other).is_some_and(|(one, other)| one.is_at(other))
    };
    if let Some(SentAt { field: Field::Integer(_), format: TimeFormat::Rfc3339 }) = &scheme.sent_at
    {
        let problem = "is a number, which a time of RFC 3339 never is: it is a pointer, or has another format";
        return Err(ConfigError::Setting { key: "sent_at", problem });
    }
    let problem = "is where the signature, the id or the time is: each has a place of its own";
    if alike(sent_at, id) || alike(sent_at, signature) {
        return Err(ConfigError::Setting { key: "sent_at", problem });
    }
    if [signature, id, sent_at].into_iter().any(|other| alike(digest, other)) {
        return Err(ConfigError::Setting { key: "digest", problem });
    }
    Ok(())
}

/// Each header is looked for once, so it can't mean two things.
fn lint_headers(scheme: &Scheme) -> Result<(), ConfigError> {
    let header = |field: &Field| match field {
        Field::Header(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    let sent_at = scheme.sent_at.as_ref().map(|sent_at| &sent_at.field);
    let fields = [Some(&scheme.signature.field), scheme.id.as_ref(), sent_at];
    let mut names: Vec<String> = fields.into_iter().flatten().filter_map(header).collect();
    names.extend(scheme.signature.others.iter().map(|name| name.to_ascii_lowercase()));
    if let Some(KeyId::Header(name)) = &scheme.key_id {
        names.push(name.to_ascii_lowercase());
    }
    names.extend(scheme.requires.iter().map(|(name, _)| name.to_ascii_lowercase()));
    // What is signed may be the id as well, so it is there twice; but under no other name.
    let values: Vec<String> = scheme.fields().chain(scheme.events()).filter_map(header).collect();
    let mut aliased = Vec::new();
    for (name, other) in scheme.aliases.iter() {
        for name in [name, other] {
            header_name(name)?;
        }
        let (name, other) = (name.to_ascii_lowercase(), other.to_ascii_lowercase());
        if aliased.contains(&name) {
            return Err(ConfigError::Alias { name });
        }
        // A scheme that is built upon another one may not use all of its headers.
        let is_used = names.contains(&name) || values.contains(&name);
        if is_used && values.contains(&other) {
            return Err(ConfigError::HeaderTwice { header: other });
        }
        if is_used {
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
    // As the time it is left out of the content that counts, and only as that.
    let time_in_content = scheme.sent_at.as_ref().is_some_and(|SentAt { field, .. }| {
        field.is_in_body() && scheme.covers_body_or_form() || scheme.signs_as_value(field)
    });
    match &scheme.identity {
        Identity::Fields(fields) if fields.is_empty() => {
            wrong("`Fields` is empty; name at least one signed field")
        }
        Identity::Fields(fields)
            if scheme
                .sent_at
                .as_ref()
                .is_some_and(|sent_at| fields.iter().any(|field| field.is_at(&sent_at.field))) =>
        {
            wrong("has the time of the attempt among its fields, so no retry would be a duplicate")
        }
        Identity::Fields(fields) if any_two(fields.iter(), Field::is_at) => {
            wrong("has a field twice; once is enough")
        }
        Identity::Fields(fields) => match fields.iter().find(|field| !scheme.covers(field)) {
            Some(field) => Err(ConfigError::UncoveredIdentity { field: name_of(field) }),
            None => Ok(()),
        },
        Identity::Content | Identity::IdAndContent if time_in_content => wrong(
            "is the content, but that has the time, which is new at each attempt, so no retry would be a duplicate: sign it as `Part::SentAt`; where it is in the body use `Fields`, or `UnsignedId` if no id is signed",
        ),
        Identity::IdAndContent | Identity::UnsignedId if scheme.id.is_none() => {
            wrong("needs an `id`, which the scheme does not have")
        }
        Identity::IdAndContent | Identity::UnsignedId
            if scheme.allows(Danger::AmbiguousContent)
                && scheme.id.as_ref().is_some_and(|id| {
                    scheme.signs(id) || id.is_in_body() && scheme.covers_body_or_form()
                }) =>
        {
            wrong("has an id that is signed, and bytes can be moved into it: say `Content`")
        }
        // Signed is the text, which a string and a number may have, and only one of them is the id.
        Identity::IdAndContent
            if scheme
                .id
                .as_ref()
                .is_some_and(|id| id.is_in_json() && scheme.signs(id) && !scheme.covers_body()) =>
        {
            wrong(
                "has an id in JSON that is signed as a text, of which a string or a number could be made: say `Content`, or `Fields` with the id",
            )
        }
        // In the other encoding it would be another one, or none.
        Identity::IdAndContent | Identity::UnsignedId
            if scheme.multipart
                && scheme.covers_body()
                && scheme.id.as_ref().is_some_and(|id| id.is_in_body() && !scheme.covers(id)) =>
        {
            wrong(
                "has an id in a form of two encodings, of which nothing signed says which: say `Content`",
            )
        }
        Identity::Content if !signs(&scheme.content, &tells_apart) => wrong(
            "is the content, but nothing in that tells two deliveries apart: all but the first would be duplicates",
        ),
        Identity::IdAndContent if !signs(&scheme.content, &tells_apart) => wrong(
            "is the id and the content, but nothing in that tells two deliveries apart: say `UnsignedId`, which is all that it is",
        ),
        _ => Ok(()),
    }
}

/// Whether any two of them are alike.
fn any_two<T: Copy>(
    mut all: impl Iterator<Item = T> + Clone,
    alike: impl Fn(T, T) -> bool,
) -> bool {
    while let Some(one) = all.next() {
        if all.clone().any(|other| alike(one, other)) {
            return true;
        }
    }
    false
}

/// Whether the value of a header can begin with this.
fn begins_value(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && !text.starts_with(' ')
}

/// Whether a part differs from one delivery to the next.
fn tells_apart(part: &Part) -> bool {
    matches!(
        part,
        Part::Body | Part::BodySha256 | Part::Id | Part::Query | Part::Field(_) | Part::SortedForm
    )
}

/// What a message calls a field.
fn name_of(field: &Field) -> String {
    match field {
        Field::Header(name)
        | Field::Pointer(name)
        | Field::Integer(name)
        | Field::Parameter(name)
        | Field::Query(name)
        | Field::Form(name) => name.to_string(),
        Field::Entry(entry) => format!("entry {entry}"),
        Field::FirstOf(_) => "the first of several".into(),
    }
}
