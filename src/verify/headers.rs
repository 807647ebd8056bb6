//! The headers of a request, before its body is touched. Nothing here is trusted yet.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::rejection::Rejection;
use super::source::{MAX_ID, Source};
use crate::scheme::Part;
use crate::timestamp;

/// How many signatures of one request are compared.
const MAX_CANDIDATES: usize = 16;

/// What the headers say: well-formed, but not yet proved.
#[derive(Debug)]
pub(crate) struct Envelope<'h> {
    /// The header's whole value: [`Source::candidates`] takes it apart.
    pub(crate) signature: &'h [u8],
    /// What separates its entries; `None` where there is but one.
    separator: Option<u8>,
    /// The id, where it is in a header; empty where that is missing.
    pub(crate) id: &'h [u8],
    pub(crate) time: &'h [u8],
    pub(crate) sent_at: Option<SystemTime>,
}

/// A header and the other name it may have.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) alias: Option<HeaderName>,
}

impl Header {
    pub(crate) fn malformed(&self) -> Rejection {
        Rejection::MalformedHeader { header: self.name.clone() }
    }

    fn missing(&self) -> Rejection {
        Rejection::MissingHeader { header: self.name.clone() }
    }

    fn repeated(&self) -> Rejection {
        Rejection::RepeatedHeader { header: self.name.clone() }
    }
}

/// The headers that decide, looked for in one pass over all headers.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The signature, the id and the time.
    headers: [Option<Header>; 3],
    /// Their names and their other names, and whose each is.
    names: Vec<(HeaderName, usize, usize)>,
    /// The marks of the wanted names: most other headers have another one.
    marks: u64,
}

impl Wanted {
    pub(crate) fn new(signature: Header, id: Option<Header>, time: Option<Header>) -> Self {
        let headers = [Some(signature), id, time];
        let named = headers.iter().enumerate();
        let named = named.filter_map(|(whose, header)| Some((whose, header.as_ref()?)));
        let mut names: Vec<(HeaderName, usize, usize)> =
            named.clone().map(|(whose, header)| (header.name.clone(), whose, 0)).collect();
        // Second names are rare, so they are compared last.
        names.extend(named.filter_map(|(whose, header)| Some((header.alias.clone()?, whose, 1))));
        let marks = names.iter().fold(0, |marks, (name, ..)| marks | mark(name));
        Self { headers, names, marks }
    }

    /// The one value of each. Under two names it must be the same; twice under one it never counts.
    fn find<'h>(&self, headers: &'h HeaderMap) -> Result<[Option<&'h [u8]>; 3], Rejection> {
        let mut found = [[None; 2]; 3];
        for (name, value) in headers {
            if self.marks & mark(name) == 0 {
                continue;
            }
            let Some((_, whose, which)) = self.names.iter().find(|(wanted, ..)| wanted == name)
            else {
                continue;
            };
            let slot = found.get_mut(*whose).and_then(|slots| slots.get_mut(*which));
            if slot.is_some_and(|slot| slot.replace(value.as_bytes()).is_some()) {
                return Err(self.repeated(*whose));
            }
        }
        for (whose, [name, alias]) in found.iter().enumerate() {
            if name.is_some() && alias.is_some() && name != alias {
                return Err(self.repeated(whose));
            }
        }
        Ok(found.map(|[name, alias]| name.or(alias)))
    }

    fn repeated(&self, whose: usize) -> Rejection {
        let header = self.headers.get(whose).and_then(Option::as_ref);
        header.map_or(Rejection::WrongSignature, Header::repeated)
    }
}

/// One of 64 marks, by the name's length and first letter.
fn mark(name: &HeaderName) -> u64 {
    let name = name.as_str().as_bytes();
    let first = name.first().copied().map(usize::from).unwrap_or_default();
    1u64.rotate_left(u32::try_from(name.len().wrapping_add(first) % 64).unwrap_or_default())
}

