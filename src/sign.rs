//! A [`Scheme`] run backwards: sign what a [`Verifier`](crate::Verifier) accepts.
//!
//! For tests, for the `curl` in your README, and for sending webhooks to yourself.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ConfigError;
use crate::scheme::{Field, Layout, Part, Scheme, SentAt};
use crate::secret::{KeyRing, Secret};
use crate::timestamp;
use crate::verify::mac;
use crate::verify::source::Source;

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
    key: mac::Key,
}

impl Signer {
    /// A signer. Secrets that are too short for a [`Verifier`](crate::Verifier) are accepted.
    ///
    /// # Errors
    ///
    /// A scheme that no [`Verifier`](crate::Verifier) accepts either, or a secret that the scheme
    /// can't decode.
    pub fn new(scheme: Scheme, secret: impl Into<Secret>) -> Result<Self, ConfigError> {
        Source::prepare("signer".into(), &scheme, true, None)?;
        let ring = KeyRing::prepare(&scheme, [secret.into()], true)?;
        let (_, key) = ring.keys.into_iter().next().ok_or(ConfigError::NoSecret)?;
        Ok(Self { scheme: Arc::new(scheme), key })
    }

    /// The headers that the partner would send with this message. An id, event type or time that
    /// the scheme has inside the body must be there already.
    ///
    /// # Errors
    ///
    /// The message lacks an id that is signed, or has something that no header can hold.
    pub fn sign(&self, message: &Message) -> Result<HeaderMap, SignError> {
        let scheme = &*self.scheme;
        let mut headers = HeaderMap::new();
        let id = message.id.as_deref();
        if scheme.content.contains(&Part::Id) && id.is_none() {
            return Err(SignError::MissingId);
        }
        let time = scheme.sent_at.as_ref().map(|sent_at| {
            timestamp::write(sent_at.format, message.sent_at.unwrap_or_else(SystemTime::now))
        });
        let parts = scheme.content.iter().map(|part| match part {
            Part::Body => &*message.body,
            Part::Id => id.unwrap_or_default().as_bytes(),
            Part::SentAt => time.as_deref().unwrap_or_default().as_bytes(),
            Part::Literal(text) => text.as_bytes(),
        });
        let tag = mac::encode(scheme.signature.encoding, &self.key.mac(parts));
        let mut signature = format!("{}{tag}", scheme.signature.prefix);
        let time = time.as_deref().unwrap_or_default();
        match (&scheme.sent_at, scheme.signature.layout) {
            (Some(SentAt { field: Field::Header(name), .. }), _) => {
                insert(&mut headers, name, time)?;
            }
            (Some(SentAt { field: Field::Parameter(name), .. }), Layout::List(separator)) => {
                signature = format!("{name}={time}{separator}{signature}");
            }
            _ => {}
        }
        insert(&mut headers, &scheme.signature.header, &signature)?;
        for (field, value) in [(&scheme.id, id), (&scheme.event, message.event.as_deref())] {
            if let (Some(Field::Header(name)), Some(value)) = (field, value) {
                insert(&mut headers, name, value)?;
            }
        }
        Ok(headers)
    }

    /// A whole signed POST request.
    ///
    /// # Errors
    ///
    /// As [`sign`](Self::sign).
    pub fn request(&self, message: &Message) -> Result<http::Request<Bytes>, SignError> {
        let mut request = http::Request::new(message.body.clone());
        *request.method_mut() = http::Method::POST;
        *request.headers_mut() = self.sign(message)?;
        Ok(request)
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
}

impl Message {
    /// A message with this body, sent now.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), id: None, event: None, sent_at: None }
    }

    /// The id, for schemes that have it in a header.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The event type, for schemes that have it in a header.
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// When it is sent, for schemes that sign the time in a header.
    pub fn sent_at(mut self, sent_at: SystemTime) -> Self {
        self.sent_at = Some(sent_at);
        self
    }
}

#[cfg(feature = "testing")]
impl Message {
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.body
    }

    pub(crate) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// A message that can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The scheme signs an id, and the message has none.
    #[error("the scheme signs an id in a header; set one with `Message::id`")]
    MissingId,
    /// A value has bytes that no header can hold.
    #[error("the value for header `{header}` has bytes that no header can hold")]
    HeaderValue {
        /// The header.
        header: String,
    },
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), SignError> {
    let unusable = || SignError::HeaderValue { header: name.into() };
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
    headers.insert(header, HeaderValue::from_str(value).map_err(|_| unusable())?);
    Ok(())
}
