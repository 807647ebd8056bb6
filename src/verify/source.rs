//! One configured source: its scheme, checked and prepared for requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::headers::{Envelope, Header, Wanted};
use super::judge;
use super::lint::lint;
use super::mac::encoded_len;
use super::rejection::Rejection;
use crate::error::ConfigError;
use crate::pointer::Pointers;
use crate::scheme::{
    Encoding, Field, Identity, Layout, Part, Scheme, SentAt, TimeFormat, Tolerance,
};

/// The longest id, and the longest source name and event type, in bytes.
pub(crate) const MAX_ID: usize = 255;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// No id is forgotten sooner, whatever the partner says of its retries.
const MIN_WINDOW: Duration = Duration::from_secs(96 * 60 * 60);
/// Where no time is signed a captured request never goes stale, so a durable inbox, where memory is
/// cheap, remembers longer.
const UNTIMED_WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Far enough, and safe to add to any clock.
const MAX_TTL: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// One configured source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) wanted: Wanted,
    pub(crate) signature: SignatureSpec,
    pub(crate) content: Vec<Part>,
    /// What follows the id in the signed content, so an id can't contain it.
    pub(crate) id_end: Option<Box<[u8]>>,
    pub(crate) identity: IdentitySpec,
    pub(crate) window: Window,
    pub(crate) deadline: Duration,
    pub(crate) retry_horizon: Duration,
    pub(crate) id: Option<Place>,
    pub(crate) event: Option<Place>,
    /// The signed time, where it is not a part of the signature header.
    pub(crate) sent_at: Option<(Place, TimeFormat)>,
    /// `None`: requests of any age are accepted.
    tolerance: Option<Tolerance>,
    pub(crate) pointers: Pointers,
    /// Whether something besides the event is in the body; for that alone it is not parsed.
    pub(crate) reads_body: bool,
    /// Whether a request can't be accepted without what is in the body.
    pub(crate) requires_body: bool,
    /// For deliveries without an identity: a number no other process draws, and a count.
    seed: [u8; 32],
    count: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct SignatureSpec {
    pub(crate) header: Header,
    pub(crate) prefix: Box<[u8]>,
    /// How long a signature is without its prefix.
    pub(crate) length: usize,
    /// What separates the signatures of a list.
    pub(crate) separator: Option<u8>,
    /// What the signed time begins with, where it is an entry of the list.
    pub(crate) time: Option<(Box<[u8]>, TimeFormat)>,
    encoding: Encoding,
}

/// Where a value is, prepared.
#[derive(Debug)]
pub(crate) enum Place {
    Header(Header),
    /// The position of the pointer in [`Source::pointers`], and its text for messages.
    Pointer(usize, Arc<str>),
}

#[derive(Debug)]
pub(crate) enum IdentitySpec {
    /// One signed field, which is the id.
    SignedId,
    Fields(Vec<Place>),
    Content,
    IdAndContent,
    UnsignedId,
    None,
}

/// How long an id is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) volatile: Duration,
    pub(crate) durable: Duration,
    /// For how long a request stays fresh after it was accepted: past + future, or nothing.
    pub(crate) freshness: Duration,
}

