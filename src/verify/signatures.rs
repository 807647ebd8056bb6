//! The signatures of a request: found, counted, told apart. Nothing here is trusted yet.

use http::{HeaderMap, HeaderName};

use super::mac::{Tag, encoded_len};
use super::place::{Header, Place, header_name};
use super::rejection::Rejection;
use crate::error::ConfigError;
use crate::scheme::{Encoding, Field, KeyId, Layout, Scheme, SentAt, TimeFormat};

/// How many signatures of one request are compared.
pub(crate) const MAX_CANDIDATES: usize = 16;
/// The longest list of them in bytes: so many of the longest kind take half of it. It is gone through for each
/// secret, so a long one would cost more than the MAC does.
const MAX_LIST: usize = 4 << 10;

/// Where the signatures are and how they are written, prepared.
#[derive(Debug)]
pub(crate) struct SignatureSpec {
    place: Place,
    /// The headers to look into, where it is not just the one.
    headers: Option<Vec<HeaderName>>,
    /// Whether each of them may be there several times.
    repeated: bool,
    prefix: Box<[u8]>,
    /// What stands between the key's label and the signature.
    label_end: Option<u8>,
    /// How long a signature is without its prefix.
    length: usize,
    list: Option<List>,
    /// The signed time, where it is an entry of the list.
    time: Option<(TimeEntry, TimeFormat)>,
    encoding: Encoding,
}

/// How the entries of a list are separated.
#[derive(Debug, Clone, Copy)]
struct List {
    separator: u8,
    /// Whether a space may follow the separator.
    spaced: bool,
    /// Whether a space separates several lists.
    several: bool,
}

#[derive(Debug)]
enum TimeEntry {
    /// What it begins with.
    Parameter(Box<[u8]>),
    At(usize),
}

