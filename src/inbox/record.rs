use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, Key, Parts};

/// What a place in the map of headers takes in memory, of which it has more than there are names; and what another
/// value of the same name does, beside the map.
const PLACE: usize = 110;
/// What a header takes beside that and its bytes: two allocations.
const HEADER: usize = 64;
/// What a record takes, and a row around it.
const RECORD: usize = 500;
/// A shared secret in plain text, which GitLab sends with each request.
const GITLAB_TOKEN: HeaderName = HeaderName::from_static("x-gitlab-token");

/// What a backend stores of a delivery.
///
/// Only a verified delivery becomes one, and it becomes a [`Job`](super::Job), never a
/// [`Delivery`] again. Headers that carry credentials (`authorization`, `proxy-authorization`,
/// `cookie`, `x-gitlab-token`) are left out.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    pub(crate) key: Key,
    pub(crate) source: Arc<str>,
    pub(crate) id: Option<Box<str>>,
    pub(crate) event: Option<Box<str>>,
    pub(crate) secret: Arc<str>,
    pub(crate) signed_at: Option<SystemTime>,
    pub(crate) received_at: SystemTime,
    pub(crate) ttl: Duration,
    pub(crate) freshness: Duration,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Record {
    /// What to store of a delivery in a backend that is durable, or is not: the window of the key
    /// depends on it.
    pub fn new(delivery: Delivery, durable: bool) -> Self {
        let (key, id, event) = (delivery.key(), delivery.id(), delivery.event());
        let (id, event) = (id.map(Into::into), event.map(Into::into));
        let (ttl, freshness) = (delivery.ttl(durable), delivery.freshness());
        let (signed_at, received_at) = (delivery.signed_at(), delivery.received_at());
        let Parts { source, secret, mut headers, body } = delivery.into_parts();
        for name in [&header::AUTHORIZATION, &header::PROXY_AUTHORIZATION, &header::COOKIE] {
            headers.remove(name);
        }
        headers.remove(GITLAB_TOKEN);
        Self {
            key,
            source,
            id,
            event,
            secret,
            signed_at: signed_at.map(whole_millis),
            received_at: whole_millis(received_at),
            ttl: up_to_whole_millis(ttl),
            // Stores forget a key at the millisecond at which it expires, and at the last one a replay is fresh.
            freshness: up_to_whole_millis(freshness).saturating_add(Duration::from_millis(1)),
            headers,
            body,
        }
    }

    /// The idempotency key.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The partner's id of the delivery.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The type of the event.
    pub fn event(&self) -> Option<&str> {
        self.event.as_deref()
    }

    /// The label of the secret that matched.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// When the partner says that it sent the request, in whole milliseconds.
    pub fn signed_at(&self) -> Option<SystemTime> {
        self.signed_at
    }

    /// When the request was verified, in whole milliseconds.
    pub fn received_at(&self) -> SystemTime {
        self.received_at
    }

    /// The request's headers, without those that carry credentials.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, byte for byte as it arrived: as much of it is signed as
    /// [`Delivery::body`](crate::Delivery::body) says.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The same in buffers of its own, for whoever keeps it in memory: what arrived is in slices of what was read
    /// from the network, which would be kept as a whole.
    pub fn detached(self) -> Self {
        let mut headers = HeaderMap::with_capacity(self.headers.keys_len());
        for (name, value) in &self.headers {
            // What was a header is one, and there are no more than before.
            let name = HeaderName::from_bytes(name.as_str().as_bytes());
            if let (Ok(name), Ok(mut own)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
                own.set_sensitive(value.is_sensitive());
                let _ = headers.try_append(name, own);
            }
        }
        Self { headers, body: Bytes::copy_from_slice(&self.body), ..self }
    }

    /// About how many bytes it takes, in a file.
    pub(crate) fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.as_str().len().saturating_add(value.len()));
        headers.fold(self.body.len(), usize::saturating_add)
    }

    /// About how many it takes in memory: many short headers take more than they are long.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let headers = &self.headers;
        let values = headers.len().saturating_sub(headers.keys_len());
        let places = headers.capacity().saturating_add(values);
        let counts = [(places, PLACE), (headers.len(), HEADER), (self.bytes(), 1)];
        let sizes = counts.into_iter().map(|(count, size)| count.saturating_mul(size));
        sizes.fold(RECORD, usize::saturating_add)
    }

    /// When the key of a delivery that is settled now may be forgotten: a window after it was
    /// accepted or last revived (`started_at`), and never while a replay would still be fresh.
    pub fn expires_at(&self, started_at: SystemTime, now: SystemTime) -> SystemTime {
        expires_at(started_at, now, self.ttl, self.freshness)
    }

    /// The record as bytes, for backends that store it in one piece.
    pub fn to_bytes(&self) -> Bytes {
        let meta = Meta {
            version: 1,
            key: self.key.to_string(),
            source: self.source.to_string(),
            id: self.id.as_deref().map(Into::into),
            event: self.event.as_deref().map(Into::into),
            secret: self.secret.to_string(),
            signed_at_ms: self.signed_at.map(to_millis),
            received_at_ms: to_millis(self.received_at),
            ttl_ms: duration_millis(self.ttl),
            freshness_ms: duration_millis(self.freshness),
        };
        // Strings and numbers always serialise.
        let meta = serde_json::to_vec(&meta).unwrap_or_default();
        let headers = encode_headers(&self.headers);
        let mut bytes = BytesMut::new();
        for part in [&*meta, b"\r\n", &*headers, b"\r\n", &*self.body] {
            bytes.put_slice(part);
        }
        bytes.freeze()
    }

    /// What [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// The bytes are something else, or from a newer version.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, RecordError> {
        let (meta, rest) = split(bytes, b"\r\n").ok_or(RecordError)?;
        let meta: Meta = serde_json::from_slice(&meta).map_err(|_| RecordError)?;
        let (headers, body) = match rest.strip_prefix(b"\r\n") {
            Some(body) => (Bytes::new(), rest.slice_ref(body)),
            None => split(&rest, b"\r\n\r\n").ok_or(RecordError)?,
        };
        if meta.version != 1 {
            return Err(RecordError);
        }
        Ok(Self {
            key: meta.key.parse().map_err(|_| RecordError)?,
            source: meta.source.into(),
            id: meta.id.map(Into::into),
            event: meta.event.map(Into::into),
            secret: meta.secret.into(),
            signed_at: meta.signed_at_ms.map(from_millis),
            received_at: from_millis(meta.received_at_ms),
            ttl: Duration::from_millis(meta.ttl_ms),
            freshness: Duration::from_millis(meta.freshness_ms),
            headers: decode_headers(&headers)?,
            body,
        })
    }
}