impl Source {
    /// Reads the headers that the scheme names and refuses what can't be right.
    pub(crate) fn read<'h>(
        &self,
        headers: &'h HeaderMap,
        now: SystemTime,
    ) -> Result<Envelope<'h>, Rejection> {
        let [signature, id, time] = self.wanted.find(headers)?;
        let (signature, separator) = self.read_signatures(signature)?;
        let mut envelope = Envelope { signature, separator, id: &[], time: &[], sent_at: None };
        if let Some(header) = self.id_header() {
            envelope.id = self.read_id(header, id)?;
        }
        if let Some((header, format)) = self.sent_at_header() {
            envelope.time = time.ok_or_else(|| header.missing())?;
            let sent_at = timestamp::parse(format, envelope.time);
            envelope.sent_at = Some(self.judge(sent_at.ok_or_else(|| header.malformed())?, now)?);
        }
        Ok(envelope)
    }

    /// The signatures of the version that is understood, without their prefix.
    pub(crate) fn candidates<'h>(
        &self,
        envelope: &Envelope<'h>,
    ) -> impl Iterator<Item = &'h [u8]> + use<'_, 'h> {
        entries(envelope.signature, envelope.separator)
            .filter_map(|entry| entry.strip_prefix(&*self.signature.prefix))
    }

    fn read_signatures<'h>(
        &self,
        value: Option<&'h [u8]>,
    ) -> Result<(&'h [u8], Option<u8>), Rejection> {
        let header = &self.signature.header;
        let value = value.ok_or_else(|| header.missing())?;
        // Most lists have one entry, and `contains` is much faster than a search byte by byte.
        let separator = self.signature.separator.filter(|separator| value.contains(separator));
        let mut count = 0usize;
        for entry in entries(value, separator) {
            match entry.strip_prefix(&*self.signature.prefix) {
                Some(candidate) if candidate.len() == self.signature.length => {
                    count = count.saturating_add(1);
                }
                // Another version, or a signature that can't be one.
                _ if !entry.is_empty() && is_graphic(entry) => {}
                _ => return Err(header.malformed()),
            }
        }
        match count {
            0 => Err(header.malformed()),
            1..=MAX_CANDIDATES => Ok((value, separator)),
            _ => Err(Rejection::TooManySignatures {
                header: header.name.clone(),
                max: MAX_CANDIDATES,
            }),
        }
    }

    /// The id header. Where it is signed it has to be there, and must not contain what separates
    /// it from the next part; elsewhere a missing one counts as empty.
    fn read_id<'h>(&self, header: &Header, id: Option<&'h [u8]>) -> Result<&'h [u8], Rejection> {
        let Some(id) = id else {
            let signed = self.content.contains(&Part::Id);
            return if signed { Err(header.missing()) } else { Ok(&[]) };
        };
        let ambiguous = self.id_end.as_deref().is_some_and(|end| begins_within(id, end));
        let fits = (1..=MAX_ID).contains(&id.len()) && is_graphic(id);
        if fits && !ambiguous { Ok(id) } else { Err(header.malformed()) }
    }
}

/// The entries of a list; all of it where there is no separator.
fn entries(value: &[u8], separator: Option<u8>) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let list = rest.take()?;
        let end = separator.and_then(|separator| list.iter().position(|byte| *byte == separator));
        let Some((entry, [_, others @ ..])) = end.and_then(|end| list.split_at_checked(end)) else {
            return Some(list);
        };
        rest = Some(others);
        Some(entry)
    })
}

/// Visible ASCII without spaces. Not `all`, which stops early and so is never vectorised.
fn is_graphic(text: &[u8]) -> bool {
    text.iter().fold(true, |graphic, byte| graphic & byte.is_ascii_graphic())
}

/// Whether, in the id followed by its separator, a separator begins before the id ends. Then the
/// same bytes could be read as a shorter id.
fn begins_within(id: &[u8], separator: &[u8]) -> bool {
    match separator {
        [byte] => id.contains(byte),
        _ => (0..id.len()).any(|start| {
            let rest = id.iter().skip(start).chain(separator);
            rest.take(separator.len()).eq(separator)
        }),
    }
}
