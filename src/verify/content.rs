//! The signed content of a scheme, prepared: what is constant, and what each request has to be asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use memchr::memmem;

use super::place::Place;
use super::url::{PublicUrl, base};
use crate::error::ConfigError;
use crate::pointer::{Path, Pointers};
use crate::scheme::{Danger, Field, Part, Scheme};

/// A part of the signed content.
#[derive(Debug)]
pub(crate) enum Piece {
    Body,
    /// The id, where it is in a header.
    Id,
    /// The time, where it is in a header.
    SentAt,
    Literal(Box<[u8]>),
    /// Worked out for each request. Boxed, so that the pieces of most schemes are small.
    Value(Box<Value>),
}

/// What has to be worked out, before the MAC holds.
#[derive(Debug)]
pub(crate) enum Value {
    BodySha256,
    Method,
    /// It can't contain what may follow.
    Query {
        ends: Ends,
    },
    /// Nor can this.
    Field {
        place: Place,
        ends: Ends,
    },
    /// The time, where it is not in a header. It has no characters that separate.
    SentAt(Place),
    SortedForm,
    Optional(Vec<Piece>),
}

/// What a scheme needs of an unproved request, prepared.
#[derive(Debug)]
pub(crate) struct Unproved {
    pub(crate) pointers: Pointers,
    /// The array of which each item is signed.
    pub(crate) items: Option<Path>,
}

/// The content for each spelling of the URL. Pointers in it are collected in `pointers`.
pub(crate) fn prepare(
    scheme: &Scheme,
    url: Option<&PublicUrl>,
    pointers: &mut Vec<Arc<str>>,
) -> Result<Vec<Vec<Piece>>, ConfigError> {
    let signs_url = signs(&scheme.content, &|part| matches!(part, Part::Url | Part::Path));
    let spellings = match url {
        Some(url) => url.spellings.iter().map(|text| Some((text.as_str(), &*url.path))).collect(),
        None if signs_url => return Err(ConfigError::MissingUrl),
        None => vec![None],
    };
    let count = if signs_url { spellings.len() } else { 1 };
    let urls = spellings.into_iter().take(count);
    urls.map(|url| pieces(scheme, &scheme.content, &[], url, pointers)).collect()
}

/// Whether any part, or a part of an optional one, is so.
pub(crate) fn signs(parts: &[Part], is: &dyn Fn(&Part) -> bool) -> bool {
    Part::leaves(parts).into_iter().any(is)
}

/// `after` is what follows the parts.
fn pieces(
    scheme: &Scheme,
    parts: &[Part],
    after: &[Part],
    url: Option<(&str, &str)>,
    pointers: &mut Vec<Arc<str>>,
) -> Result<Vec<Piece>, ConfigError> {
    let with_query = signs(&scheme.content, &|part| matches!(part, Part::Query));
    let literal = |text: &str| Piece::Literal(text.as_bytes().into());
    let value = |value| Piece::Value(Box::new(value));
    let field = |field: &Field, ends, pointers: &mut Vec<Arc<str>>| {
        let place = Place::prepare(scheme, field, pointers)?;
        Ok::<_, ConfigError>(value(Value::Field { place, ends }))
    };
    let mut pieces_of = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        let rest = parts.get(at.saturating_add(1)..).unwrap_or_default();
        let ends = || Ends::of(scheme, part, rest.iter().chain(after));
        pieces_of.push(match (part, &scheme.id, &scheme.sent_at) {
            (Part::Body, ..) => Piece::Body,
            (Part::BodySha256, ..) => value(Value::BodySha256),
            (Part::Id, Some(id), _) if !matches!(id, Field::Header(_)) => {
                field(id, ends(), pointers)?
            }
            (Part::Id, ..) => Piece::Id,
            (Part::SentAt, _, Some(sent_at)) => match &sent_at.field {
                Field::Header(_) | Field::Parameter(_) | Field::Entry(_) => Piece::SentAt,
                elsewhere => value(Value::SentAt(Place::prepare(scheme, elsewhere, pointers)?)),
            },
            (Part::SentAt, ..) => Piece::SentAt,
            (Part::Literal(text), ..) => literal(text),
            (Part::Method, ..) => value(Value::Method),
            (Part::Url, ..) => {
                let url = url.map(|(url, _)| if with_query { base(url) } else { url });
                literal(url.unwrap_or_default())
            }
            (Part::Path, ..) => literal(url.map(|(_, path)| path).unwrap_or_default()),
            (Part::Query, ..) => value(Value::Query { ends: ends() }),
            (Part::Field(other), ..) => field(other, ends(), pointers)?,
            (Part::SortedForm, ..) => value(Value::SortedForm),
            (Part::Optional(parts), ..) => {
                value(Value::Optional(pieces(scheme, parts, rest, url, pointers)?))
            }
        });
    }
    Ok(pieces_of)
}

