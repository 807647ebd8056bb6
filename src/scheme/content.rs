//! What is signed, and where values are in a request.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A piece of the signed content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// The raw body.
    Body,
    /// The SHA-256 of the raw body, as 64 lower-case hexadecimal digits.
    BodySha256,
    /// The value that [`Scheme::id`](super::Scheme::id) names.
    Id,
    /// The text that [`Scheme::sent_at`](super::Scheme::sent_at) names.
    SentAt,
    /// Constant text, such as the dots in `id.timestamp.body`.
    Literal(Cow<'static, str>),
    /// The request's method, in capitals.
    Method,
    /// The endpoint's public URL, exactly as it is given to
    /// [`VerifierBuilder::url`](crate::verify::VerifierBuilder::url); without its query where
    /// [`Part::Query`] is in the content too. It never comes from the request: a proxy may have
    /// changed `Host`, and so may anyone. Nor are the request's own path and query compared with it,
    /// so a handler must not read anything from them.
    Url,
    /// The path of that URL, with its leading slash.
    Path,
    /// The request's own query as it arrived, without the question mark. Missing counts as absent.
    Query,
    /// Any other value. In JSON it is a text, a boolean, or a whole number of up to 64 bits, which are
    /// signed as they are written; `null` counts as absent.
    Field(Field),
    /// The parameters of the form in the body, decoded and sorted by name, each as its name and its
    /// value without anything between. Of equal ones only the first is signed.
    SortedForm,
    /// A value and the literals around it, of which nothing is signed if the value is absent or empty.
    /// They begin with a literal, and end with one unless they are the last; or there is only the
    /// value, which may then be empty.
    Optional(Cow<'static, [Part]>),
}

impl Part {
    /// The parts, and what the optional ones consist of.
    pub(crate) fn leaves<'p>(parts: &'p [Part]) -> Vec<&'p Part> {
        let within = |part: &'p Part| match part {
            Part::Optional(parts) => Part::leaves(parts),
            part => vec![part],
        };
        parts.iter().flat_map(within).collect()
    }

    /// The value, if it is one of those that have no name of their own.
    pub(crate) fn as_field(&self) -> Option<&Field> {
        match self {
            Part::Field(field) => Some(field),
            _ => None,
        }
    }
}

/// Where a value is in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Field {
    /// A header, by its name in any case.
    Header(Cow<'static, str>),
    /// A string in the JSON, or for a time a number as well, by its JSON pointer
    /// ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)). Read only after the MAC holds, unless
    /// it is itself signed or the signature; where a key is repeated the last one counts, as in
    /// serde_json. [`Scheme::json`](super::Scheme::json) says where the JSON is.
    Pointer(Cow<'static, str>),
    /// A whole number in the JSON that is not negative, by its JSON pointer, and nothing else.
    Integer(Cow<'static, str>),
    /// A parameter of the signature header, where that is a list: `t` in `t=1492774577,v1=…`. Only
    /// for [`Scheme::sent_at`](super::Scheme::sent_at). It must be there exactly once, at any place
    /// in the list.
    Parameter(Cow<'static, str>),
    /// An entry of the signature header that has no name, where that is a list: 0 is the time in
    /// `1492774577000,<signature>`. Only for [`Scheme::sent_at`](super::Scheme::sent_at).
    Entry(usize),
    /// A parameter of the request's query, decoded. Twice it is refused where it is signed, and elsewhere
    /// counts as missing.
    Query(Cow<'static, str>),
    /// A parameter of the form in the body, decoded. Twice as in [`Field::Query`].
    Form(Cow<'static, str>),
    /// The first of these that is there, of at most 16; what is signed belongs before what is not. Only for
    /// [`Scheme::event`](super::Scheme::event).
    FirstOf(Cow<'static, [Field]>),
}

impl Field {
    /// A header, in a constant.
    pub const fn header(name: &'static str) -> Field {
        Field::Header(Cow::Borrowed(name))
    }

    /// A JSON pointer, in a constant.
    pub const fn pointer(pointer: &'static str) -> Field {
        Field::Pointer(Cow::Borrowed(pointer))
    }

    /// A parameter of the signature header, in a constant.
    pub const fn parameter(name: &'static str) -> Field {
        Field::Parameter(Cow::Borrowed(name))
    }

    /// A parameter of the query, in a constant.
    pub const fn query(name: &'static str) -> Field {
        Field::Query(Cow::Borrowed(name))
    }

    /// A parameter of a form, in a constant.
    pub const fn form(name: &'static str) -> Field {
        Field::Form(Cow::Borrowed(name))
    }

    /// Whether two fields are the same one: headers are, in any case.
    pub(crate) fn is(&self, other: &Field) -> bool {
        match (self, other) {
            (Field::Header(name), Field::Header(other)) => name.eq_ignore_ascii_case(other),
            _ => self == other,
        }
    }

    /// Whether two fields are in one place, whatever is expected there.
    pub(crate) fn is_at(&self, other: &Field) -> bool {
        match (self, other) {
            (
                Field::Pointer(pointer) | Field::Integer(pointer),
                Field::Pointer(other) | Field::Integer(other),
            ) => pointer == other,
            _ => self.is(other),
        }
    }

    /// Whether it is in JSON.
    pub(crate) fn is_in_json(&self) -> bool {
        matches!(self, Field::Pointer(_) | Field::Integer(_))
    }

    /// Whether it is in the body, as JSON or in a form.
    pub(crate) fn is_in_body(&self) -> bool {
        self.is_in_json() || matches!(self, Field::Form(_))
    }

    /// The name, if it is a header.
    pub fn as_header(&self) -> Option<&str> {
        match self {
            Field::Header(name) => Some(name),
            _ => None,
        }
    }
}

/// Where the JSON is that pointers point into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Json {
    /// It is the body.
    Body,
    /// It is a parameter of the form in the body.
    Form(Cow<'static, str>),
}

/// What no safe scheme has, and a partner's may leave no choice about. Each has to be allowed by
/// name, in [`Scheme::dangerously_allow`](super::Scheme::dangerously_allow).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Danger {
    /// The MAC covers neither the body nor a digest of it, only some fields. Whoever captures one
    /// request can send its signature with any other body: believe nothing but the signed fields,
    /// and fetch the rest from the partner.
    UnsignedBody,
    /// Signed values touch, or may contain what separates them. Whoever captures a request can move
    /// characters from one value to the next one, and with values on both sides of the body, make that
    /// any part of all that was signed. That is no new delivery where the identity is the content, of
    /// which all counts as one; so the identity can't be `Fields`, nor have an id that is signed. The
    /// time, if any, is the first or the last of what varies, and so is a digest of the body, or the
    /// body counts as unsigned.
    AmbiguousContent,
    /// Each of the [items](super::Scheme::items) is signed alone. Whoever captures requests can put
    /// their items together in another way, and that is a new delivery.
    LooseItems,
}
