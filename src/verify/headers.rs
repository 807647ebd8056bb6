//! The headers of a request, before its body is touched. Nothing here is trusted yet.

use std::time::SystemTime;

use http::{HeaderMap, header};

use super::place::Header;
use super::rejection::Rejection;
use super::signatures::{Signatures, all, is_graphic};
use super::source::{MAX_ID, Source};
use crate::scheme::TimeFormat;
use crate::timestamp;

/// What the headers say: well-formed, but not yet proved.
#[derive(Debug)]
pub(crate) struct Envelope<'h> {
    pub(crate) signatures: Signatures<'h>,
    /// The id, where it is in a header; empty where that is missing.
    pub(crate) id: &'h [u8],
    pub(crate) time: &'h [u8],
    pub(crate) sent_at: Option<SystemTime>,
    /// The label of the key that the request says it is signed with.
    pub(crate) key_id: Option<&'h [u8]>,
}

impl<'h> Envelope<'h> {
    /// That of a request which is only going to be signed.
    pub(crate) fn unsigned(id: &'h [u8], time: &'h [u8]) -> Self {
        Self { signatures: Signatures::Elsewhere, id, time, sent_at: None, key_id: None }
    }
}

impl Source {
    /// Reads the headers that the scheme names and refuses what can't be right.
    pub(crate) fn read<'h>(
        &self,
        headers: &'h HeaderMap,
        now: SystemTime,
    ) -> Result<Envelope<'h>, Rejection> {
        let [signature, id, time] = self.wanted.find(headers)?;
        let signatures = self.signature.read(signature, headers)?;
        let mut envelope = Envelope { signatures, id: &[], time: &[], sent_at: None, key_id: None };
        if let Some(header) = self.id_header() {
            envelope.id = self.read_id(header, id)?;
        }
        if let Some((header, format)) = self.sent_at_header() {
            envelope.time = time.ok_or_else(|| header.missing())?;
            envelope.sent_at = Some(self.read_time(header, format, envelope.time, now)?);
        } else if let Some(header) = self.signature.place().as_header()
            && self.signature.has_time()
        {
            let time = self.signature.time(envelope.signatures);
            let (time, format) = time.ok_or_else(|| header.malformed())?;
            envelope.time = time;
            envelope.sent_at = Some(self.read_time(header, format, time, now)?);
        }
        if let Some(header) = &self.key_id {
            envelope.key_id = Some(header.value(headers)?.ok_or_else(|| header.missing())?);
        }
        for (header, required) in &self.requires {
            let value = header.value(headers)?.ok_or_else(|| header.missing())?;
            if value != required.as_bytes() {
                return Err(header.malformed());
            }
        }
        if self.reads_form && self.multipart {
            content_type(headers)?;
        }
        Ok(envelope)
    }

    fn read_time(
        &self,
        header: &Header,
        format: TimeFormat,
        text: &[u8],
        now: SystemTime,
    ) -> Result<SystemTime, Rejection> {
        let time = timestamp::parse(format, text).filter(|_| self.time_fits(format, text));
        self.judge(time.ok_or_else(|| header.malformed())?, now)
    }

    /// A number that touches another part has all its digits, so that it can't be read as a shorter
    /// or a longer one. It has that many from 2001 to 2286.
    pub(crate) fn time_fits(&self, format: TimeFormat, text: &[u8]) -> bool {
        match format {
            TimeFormat::UnixSeconds => !self.time_touches || text.len() == 10,
            TimeFormat::UnixMillis => !self.time_touches || text.len() == 13,
            // Its end and its beginning can't be missed.
            TimeFormat::Rfc3339 => true,
        }
    }

    /// The id header. Where it is signed it has to be there, and must not contain what separates
    /// it from the next part; elsewhere a missing one counts as empty.
    pub(crate) fn read_id<'h>(
        &self,
        header: &Header,
        id: Option<&'h [u8]>,
    ) -> Result<&'h [u8], Rejection> {
        let Some(id) = id else {
            return if self.signs_id { Err(header.missing()) } else { Ok(&[]) };
        };
        let usable = || match self.id_ends.as_byte() {
            // The usual case, in one pass.
            Some(end) => all(id, |byte| byte.is_ascii_graphic() & (*byte != end)),
            None => is_graphic(id) && !self.id_ends.begin_within(id),
        };
        let fits = (1..=MAX_ID).contains(&id.len());
        if fits && usable() { Ok(id) } else { Err(header.malformed()) }
    }
}

/// What says of which kind a form is: either of two could be the one that counts.
pub(crate) fn content_type(headers: &HeaderMap) -> Result<Option<&[u8]>, Rejection> {
    Header { name: header::CONTENT_TYPE, alias: None }.value(headers)
}