impl fmt::Debug for Record {
    /// Without headers and body: they may hold credentials and personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("source", &self.source)
            .field("id", &self.id)
            .field("event", &self.event)
            .field("key", &self.key)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// Bytes that are not a [`Record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored bytes are not a record of this version")]
#[non_exhaustive]
pub struct RecordError;

/// What is not headers or body, as the first line of [`Record::to_bytes`].
#[derive(Serialize, Deserialize)]
struct Meta {
    version: u32,
    key: String,
    source: String,
    id: Option<String>,
    event: Option<String>,
    secret: String,
    signed_at_ms: Option<i64>,
    received_at_ms: i64,
    ttl_ms: u64,
    freshness_ms: u64,
}

/// When a key may be forgotten.
pub(crate) fn expires_at(
    started_at: SystemTime,
    now: SystemTime,
    ttl: Duration,
    freshness: Duration,
) -> SystemTime {
    let window = started_at.checked_add(ttl).unwrap_or(started_at);
    window.max(now.checked_add(freshness).unwrap_or(now))
}

/// The header block of an HTTP/1 message: each line is `name: value` and CR LF.
pub(crate) fn encode_headers(headers: &HeaderMap) -> Vec<u8> {
    let lines = headers.iter().map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    let mut block = Vec::with_capacity(headers.len().saturating_mul(48));
    for [name, value] in lines {
        for part in [name, b": ", value, b"\r\n"] {
            block.extend_from_slice(part);
        }
    }
    block
}

/// What [`encode_headers`] wrote; the last line may lack its end.
pub(crate) fn decode_headers(block: &Bytes) -> Result<HeaderMap, RecordError> {
    let mut headers = HeaderMap::new();
    let mut rest = block.clone();
    while !rest.is_empty() {
        let (line, after) = split(&rest, b"\r\n").unwrap_or((rest, Bytes::new()));
        rest = after;
        let (name, value) = split(&line, b": ").ok_or(RecordError)?;
        let name = HeaderName::from_bytes(&name).map_err(|_| RecordError)?;
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| RecordError)?;
        // There may be more of them than a map holds.
        headers.try_append(name, value).map_err(|_| RecordError)?;
    }
    Ok(headers)
}

fn split(bytes: &Bytes, at: &[u8]) -> Option<(Bytes, Bytes)> {
    let start = bytes.windows(at.len()).position(|window| window == at)?;
    let end = start.checked_add(at.len())?;
    Some((bytes.slice(..start), bytes.slice(end..)))
}

/// Milliseconds since 1970, negative before. The far ends of `SystemTime` saturate.
pub(crate) fn to_millis(time: SystemTime) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => millis(before.duration()).saturating_neg(),
    }
}

pub(crate) fn from_millis(millis: i64) -> SystemTime {
    let distance = Duration::from_millis(millis.unsigned_abs());
    let time = if millis < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(crate) fn duration_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn whole_millis(time: SystemTime) -> SystemTime {
    from_millis(to_millis(time))
}

/// No key is forgotten early.
fn up_to_whole_millis(duration: Duration) -> Duration {
    let whole = Duration::from_millis(duration_millis(duration));
    if whole < duration { whole.saturating_add(Duration::from_millis(1)) } else { whole }
}