impl Source {
    /// Checks a scheme and prepares it.
    pub(crate) fn prepare(
        name: String,
        scheme: &Scheme,
        judges_time: bool,
        ttl: Option<Duration>,
    ) -> Result<Self, ConfigError> {
        if name.is_empty() || name.len() > MAX_ID || name.chars().any(char::is_control) {
            return Err(ConfigError::SourceName);
        }
        lint(scheme)?;
        let mut texts: Vec<Arc<str>> = Vec::new();
        let mut place = |field: &Field| match field {
            Field::Header(name) => header(scheme, name).map(Place::Header),
            Field::Pointer(pointer) => {
                let at = texts.iter().position(|text| **text == **pointer);
                let at = at.unwrap_or_else(|| {
                    texts.push(Arc::from(&**pointer));
                    texts.len().saturating_sub(1)
                });
                Ok(Place::Pointer(at, Arc::from(&**pointer)))
            }
            Field::Parameter(name) => Err(ConfigError::Parameter {
                name: name.to_string(),
                problem: "can only be `sent_at`",
            }),
        };
        let id = scheme.id.as_ref().map(&mut place).transpose()?;
        let (mut sent_at, mut parameter) = (None, None);
        match &scheme.sent_at {
            Some(SentAt { field: Field::Parameter(name), format }) => {
                parameter = Some((format!("{name}=").into_bytes().into(), *format));
            }
            Some(SentAt { field, format }) => sent_at = Some((place(field)?, *format)),
            None => {}
        }
        let identity = match &scheme.identity {
            // The only header that the lint lets through is the signed id, in whatever case it is named.
            Identity::Fields(fields)
                if fields.iter().eq(&scheme.id)
                    || fields.iter().all(|field| matches!(field, Field::Header(_))) =>
            {
                IdentitySpec::SignedId
            }
            Identity::Fields(fields) => {
                IdentitySpec::Fields(fields.iter().map(&mut place).collect::<Result<_, _>>()?)
            }
            Identity::Content => IdentitySpec::Content,
            Identity::IdAndContent => IdentitySpec::IdAndContent,
            Identity::UnsignedId => IdentitySpec::UnsignedId,
            Identity::None => IdentitySpec::None,
        };
        let event = scheme.event.as_ref().map(&mut place).transpose()?;
        let is_pointer = |place: &Place| matches!(place, Place::Pointer(..));
        let id_in_body = id.as_ref().is_some_and(is_pointer);
        let requires_body = sent_at.as_ref().is_some_and(|(place, _)| is_pointer(place))
            || match &identity {
                IdentitySpec::Fields(fields) => fields.iter().any(is_pointer),
                IdentitySpec::SignedId | IdentitySpec::UnsignedId => id_in_body,
                IdentitySpec::Content | IdentitySpec::IdAndContent | IdentitySpec::None => false,
            };
        let pointers = Pointers::new(texts.iter().map(|text| &**text))?;

        let signature = header(scheme, &scheme.signature.header)?;
        let id_header = id.as_ref().and_then(Place::as_header);
        let time_header = sent_at.as_ref().and_then(|(place, _)| place.as_header());
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| ConfigError::Random)?;
        Ok(Self {
            name: name.into(),
            wanted: Wanted::new(signature.clone(), id_header.cloned(), time_header.cloned()),
            signature: SignatureSpec {
                header: signature,
                prefix: scheme.signature.prefix.as_bytes().into(),
                length: encoded_len(scheme.algorithm, scheme.signature.encoding),
                separator: match scheme.signature.layout {
                    Layout::Single => None,
                    Layout::List(separator) => u8::try_from(separator).ok(),
                },
                time: parameter,
                encoding: scheme.signature.encoding,
            },
            content: scheme.content.to_vec(),
            id_end: id_end(&scheme.content),
            identity,
            window: window(scheme, judges_time && scheme.sent_at.is_some(), ttl)?,
            deadline: scheme.deadline,
            retry_horizon: scheme.retry_horizon,
            id,
            event,
            sent_at,
            tolerance: judges_time.then_some(scheme.tolerance),
            pointers,
            reads_body: requires_body || id_in_body,
            requires_body,
            seed,
            count: AtomicU64::new(0),
        })
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.signature.encoding
    }

    pub(crate) fn id_header(&self) -> Option<&Header> {
        self.id.as_ref()?.as_header()
    }

    pub(crate) fn sent_at_header(&self) -> Option<(&Header, TimeFormat)> {
        let (place, format) = self.sent_at.as_ref()?;
        Some((place.as_header()?, *format))
    }

    pub(crate) fn judge(
        &self,
        sent_at: SystemTime,
        now: SystemTime,
    ) -> Result<SystemTime, Rejection> {
        match self.tolerance {
            Some(tolerance) => judge(sent_at, now, tolerance),
            None => Ok(sent_at),
        }
    }

    /// The signed bytes, part by part.
    pub(crate) fn signed_parts<'a>(
        &'a self,
        envelope: &Envelope<'a>,
        body: &'a Bytes,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (id, time) = (envelope.id, envelope.time);
        self.content.iter().map(move |part| match part {
            Part::Body => &**body,
            Part::Id => id,
            Part::SentAt => time,
            Part::Literal(text) => text.as_bytes(),
        })
    }

    /// The id as a header has it. It was checked before the MAC.
    pub(crate) fn header_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        text_in_header(self.id_header()?, headers)
    }

    /// The event type as a header has it; unusable ones count as missing.
    pub(crate) fn header_event<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        text_in_header(self.event.as_ref()?.as_header()?, headers)
    }

    /// What no other delivery has, for [`Identity::None`]: 32 random bytes. The seed and the count
    /// keep it unique should the operating system ever have none.
    pub(crate) fn nonce(&self) -> [u8; 72] {
        let mut nonce = [0; 72];
        let (random, rest) = nonce.split_at_mut(32);
        if getrandom::fill(random).is_err() {
            tracing::warn!("the operating system has no random numbers; a key is made without");
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (to, from) in rest.iter_mut().zip(self.seed.iter().chain(&count)) {
            *to = *from;
        }
        nonce
    }
}