/// The signatures of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signatures<'h> {
    /// The usual case, without its prefix.
    One(&'h [u8]),
    /// A list, as a whole.
    List(&'h [u8]),
    /// In several headers of these.
    Several(&'h HeaderMap),
    /// Not in a header.
    Elsewhere,
}

/// What is wrong with a signature's text.
pub(crate) enum Malformed {
    Text,
    TooMany,
}

impl Malformed {
    pub(crate) fn in_header(self, header: &HeaderName) -> Rejection {
        let header = header.clone();
        match self {
            Self::Text => Rejection::MalformedHeader { header },
            Self::TooMany => Rejection::TooManySignatures { header, max: MAX_CANDIDATES },
        }
    }
}

impl SignatureSpec {
    /// `place` is the prepared place of the scheme's signature.
    pub(crate) fn prepare(scheme: &Scheme, place: Place) -> Result<Self, ConfigError> {
        let signature = &scheme.signature;
        let list = |separator, spaced, several| {
            let separator = u8::try_from(separator).map_err(|_| ConfigError::Separator)?;
            Ok(Some(List { separator, spaced, several }))
        };
        let time = scheme.sent_at.as_ref().and_then(|SentAt { field, format }| match field {
            Field::Parameter(name) => {
                Some((TimeEntry::Parameter(format!("{name}=").into_bytes().into()), *format))
            }
            Field::Entry(entry) => Some((TimeEntry::At(*entry), *format)),
            _ => None,
        });
        let headers = match (&signature.field, signature.layout) {
            (Field::Header(name), Layout::Numbered) => {
                let numbered = |number| header_name(&format!("{name}{number}"));
                Some((1..=MAX_CANDIDATES).map(numbered).collect::<Result<_, _>>()?)
            }
            (Field::Header(name), layout)
                if layout == Layout::Repeated || !signature.others.is_empty() =>
            {
                let names = [name].into_iter().chain(signature.others.iter());
                Some(names.map(|name| header_name(name)).collect::<Result<_, _>>()?)
            }
            _ => None,
        };
        Ok(Self {
            place,
            headers,
            repeated: signature.layout == Layout::Repeated,
            prefix: signature.prefix.as_bytes().into(),
            label_end: match scheme.key_id {
                Some(KeyId::Prefix(end)) => {
                    Some(u8::try_from(end).map_err(|_| ConfigError::Separator)?)
                }
                _ => None,
            },
            length: encoded_len(scheme.algorithm, signature.encoding),
            list: match signature.layout {
                Layout::Single | Layout::Repeated | Layout::Numbered => None,
                Layout::List(separator) => list(separator, false, false)?,
                Layout::SpacedList(separator) => list(separator, true, false)?,
                Layout::Lists(separator) => list(separator, false, true)?,
            },
            time,
            encoding: signature.encoding,
        })
    }

    /// The header that must be there exactly once.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.place.as_header().filter(|_| self.headers.is_none())
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The signatures in the headers. `value` is that of [`header`](Self::header).
    pub(crate) fn read<'h>(
        &self,
        value: Option<&'h [u8]>,
        headers: &'h HeaderMap,
    ) -> Result<Signatures<'h>, Rejection> {
        let Place::Header(header) = &self.place else { return Ok(Signatures::Elsewhere) };
        if let Some(names) = &self.headers {
            return self.read_many(header, names, headers);
        }
        let value = value.ok_or_else(|| header.missing())?;
        self.parse(value).map_err(|malformed| malformed.in_header(&header.name))
    }

    fn read_many<'h>(
        &self,
        header: &Header,
        names: &[HeaderName],
        headers: &'h HeaderMap,
    ) -> Result<Signatures<'h>, Rejection> {
        let (mut found, mut count) = (false, 0usize);
        for name in names {
            for (at, value) in headers.get_all(name).iter().enumerate() {
                if at > 0 && !self.repeated {
                    return Err(Rejection::RepeatedHeader { header: name.clone() });
                }
                let value = value.as_bytes();
                let in_header = |malformed: Malformed| malformed.in_header(name);
                let signatures = self.parse(value).map_err(in_header)?;
                count = count.saturating_add(self.candidates(signatures, None).count());
                if count > MAX_CANDIDATES {
                    return Err(in_header(Malformed::TooMany));
                }
                found = true;
            }
        }
        if found { Ok(Signatures::Several(headers)) } else { Err(header.missing()) }
    }

    /// The signatures in a text.
    pub(crate) fn parse<'h>(&self, text: &'h [u8]) -> Result<Signatures<'h>, Malformed> {
        // A value as long as one signature has no room for two, and is what most requests have. With a
        // label before it, which has any length, it may.
        let single = self.label_end.is_none() || self.list.is_none();
        if let Some(candidate) = text.strip_prefix(&*self.prefix)
            && single
            && self.fits(candidate)
        {
            return Ok(Signatures::One(candidate));
        }
        let list = self.list.ok_or(Malformed::Text)?;
        if text.len() > MAX_LIST {
            return Err(Malformed::TooMany);
        }
        let mut count = 0usize;
        for entry in list.entries(text) {
            match entry.strip_prefix(&*self.prefix) {
                Some(candidate) if self.fits(candidate) => count = count.saturating_add(1),
                // Another version, or a signature that can't be one.
                _ if !entry.is_empty() && is_graphic(entry) => {}
                _ => return Err(Malformed::Text),
            }
        }
        match count {
            0 => Err(Malformed::Text),
            1..=MAX_CANDIDATES => Ok(Signatures::List(text)),
            _ => Err(Malformed::TooMany),
        }
    }

    /// Whether this may be a signature, by its length.
    fn fits(&self, candidate: &[u8]) -> bool {
        match self.label_end {
            None => candidate.len() == self.length,
            Some(end) => candidate
                .len()
                .checked_sub(self.length.saturating_add(1))
                .is_some_and(|at| candidate.get(at) == Some(&end)),
        }
    }

    /// The signatures of the version that is understood, without their prefix: those that the key with
    /// this label made, where they say which.
    fn candidates<'h, 's>(
        &'s self,
        signatures: Signatures<'h>,
        label: Option<&'s [u8]>,
    ) -> impl Iterator<Item = &'h [u8]> + use<'h, 's> {
        let (one, text, headers) = match signatures {
            Signatures::One(candidate) => (Some(candidate), None, None),
            Signatures::List(text) => (None, Some(text), None),
            Signatures::Several(headers) => (None, None, Some(headers)),
            Signatures::Elsewhere => (None, None, None),
        };
        let several = headers.into_iter().flat_map(|headers| {
            let names = self.headers.iter().flatten();
            names.flat_map(|name| headers.get_all(name)).map(|value| value.as_bytes())
        });
        let listed = text.into_iter().chain(several).flat_map(|text| match self.list {
            Some(list) => Entries::List(list.entries(text)),
            None => Entries::One(Some(text)),
        });
        let listed = listed.filter_map(|entry| entry.strip_prefix(&*self.prefix));
        one.into_iter().chain(listed).filter_map(move |candidate| match (self.label_end, label) {
            (Some(end), Some(label)) => candidate.strip_prefix(label)?.strip_prefix(&[end]),
            _ => Some(candidate),
        })
    }

    /// Whether one of them is this tag.
    pub(crate) fn has(&self, tag: &Tag, signatures: Signatures<'_>, label: &[u8]) -> bool {
        match signatures {
            // The usual case.
            Signatures::One(candidate) if self.label_end.is_none() => {
                tag.matches_any(std::iter::once(candidate), self.encoding)
            }
            _ => tag.matches_any(self.candidates(signatures, Some(label)), self.encoding),
        }
    }

    /// The signed time among the entries. Of two that differ, nobody could say which one the partner
    /// meant; where there are several lists each may have the same one.
    pub(crate) fn time<'h>(&self, signatures: Signatures<'h>) -> Option<(&'h [u8], TimeFormat)> {
        let ((entry, format), list) = (self.time.as_ref()?, self.list?);
        let Signatures::List(text) = signatures else { return None };
        let time = match entry {
            TimeEntry::At(entry) => list.entries(text).nth(*entry)?,
            TimeEntry::Parameter(start) => {
                let mut found = list.entries(text).filter_map(|entry| entry.strip_prefix(&**start));
                let time = found.next()?;
                if found.any(|other| !list.several || other != time) {
                    return None;
                }
                time
            }
        };
        Some((time, *format))
    }

    pub(crate) fn has_time(&self) -> bool {
        self.time.is_some()
    }
}