/// What may follow a value and separates it from what comes next. None of it may begin in the value:
/// then that could be read as a shorter one.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    whole: Vec<Box<[u8]>>,
    /// How they may begin at the end of the value, and go on in whichever follows it.
    begun: Vec<Box<[u8]>>,
}

impl Ends {
    /// Those of the id, where that is in a header.
    pub(crate) fn of_id(scheme: &Scheme) -> Self {
        let mut parts = scheme.content.iter().skip_while(|part| **part != Part::Id);
        parts.next().map(|id| Self::of(scheme, id, parts)).unwrap_or_default()
    }

    fn of<'p>(scheme: &Scheme, value: &Part, rest: impl Iterator<Item = &'p Part>) -> Self {
        let mut ends: Vec<Box<[u8]>> = Vec::new();
        if scheme.allows(Danger::AmbiguousContent) {
            return Self::default();
        }
        for next in rest {
            // What may be absent is followed by what is behind it.
            let (begins, is_last) = match next {
                Part::Optional(parts) => (parts.first(), false),
                next => (Some(next), true),
            };
            match begins {
                Some(Part::Literal(text)) => ends.push(text.as_bytes().into()),
                // Every such time has one, and an id that touches it has none.
                Some(Part::SentAt) if *value == Part::Id => ends.push(b":".as_slice().into()),
                _ => break,
            }
            if is_last {
                break;
            }
        }
        let goes_on = |rest: &[u8]| {
            // Where one of them is shorter, nobody knows what comes behind it.
            ends.iter().any(|next| rest.starts_with(next) || next.starts_with(rest))
        };
        let halves = ends.iter().flat_map(|end| (1..end.len()).map(|at| end.split_at(at)));
        let begun: BTreeSet<Box<[u8]>> =
            halves.filter(|(_, rest)| goes_on(rest)).map(|(begun, _)| begun.into()).collect();
        Self { begun: begun.into_iter().collect(), whole: ends }
    }

    /// The end, if there is one of one byte.
    pub(crate) fn as_byte(&self) -> Option<u8> {
        match self.whole.as_slice() {
            [end] => <[u8; 1]>::try_from(&**end).ok().map(|[byte]| byte),
            _ => None,
        }
    }

    /// Whether one of them begins within the value, and goes on in whichever follows it.
    pub(crate) fn begin_within(&self, value: &[u8]) -> bool {
        self.whole.iter().any(|end| memmem::find(value, end).is_some())
            || self.begun.iter().any(|begun| value.ends_with(begun))
    }
}

/// Whether the time touches a part that varies.
pub(crate) fn time_touches(parts: &[Part]) -> bool {
    let constant = |part: &Part| match part {
        // Digits could be taken for the time's.
        Part::Literal(text) => text.bytes().any(|byte| !byte.is_ascii_digit()),
        Part::Url | Part::Path => true,
        _ => false,
    };
    let mut pairs = parts.iter().zip(parts.iter().skip(1));
    pairs.any(|(part, next)| {
        (*part == Part::SentAt && !constant(next)) || (*next == Part::SentAt && !constant(part))
    })
}
