//! One configured source: its scheme, checked and prepared for requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::content::{self, Ends, Piece, Unproved};
use super::freshness;
use super::identity::IdentitySpec;
use super::lint::lint;
use super::needs::Needs;
use super::place::{Header, Place};
use super::rejection::Rejection;
use super::signatures::SignatureSpec;
use super::url::PublicUrl;
use super::wanted::Wanted;
use super::window::Window;
use crate::error::ConfigError;
use crate::pointer::{Path, Pointers};
use crate::scheme::{
    Answer, Danger, Field, Json, KeyId, Part, Scheme, SentAt, TimeFormat, Tolerance,
};

/// The longest id, and the longest source name and event type, in bytes.
pub(crate) const MAX_ID: usize = 255;

/// One configured source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) wanted: Wanted,
    pub(crate) signature: SignatureSpec,
    /// The signed content, once for each spelling of the URL. They differ in constants.
    pub(crate) contents: Vec<Vec<Piece>>,
    /// What may be signed behind it: for most schemes nothing.
    pub(crate) ends: Vec<Box<[u8]>>,
    /// What has to be read before the MAC, beyond the headers: for most schemes nothing.
    pub(crate) unproved: Option<Unproved>,
    /// Whether the id, in a header, is signed.
    pub(crate) signs_id: bool,
    /// What may follow the id in the signed content, so an id can't contain it.
    pub(crate) id_ends: Ends,
    /// Whether a value that varies touches the time in the signed content.
    pub(crate) time_touches: bool,
    /// Whether the MAC covers every byte of the body.
    pub(crate) covers_body: bool,
    /// Whether a form may be multipart.
    pub(crate) multipart: bool,
    /// The header that names the key.
    pub(crate) key_id: Option<Header>,
    pub(crate) requires: Vec<(Header, Box<str>)>,
    pub(crate) digest: Option<Place>,
    pub(crate) identity: IdentitySpec,
    pub(crate) window: Window,
    pub(crate) answer: Answer,
    pub(crate) deadline: Duration,
    pub(crate) retry_horizon: Duration,
    pub(crate) id: Option<Place>,
    /// The first that is there counts.
    pub(crate) event: Vec<Place>,
    /// The signed time, where it is not a part of the signature header.
    pub(crate) sent_at: Option<(Place, TimeFormat)>,
    /// `None`: requests of any age are accepted.
    tolerance: Option<Tolerance>,
    pub(crate) json: Json,
    pub(crate) pointers: Pointers,
    pub(crate) reads_query: bool,
    pub(crate) reads_form: bool,
    /// Whether something besides the event is outside the headers; for that alone JSON is not parsed.
    pub(crate) reads_fields: bool,
    /// Whether a request can't be accepted without what is in its JSON.
    pub(crate) requires_json: bool,
    /// For deliveries without an identity: a number no other process draws, and a count.
    seed: [u8; 32],
    count: AtomicU64,
}

