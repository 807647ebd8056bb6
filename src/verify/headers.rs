//! The headers of a request, before its body is touched. Nothing here is trusted yet.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::rejection::Rejection;
use super::source::{MAX_ID, Source};
use crate::scheme::{Layout, Part};
use crate::timestamp;

/// How many signatures of one request are compared.
const MAX_CANDIDATES: usize = 16;

/// What the headers say: well-formed, but not yet proved.
#[derive(Debug)]
pub(crate) struct Envelope<'h> {
    candidates: [&'h [u8]; MAX_CANDIDATES],
    count: usize,
    pub(crate) id: &'h [u8],
    pub(crate) time: &'h [u8],
    pub(crate) sent_at: Option<SystemTime>,
}

impl<'h> Envelope<'h> {
    pub(crate) fn candidates(&self) -> &[&'h [u8]] {
        self.candidates.get(..self.count).unwrap_or_default()
    }
}

/// A header and the other name it may have.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) alias: Option<HeaderName>,
}

impl Header {
    /// Its one value, under either name.
    pub(crate) fn value<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h [u8]>, Rejection> {
        let value = self.single(headers, &self.name)?;
        let Some(alias) = &self.alias else { return Ok(value) };
        match (value, self.single(headers, alias)?) {
            (Some(one), Some(other)) if one != other => Err(self.repeated()),
            (value, other) => Ok(value.or(other)),
        }
    }

    /// Its one value, which is required.
    fn required<'h>(&self, headers: &'h HeaderMap) -> Result<&'h [u8], Rejection> {
        let missing = || Rejection::MissingHeader { header: self.name.clone() };
        self.value(headers)?.ok_or_else(missing)
    }

    fn single<'h>(
        &self,
        headers: &'h HeaderMap,
        name: &HeaderName,
    ) -> Result<Option<&'h [u8]>, Rejection> {
        let mut values = headers.get_all(name).iter();
        let value = values.next();
        if values.next().is_some() {
            return Err(self.repeated());
        }
        Ok(value.map(http::HeaderValue::as_bytes))
    }

    fn repeated(&self) -> Rejection {
        Rejection::RepeatedHeader { header: self.name.clone() }
    }

    pub(crate) fn malformed(&self) -> Rejection {
        Rejection::MalformedHeader { header: self.name.clone() }
    }
}

impl Source {
    /// Reads the headers that the scheme names and refuses what can't be right.
    pub(crate) fn read<'h>(
        &self,
        headers: &'h HeaderMap,
        now: SystemTime,
    ) -> Result<Envelope<'h>, Rejection> {
        let mut envelope = Envelope {
            candidates: [&[]; MAX_CANDIDATES],
            count: 0,
            id: &[],
            time: &[],
            sent_at: None,
        };
        self.read_signatures(headers, &mut envelope)?;
        if let Some(header) = self.id_header() {
            envelope.id = self.read_id(header, headers)?;
        }
        if let Some((header, format)) = self.sent_at_header() {
            envelope.time = header.required(headers)?;
            let sent_at = timestamp::parse(format, envelope.time);
            envelope.sent_at = Some(self.judge(sent_at.ok_or_else(|| header.malformed())?, now)?);
        }
        Ok(envelope)
    }

    fn read_signatures<'h>(
        &self,
        headers: &'h HeaderMap,
        envelope: &mut Envelope<'h>,
    ) -> Result<(), Rejection> {
        let header = &self.signature.header;
        let value = header.required(headers)?;
        let separator = match self.signature.layout {
            Layout::Single => None,
            Layout::List(separator) => u8::try_from(separator).ok(),
        };
        for entry in value.split(|byte| Some(*byte) == separator) {
            if entry.is_empty() || !entry.iter().all(u8::is_ascii_graphic) {
                return Err(header.malformed());
            }
            let Some(candidate) = entry.strip_prefix(&*self.signature.prefix) else { continue };
            let slot = envelope.candidates.get_mut(envelope.count).ok_or_else(|| {
                Rejection::TooManySignatures { header: header.name.clone(), max: MAX_CANDIDATES }
            })?;
            *slot = candidate;
            envelope.count = envelope.count.saturating_add(1);
        }
        if envelope.count == 0 { Err(header.malformed()) } else { Ok(()) }
    }

    /// The id header. Where it is signed it has to be there, and must not contain what separates
    /// it from the next part; elsewhere a missing one counts as empty.
    fn read_id<'h>(&self, header: &Header, headers: &'h HeaderMap) -> Result<&'h [u8], Rejection> {
        let signed = self.content.contains(&Part::Id);
        let id = if signed {
            header.required(headers)?
        } else {
            match header.value(headers)? {
                Some(id) => id,
                None => return Ok(&[]),
            }
        };
        let ambiguous = self.id_end.as_deref().is_some_and(|end| contains(id, end));
        let fits = (1..=MAX_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
        if fits && !ambiguous { Ok(id) } else { Err(header.malformed()) }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
