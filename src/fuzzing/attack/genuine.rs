//! A request that the partner signs.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request};
use serde::de::IgnoredAny;

use super::Attack;
use super::clock::{Now, in_time};
use super::content::Content;
use super::moves::names;
use crate::fuzzing::choices::Choices;
use crate::sign::{Message, SignError, Signer};

/// A signed request, and what it was made of.
#[derive(Debug, Clone)]
pub(super) struct Genuine {
    pub(super) request: Request<Bytes>,
    pub(super) content: Content,
    pub(super) sent_at: SystemTime,
    /// Whether it has all that the scheme asks for, so nobody may refuse it.
    pub(super) is_complete: bool,
}

impl Genuine {
    pub(super) fn new(
        attack: &Attack,
        now: Now,
        choices: &mut Choices<'_>,
    ) -> Result<Self, SignError> {
        let sent_at = in_time(&attack.scheme, now, choices);
        let content = Content::new(attack, sent_at, choices);
        let signer = attack.signer(choices);
        Self::sign(attack, signer, content, sent_at)
    }

    /// What may be too long, too old, or of another kind than a receiver expects.
    pub(super) fn shape(&self, attack: &Attack, now: Now) -> String {
        let (id, bytes) = (self.content.id(attack), self.request.body().len());
        let id = attack.scheme.id.iter().map(|_| format!("the id `{id}` and ")).collect::<String>();
        let age =
            attack.scheme.sent_at.as_ref().map(|_| match now.at.duration_since(self.sent_at) {
                Ok(age) => format!(", {} s ago", age.as_secs()),
                Err(error) => format!(", dated {} s ahead", error.duration().as_secs()),
            });
        format!("with {id}{bytes} bytes of body{}", age.unwrap_or_default())
    }

    /// The same message, sent at another time and perhaps signed by somebody else.
    pub(super) fn sign(
        attack: &Attack,
        signer: &Signer,
        content: Content,
        sent_at: SystemTime,
    ) -> Result<Self, SignError> {
        let scheme = &attack.scheme;
        let (body, is_complete) = content.body(attack, sent_at)?;
        let mut message = Message::new(body).sent_at(sent_at);
        if let Some(field) = &scheme.id {
            message = message.id(content.text_in(attack, field));
        }
        for (name, value) in &attack.headers {
            message = message.header(name.clone(), value.clone());
        }
        for field in content.fields(scheme) {
            let Some(name) = field.as_header().filter(|name| !attack.sends(name)) else { continue };
            let unusable = || SignError::HeaderValue { header: name.into() };
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
            let value = HeaderValue::from_str(&content.text_in(attack, field));
            message = message.header(header, value.map_err(|_| unusable())?);
        }
        // An event type has no place in JSON if it belongs into a form, nor where another value is required.
        let with_event = signer.request(&message.clone().event(&attack.event));
        let mut request = with_event.or_else(|_| signer.request(&message))?;
        if !names(scheme, CONTENT_TYPE.as_str()) {
            let is_json = serde_json::from_slice::<IgnoredAny>(request.body()).is_ok();
            let kind = if is_json { "application/json" } else { "application/octet-stream" };
            let kind = HeaderValue::from_static(kind);
            request.headers_mut().entry(CONTENT_TYPE).or_insert(kind);
        }
        Ok(Self { request, content, sent_at, is_complete })
    }
}
