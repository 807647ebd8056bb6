//! The headers of a request, before its body is touched. Nothing here is trusted yet.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::rejection::Rejection;
use super::source::{MAX_ID, SignatureSpec, Source};
use crate::scheme::Part;
use crate::timestamp;

/// How many signatures of one request are compared.
const MAX_CANDIDATES: usize = 16;

/// What the headers say: well-formed, but not yet proved.
#[derive(Debug)]
pub(crate) struct Envelope<'h> {
    signatures: Signatures<'h>,
    /// The id, where it is in a header; empty where that is missing.
    pub(crate) id: &'h [u8],
    pub(crate) time: &'h [u8],
    pub(crate) sent_at: Option<SystemTime>,
}

/// The signatures of a request.
#[derive(Debug)]
enum Signatures<'h> {
    /// The usual case, without its prefix.
    One(&'h [u8]),
    /// The header's whole value, and what separates its entries.
    List(&'h [u8], u8),
}

impl<'h> Signatures<'h> {
    /// What follows `start` in the one entry that begins with it. Of two, nobody could say which one
    /// the partner meant.
    fn parameter(&self, start: &[u8]) -> Option<&'h [u8]> {
        let Self::List(value, separator) = self else { return None };
        let mut found = entries(value, *separator).filter_map(|entry| entry.strip_prefix(start));
        match (found.next(), found.next()) {
            (Some(parameter), None) => Some(parameter),
            _ => None,
        }
    }
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
}

/// The headers that decide, looked for in one pass over all headers.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The names of the signature, the id and the time, then their other names, each with its place
    /// in what was found.
    names: Vec<(HeaderName, usize)>,
    /// The marks of the wanted names: most other headers have another one.
    marks: u64,
}

impl Wanted {
    pub(crate) fn new(signature: Header, id: Option<Header>, time: Option<Header>) -> Self {
        let headers = [Some(signature), id, time];
        let names = headers.iter().map(|header| Some(header.as_ref()?.name.clone()));
        // Second names are rare, so they are compared last.
        let aliases = headers.iter().map(|header| header.as_ref()?.alias.clone());
        let names = names.chain(aliases).enumerate();
        let names: Vec<(HeaderName, usize)> =
            names.filter_map(|(place, name)| Some((name?, place))).collect();
        let marks = names.iter().fold(0, |marks, (name, _)| marks | mark(name));
        Self { names, marks }
    }

