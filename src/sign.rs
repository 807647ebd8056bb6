//! A [`Scheme`] run backwards: sign what a [`Verifier`](crate::Verifier) accepts.
//!
//! For tests, for the `curl` in your README, and for sending webhooks to yourself.

use std::sync::Arc;
use std::time::SystemTime;
use std::{fmt, slice};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use crate::error::ConfigError;
use crate::scheme::{Field, Part, Scheme};
use crate::secret::{KeyRing, Secret};
use crate::verify::source::Source;
use crate::verify::{Rejection, mac};

mod draft;

use draft::Draft;

/// Signs requests as one partner does.
///
/// ```
/// use inhook::{Secret, Verifier, presets, sign::{Message, Signer}};
///
/// let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
/// let signer = Signer::new(presets::STANDARD_WEBHOOKS, secret.clone())?;
/// let request = signer.request(&Message::new(r#"{"type":"contact.created"}"#).id("msg_1"))?;
///
/// let delivery = Verifier::new("acme", presets::STANDARD_WEBHOOKS, secret)?.verify(request)?;
/// assert_eq!((delivery.id(), delivery.event()), (Some("msg_1"), Some("contact.created")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Signer {
    scheme: Arc<Scheme>,
    source: Arc<Source>,
    /// With its label.
    key: (Arc<str>, mac::Key),
    url: Option<Arc<str>>,
}

impl Signer {
    /// A signer. Secrets that are too short for a [`Verifier`](crate::Verifier) are accepted.
    ///
    /// # Errors
    ///
    /// A scheme that no [`Verifier`](crate::Verifier) accepts either, or a secret that the scheme
    /// can't decode. [`ConfigError::MissingUrl`] says that [`for_url`](Self::for_url) is needed.
    pub fn new(scheme: Scheme, secret: impl Into<Secret>) -> Result<Self, ConfigError> {
        Self::prepare(scheme, secret.into(), None)
    }

    /// A signer for the endpoint with this public URL, which some partners sign. Its path and query
    /// are those of the request.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or it is no URL.
    pub fn for_url(
        scheme: Scheme,
        secret: impl Into<Secret>,
        url: &str,
    ) -> Result<Self, ConfigError> {
        Self::prepare(scheme, secret.into(), Some(url))
    }

    fn prepare(scheme: Scheme, secret: Secret, url: Option<&str>) -> Result<Self, ConfigError> {
        // A message may have been sent at any time.
        let source = Arc::new(Source::prepare("signer".into(), &scheme, url, false, None)?);
        let ring = KeyRing::prepare(&scheme, [secret], true)?;
        let key = ring.keys.into_iter().next().ok_or(ConfigError::NoSecret)?;
        Ok(Self { scheme: Arc::new(scheme), source, key, url: url.map(Arc::from) })
    }

    /// A whole signed POST request.
    ///
    /// An id, event type or time that the scheme has inside a body which is signed as a whole must be
    /// there already. Where the signature is in the body too, they are written into it; where it is in
    /// a form, the message's body is the form without it, or the JSON that goes into a field of it.
    ///
    /// # Errors
    ///
    /// The message lacks an id that is signed, has something that no header can hold, is not the JSON or
    /// the form that the scheme signs, or could not be verified for another reason than that an id or a
    /// time is not in its body.
    pub fn request(&self, message: &Message) -> Result<Request<Bytes>, SignError> {
        if self.scheme.content.contains(&Part::Id)
            && message.id.is_none()
            && matches!(self.scheme.id, Some(Field::Header(_)))
        {
            return Err(SignError::MissingId);
        }
        let mut draft = Draft::new(&self.scheme, &self.source, self.url.as_deref(), message)?;
        let (label, key) = &self.key;
        draft.sign(label, key)?;
        let mut request = Request::new(draft.body().into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = draft.uri;
        *request.headers_mut() = draft.headers;
        match self.source.prove(slice::from_ref(&self.key), &request, SystemTime::now()) {
            // What has to be there already: there are reasons to send a body without it.
            Ok(_)
            | Err(
                Rejection::NotJson { .. }
                | Rejection::IdentityField { .. }
                | Rejection::MalformedTime { .. },
            ) => Ok(request),
            Err(reason) => Err(SignError::Unverifiable { reason }),
        }
    }

    /// The headers of [`request`](Self::request), for a partner that adds nothing else.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request), or the partner adds to the body or to the query.
    pub fn sign(&self, message: &Message) -> Result<HeaderMap, SignError> {
        let (parts, body) = self.request(message)?.into_parts();
        let query = self.url.as_deref().and_then(|url| url.split_once('?')).map(|(_, query)| query);
        match body == message.body && parts.uri.query() == query {
            true => Ok(parts.headers),
            false => Err(SignError::NotInHeaders),
        }
    }
}

#[cfg(feature = "fuzzing")]
impl Signer {
    /// One that signs with another key.
    pub(crate) fn with_key(&self, key: mac::Key) -> Self {
        Self { key: (self.key.0.clone(), key), ..self.clone() }
    }