impl List {
    fn entries(self, text: &[u8]) -> impl Iterator<Item = &[u8]> + use<'_> {
        let separates = move |byte: &u8| *byte == self.separator || (self.several && *byte == b' ');
        text.split(separates).enumerate().map(move |(at, entry)| {
            let follows_space = self.spaced && at > 0;
            entry.strip_prefix(b" ").filter(|_| follows_space).unwrap_or(entry)
        })
    }
}

/// The entries of a list, or a text that is none.
enum Entries<'h, I> {
    List(I),
    One(Option<&'h [u8]>),
}

impl<'h, I: Iterator<Item = &'h [u8]>> Iterator for Entries<'h, I> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        match self {
            Self::List(entries) => entries.next(),
            Self::One(text) => text.take(),
        }
    }
}

/// Visible ASCII without spaces.
pub(crate) fn is_graphic(text: &[u8]) -> bool {
    all(text, u8::is_ascii_graphic)
}

/// Like the iterator's `all`, which stops early and so is never vectorised: sixteen bytes at a time,
/// and the last sixteen once more in place of a rest.
pub(crate) fn all(text: &[u8], is: impl Fn(&u8) -> bool) -> bool {
    let each = |text: &[u8]| text.iter().fold(true, |all, byte| all & is(byte));
    match text.last_chunk::<16>() {
        Some(last) => text.as_chunks::<16>().0.iter().all(|chunk| each(chunk)) && each(last),
        None => each(text),
    }
}