impl Source {
    /// Checks a scheme and prepares it.
    pub(crate) fn prepare(
        name: String,
        scheme: &Scheme,
        url: Option<&str>,
        judges_time: bool,
        ttl: Option<Duration>,
    ) -> Result<Self, ConfigError> {
        if name.is_empty() || name.len() > MAX_ID || name.chars().any(char::is_control) {
            return Err(ConfigError::SourceName);
        }
        lint(scheme)?;
        let url = url.map(|url| PublicUrl::parse(url, scheme.either_port)).transpose()?;

        // What is read before the MAC, and what is read after it.
        let (mut unproved, mut proved) = (Vec::new(), Vec::new());
        let contents = content::prepare(scheme, url.as_ref(), &mut unproved)?;
        let signature = Place::prepare(scheme, &scheme.signature.field, &mut unproved)?;
        let mut place = |field: &Field| Place::prepare(scheme, field, &mut proved);
        let id = scheme.id.as_ref().map(&mut place).transpose()?;
        let sent_at = match &scheme.sent_at {
            Some(SentAt { field: Field::Parameter(_) | Field::Entry(_), .. }) | None => None,
            Some(SentAt { field, format }) => Some((place(field)?, *format)),
        };
        let identity = IdentitySpec::prepare(scheme, &mut place)?;
        let event = scheme.events().iter().map(&mut place).collect::<Result<_, _>>()?;
        let digest = scheme.digest.as_ref().map(&mut place).transpose()?;

        let signature = SignatureSpec::prepare(scheme, signature)?;
        let id_header = id.as_ref().and_then(Place::as_header);
        let time_header = sent_at.as_ref().and_then(|(place, _)| place.as_header());
        let is_value = |piece: &Piece| matches!(piece, Piece::Value(_));
        // Where bytes can be moved from one part to the next one, all of them together are looked at.
        let works_out =
            contents.iter().flatten().any(is_value) || scheme.allows(Danger::AmbiguousContent);
        let needs = Needs { scheme, id: &id, sent_at: &sent_at, identity: &identity, works_out };
        let (tolerance, judged) = match scheme.tolerance.filter(|_| judges_time) {
            Some(tolerance) => (Some(tolerance), scheme.sent_at.is_some()),
            None => (None, false),
        };
        let reads_query = scheme.has_field(|field| matches!(field, Field::Query(_)))
            || scheme.events().iter().any(|event| matches!(event, Field::Query(_)));
        // An event alone is no reason to refuse what is no form, unless it takes the headers to read one.
        let in_form: fn(&Field) -> bool = |field| matches!(field, Field::Form(_));
        let reads_form = scheme.json != Json::Body
            || scheme.has_field(in_form)
            || scheme.multipart && scheme.events().iter().any(in_form);
        // Nothing but headers has to be read before the MAC holds.
        let ordinary = !(reads_query || reads_form || works_out)
            && scheme.items.is_none()
            && signature.place().as_header().is_some();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| ConfigError::Random)?;
        let requires = scheme.requires.iter();
        Ok(Self {
            wanted: Wanted::new(signature.header(), id_header, time_header),
            unproved: (!ordinary).then(|| unproved_of(scheme, &unproved)).transpose()?,
            signs_id: scheme.content.contains(&Part::Id),
            id_ends: Ends::of_id(scheme),
            time_touches: content::time_touches(&scheme.content),
            covers_body: scheme.covers_body(),
            multipart: scheme.multipart,
            key_id: match &scheme.key_id {
                Some(KeyId::Header(name)) => Some(Header::prepare(scheme, name)?),
                Some(KeyId::Prefix(_)) | None => None,
            },
            requires: requires
                .map(|(name, value)| Ok((Header::prepare(scheme, name)?, (**value).into())))
                .collect::<Result<_, ConfigError>>()?,
            digest,
            window: Window::new(scheme, judged, ttl)?,
            answer: scheme.answer.clone(),
            deadline: scheme.deadline,
            retry_horizon: scheme.retry_horizon,
            tolerance,
            json: scheme.json.clone(),
            pointers: Pointers::new(proved.iter().map(|text| &**text))?,
            reads_query,
            reads_form,
            reads_fields: needs.fields(reads_form),
            requires_json: needs.json(),
            name: name.into(),
            contents,
            ends: [""]
                .into_iter()
                .chain(scheme.optional_end.as_deref())
                .map(|end| end.as_bytes().into())
                .collect(),
            signature,
            identity,
            id,
            event,
            sent_at,
            seed,
            count: AtomicU64::new(0),
        })
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
        freshness::judge(sent_at, now, self.tolerance)
    }

    /// The id as a header has it. It was checked before the MAC.
    pub(crate) fn header_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        text_in_header(self.id_header()?, headers)
    }

    /// The event type: the first that is there. `elsewhere` says what is there beside the headers, and where
    /// that is among them. Unusable ones count as missing.
    pub(crate) fn event<'h>(
        &'h self,
        headers: &'h HeaderMap,
        elsewhere: impl Fn() -> Option<(usize, &'h str)>,
    ) -> Option<&'h str> {
        self.event.iter().enumerate().find_map(|(at, place)| match place.as_header() {
            Some(header) => text_in_header(header, headers),
            None => elsewhere().filter(|(found_at, _)| *found_at == at).map(|(_, event)| event),
        })
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

fn unproved_of(scheme: &Scheme, pointers: &[Arc<str>]) -> Result<Unproved, ConfigError> {
    let items = scheme.items.as_deref().map(Path::parse).transpose()?;
    let pointers = Pointers::new(pointers.iter().map(|text| &**text))?;
    Ok(Unproved { pointers, items })
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