    /// The name of its secret.
    pub(crate) fn label(&self) -> &str {
        &self.key.0
    }

    /// One that signs with the same secret by another algorithm; `None` if that needs a longer one.
    pub(crate) fn with_algorithm(
        &self,
        algorithm: crate::scheme::Algorithm,
        secret: &Secret,
    ) -> Option<Self> {
        let scheme = Scheme { algorithm, ..Scheme::clone(&self.scheme) };
        Self::prepare(scheme, secret.clone(), self.url.as_deref()).ok()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("scheme", &self.scheme.name).finish_non_exhaustive()
    }
}

/// What a [`Signer`] signs.
#[derive(Debug, Clone)]
pub struct Message {
    body: Bytes,
    id: Option<String>,
    event: Option<String>,
    sent_at: Option<SystemTime>,
    headers: HeaderMap,
    fills_body: bool,
}

impl Message {
    /// A message with this body, sent now.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            id: None,
            event: None,
            sent_at: None,
            headers: HeaderMap::new(),
            fills_body: false,
        }
    }

    /// The id, for schemes that have it outside a body which is signed as a whole.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The event type, for schemes that have it outside a body which is signed as a whole.
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// When it is sent, for schemes that sign the time outside the body.
    pub fn sent_at(mut self, sent_at: SystemTime) -> Self {
        self.sent_at = Some(sent_at);
        self
    }

    /// Another header, which the scheme may sign: Mercado Pago signs `x-request-id` where it is there. A
    /// header that the scheme writes itself takes the place of one with its name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Writes the time, and the id and the event type if there are any, into a JSON body as well,
    /// where the scheme has them there. That serialises the body again.
    pub fn fill_body(mut self) -> Self {
        self.fills_body = true;
        self
    }
}

#[cfg(feature = "testing")]
impl Message {
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }
}

/// A message that can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The scheme signs an id, and the message has none.
    #[error("the scheme signs an id in a header; set one with `Message::id`")]
    MissingId,
    /// A value has bytes, or spaces at an end, that no header can hold.
    #[error(
        "the value for header `{header}` has bytes, or spaces at an end, that no header can hold"
    )]
    HeaderValue {
        /// The header.
        header: String,
    },
    /// The scheme signs fields of the JSON, or writes into it, and the body is none with room for them.
    #[error("the body needs to be a JSON object, and where items are signed to have at least one")]
    Json,
    /// What the scheme has in the query makes a URL that is none, or too long.
    #[error("the query has no room for what the scheme has there: it is too long for a URL")]
    Query,
    /// The scheme has something in a form, and the body is JSON.
    #[error("the scheme writes `{field}` into a form, and the body is JSON: give it a form")]
    NotForm {
        /// What is written.
        field: String,
    },
    /// The time is before 1970 or later than its format reaches; or the scheme signs its digits beside
    /// something else, and it has too few.
    #[error("no such time can be signed: is it before 1970, or in another unit?")]
    Time,
    /// The request could not be verified for another reason than its signature.
    #[error("no request with this message is ever accepted: {reason}")]
    Unverifiable {
        /// Why.
        reason: Rejection,
    },
    /// The scheme does not only add headers.
    #[error("the scheme writes into the body or the query as well: use `Signer::request`")]
    NotInHeaders,
}