    /// The one value of each. Under two names it must be the same; twice under one it never counts.
    fn find<'h>(&self, headers: &'h HeaderMap) -> Result<[Option<&'h [u8]>; 3], Rejection> {
        let mut found: [Option<&[u8]>; 6] = [None; 6];
        for (name, value) in headers {
            if self.marks & mark(name) == 0 {
                continue;
            }
            let Some((_, place)) = self.names.iter().find(|(wanted, _)| wanted == name) else {
                continue;
            };
            let slot = found.get_mut(*place);
            if slot.is_some_and(|slot| slot.replace(value.as_bytes()).is_some()) {
                return Err(Rejection::RepeatedHeader { header: name.clone() });
            }
        }
        let one = |place, name: Option<&'h [u8]>, alias: Option<&'h [u8]>| match (name, alias) {
            (Some(name), Some(alias)) if name != alias => Err(self.contradicted(place)),
            _ => Ok(name.or(alias)),
        };
        let [signature, id, time, other_signature, other_id, other_time] = found;
        Ok([one(0, signature, other_signature)?, one(1, id, other_id)?, one(2, time, other_time)?])
    }

    /// A header whose other name has another value.
    fn contradicted(&self, place: usize) -> Rejection {
        let name = self.names.iter().find(|(_, at)| *at == place);
        name.map_or(Rejection::WrongSignature, |(name, _)| Rejection::RepeatedHeader {
            header: name.clone(),
        })
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
        let signatures = self.read_signatures(signature)?;
        let mut envelope = Envelope { signatures, id: &[], time: &[], sent_at: None };
        if let Some(header) = self.id_header() {
            envelope.id = self.read_id(header, id)?;
        }
        let judged = |header: &Header, format, time| {
            let sent_at = timestamp::parse(format, time);
            self.judge(sent_at.ok_or_else(|| header.malformed())?, now)
        };
        if let Some((header, format)) = self.sent_at_header() {
            envelope.time = time.ok_or_else(|| header.missing())?;
            envelope.sent_at = Some(judged(header, format, envelope.time)?);
        } else if let SignatureSpec { header, time: Some((start, format)), .. } = &self.signature {
            let time = envelope.signatures.parameter(start);
            envelope.time = time.ok_or_else(|| header.malformed())?;
            envelope.sent_at = Some(judged(header, *format, envelope.time)?);
        }
        Ok(envelope)
    }

    /// The signatures of the version that is understood, without their prefix.
    pub(crate) fn candidates<'h>(
        &self,
        envelope: &Envelope<'h>,
    ) -> impl Iterator<Item = &'h [u8]> + use<'_, 'h> {
        let (one, list) = match envelope.signatures {
            Signatures::One(candidate) => (Some(candidate), None),
            Signatures::List(value, separator) => (None, Some(entries(value, separator))),
        };
        let list = list.into_iter().flatten();
        let list = list.filter_map(|entry| entry.strip_prefix(&*self.signature.prefix));
        one.into_iter().chain(list)
    }

    fn read_signatures<'h>(&self, value: Option<&'h [u8]>) -> Result<Signatures<'h>, Rejection> {
        let SignatureSpec { header, prefix, length, separator, .. } = &self.signature;
        let value = value.ok_or_else(|| header.missing())?;
        // A value as long as one signature has no room for two, and is what most requests have.
        let is_candidate = |candidate: &&[u8]| candidate.len() == *length;
        if let Some(candidate) = value.strip_prefix(&**prefix).filter(is_candidate) {
            return Ok(Signatures::One(candidate));
        }
        let separator = separator.ok_or_else(|| header.malformed())?;
        let mut count = 0usize;
        for entry in entries(value, separator) {
            match entry.strip_prefix(&**prefix) {
                Some(candidate) if is_candidate(&candidate) => count = count.saturating_add(1),
                // Another version, or a signature that can't be one.
                _ if !entry.is_empty() && is_graphic(entry) => {}
                _ => return Err(header.malformed()),
            }
        }
        match count {
            0 => Err(header.malformed()),
            1..=MAX_CANDIDATES => Ok(Signatures::List(value, separator)),
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
        let usable = match self.id_end.as_deref() {
            // The usual case, in one pass.
            Some([end]) => all(id, |byte| byte.is_ascii_graphic() & (byte != end)),
            Some(end) => is_graphic(id) && !begins_within(id, end),
            None => is_graphic(id),
        };
        let fits = (1..=MAX_ID).contains(&id.len());
        if fits && usable { Ok(id) } else { Err(header.malformed()) }
    }
}

/// The entries of a list.
fn entries(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    value.split(move |byte| *byte == separator)
}

/// Visible ASCII without spaces.
fn is_graphic(text: &[u8]) -> bool {
    all(text, u8::is_ascii_graphic)
}

/// Like the iterator's `all`, which stops early and so is never vectorised.
fn all(text: &[u8], is: impl Fn(&u8) -> bool) -> bool {
    text.iter().fold(true, |all, byte| all & is(byte))
}

/// Whether, in the id followed by its separator, a separator begins before the id ends. Then the
/// same bytes could be read as a shorter id.
fn begins_within(id: &[u8], separator: &[u8]) -> bool {
    (0..id.len()).any(|start| {
        let rest = id.iter().skip(start).chain(separator);
        rest.take(separator.len()).eq(separator)
    })
}