impl Place {
    fn as_header(&self) -> Option<&Header> {
        match self {
            Self::Header(header) => Some(header),
            Self::Pointer(..) => None,
        }
    }

    pub(crate) fn not_identifying(&self) -> Rejection {
        let field = match self {
            Self::Header(header) => Arc::from(header.name.as_str()),
            Self::Pointer(_, pointer) => pointer.clone(),
        };
        Rejection::IdentityField { field, max: MAX_ID }
    }
}

/// Usable as an id or an event type.
pub(crate) fn is_text(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn text_in_header<'h>(header: &Header, headers: &'h HeaderMap) -> Option<&'h str> {
    let names = [Some(&header.name), header.alias.as_ref()].into_iter().flatten();
    let mut values = names.flat_map(|name| headers.get_all(name));
    let value = values.next()?;
    if values.any(|other| other != value) {
        return None;
    }
    value.to_str().ok().filter(|text| is_text(text))
}

fn header(scheme: &Scheme, name: &str) -> Result<Header, ConfigError> {
    let parse = |name: &str| {
        let malformed = |_| ConfigError::HeaderName { name: name.into() };
        HeaderName::from_bytes(name.as_bytes()).map_err(malformed)
    };
    let alias = scheme.aliases.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
    Ok(Header { name: parse(name)?, alias: alias.map(|(_, other)| parse(other)).transpose()? })
}

fn id_end(content: &[Part]) -> Option<Box<[u8]>> {
    let mut parts = content.iter().skip_while(|part| **part != Part::Id);
    match (parts.next(), parts.next()) {
        (Some(Part::Id), Some(Part::Literal(text))) => Some(text.as_bytes().into()),
        _ => None,
    }
}

fn window(scheme: &Scheme, timed: bool, ttl: Option<Duration>) -> Result<Window, ConfigError> {
    let Tolerance { past, future } = scheme.tolerance;
    for value in [past, future] {
        if !(Duration::from_secs(1)..=DAY).contains(&value) {
            return Err(ConfigError::Tolerance { value });
        }
    }
    let tolerances = past.saturating_add(future);
    let freshness = if timed { tolerances } else { Duration::ZERO };
    if let Some(ttl) = ttl {
        if !(tolerances..=MAX_TTL).contains(&ttl) {
            return Err(ConfigError::Ttl { ttl, min: tolerances, max: MAX_TTL });
        }
        return Ok(Window { volatile: ttl, durable: ttl, freshness });
    }
    let volatile = scheme.retry_horizon.saturating_add(tolerances).clamp(MIN_WINDOW, MAX_TTL);
    let durable = if timed { volatile } else { volatile.max(UNTIMED_WINDOW) };
    Ok(Window { volatile, durable, freshness })
}
