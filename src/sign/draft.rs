//! A request that is being signed.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Message, SignError};
use crate::scheme::{Field, Json, KeyId, Layout, Part, Scheme, SentAt, TimeFormat};
use crate::timestamp;
use crate::verify::form;
use crate::verify::mac::{self, Key};
use crate::verify::source::Source;
use crate::verify::{Envelope, Incoming, Reading, Rejection, sha256_hex, signed};

/// The request so far.
pub(super) struct Draft<'s> {
    scheme: &'s Scheme,
    source: &'s Source,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// The message's body, or the JSON in it.
    body: Vec<u8>,
    /// The parameters that are added to a form.
    parameters: Vec<u8>,
    /// The JSON, where the scheme writes into it; [`Self::write_json`] puts it into the body.
    json: Option<Value>,
    id: Option<String>,
    time: String,
}

impl<'s> Draft<'s> {
    /// All but the signature.
    pub(super) fn new(
        scheme: &'s Scheme,
        source: &'s Source,
        url: Option<&str>,
        message: &Message,
    ) -> Result<Self, SignError> {
        let time = scheme
            .sent_at
            .as_ref()
            .map(|sent_at| time(sent_at.format, message.sent_at.unwrap_or_else(SystemTime::now)));
        let time = time.transpose()?;
        let mut draft = Self {
            scheme,
            source,
            uri: url.map_or(Ok(Uri::from_static("/")), path_of).map_err(|_| SignError::Query)?,
            headers: message.headers.clone(),
            body: message.body.to_vec(),
            parameters: Vec::new(),
            json: None,
            id: message.id.clone(),
            time: time.clone().unwrap_or_default(),
        };
        if let Some((name, _)) = message.headers.iter().find(|(_, value)| !arrives(value)) {
            return Err(SignError::HeaderValue { header: name.to_string() });
        }
        let sent_at = scheme.sent_at.as_ref().map(|sent_at| &sent_at.field);
        let event = scheme.events().first();
        let fills = message.fills_body
            && (message.id.is_some() && scheme.id.as_ref().is_some_and(Field::is_in_json)
                || message.event.is_some() && event.is_some_and(Field::is_in_json)
                || sent_at.is_some_and(Field::is_in_json));
        if fills || scheme.signature.field.is_in_json() {
            draft.json = Some(serde_json::from_slice(&message.body).map_err(|_| SignError::Json)?);
        }
        let is_id = |field: &Field| scheme.id.as_ref().is_some_and(|id| id.is(field));
        for (name, value) in scheme.requires.iter() {
            draft.insert(name, value)?;
        }
        for (field, value) in [
            (scheme.id.as_ref(), message.id.as_deref()),
            // Where the id is the event type, it is the id.
            (event.filter(|event| !is_id(event)), message.event.as_deref()),
            (sent_at, time.as_deref()),
        ] {
            if let (Some(field), Some(value)) = (field, value) {
                draft.put(field, value)?;
            }
        }
        draft.name_form();
        draft.write_json();
        if let Some(digest) = &scheme.digest {
            let value = sha256_hex(&draft.body());
            draft.put(digest, &value)?;
        }
        Ok(draft)
    }

    /// Adds the signature, or one to each item.
    pub(super) fn sign(&mut self, label: &str, key: &Key) -> Result<(), SignError> {
        if let Some(KeyId::Header(name)) = &self.scheme.key_id {
            self.insert(name, label)?;
        }
        let tags = self.tags(key)?;
        let prefix = match self.scheme.key_id {
            Some(KeyId::Prefix(end)) => format!("{}{label}{end}", self.scheme.signature.prefix),
            _ => self.scheme.signature.prefix.to_string(),
        };
        let signatures: Vec<String> = tags.iter().map(|tag| format!("{prefix}{tag}")).collect();
        match (&self.scheme.signature.field, &self.scheme.items) {
            (Field::Pointer(pointer), Some(items)) => {
                let items = self.json.as_mut().and_then(|json| json.pointer_mut(items));
                let items = items.and_then(Value::as_array_mut).ok_or(SignError::Json)?;
                for (item, signature) in items.iter_mut().zip(&signatures) {
                    set(item, pointer, signature.as_str().into())?;
                }
            }
            (field, _) => {
                let signature = signatures.first().ok_or(SignError::Json)?;
                self.put_signature(field, signature)?;
            }
        }
        self.write_json();
        Ok(())
    }

    /// The right tag, of the request or of each item.
    fn tags(&self, key: &Key) -> Result<Vec<String>, SignError> {
        let unverifiable = |reason: Rejection| SignError::Unverifiable { reason };
        let id = self.id.as_deref().map(str::as_bytes);
        let time = self.time.as_bytes();
        if let Some(SentAt { format, .. }) = &self.scheme.sent_at
            && !self.source.time_fits(*format, time)
        {
            return Err(SignError::Time);
        }
        let body = self.body();
        let incoming = Incoming {
            method: &Method::POST,
            query: self.uri.query(),
            headers: &self.headers,
            body: &body,
        };
        let mut reading = Reading::new(incoming);
        reading.parse(self.source).map_err(unverifiable)?;
        let envelope = Envelope::unsigned(id.unwrap_or_default(), time);
        let unproved = self.source.unproved.as_ref();
        let messages = unproved
            .map(|unproved| self.source.messages(unproved, &reading, false))
            .transpose()
            .map_err(unverifiable)?;
        let content = self.source.contents.first().map(Vec::as_slice).unwrap_or_default();
        let tag = |values: &[Cow<'_, [u8]>]| {
            let tag = key.mac(signed(content, values, &envelope, &body));
            mac::encode(self.scheme.signature.encoding, &tag)
        };
        Ok(match messages {
            Some(messages) => messages.iter().map(|message| tag(message.values())).collect(),
            None => vec![tag(&[])],
        })
    }

    fn put_signature(&mut self, field: &Field, signature: &str) -> Result<(), SignError> {
        let time = &self.time;
        let entry = match self.scheme.sent_at.as_ref().map(|sent_at| &sent_at.field) {
            Some(Field::Parameter(name)) => Some((format!("{name}={time}"), 0)),
            Some(Field::Entry(at)) => Some((time.clone(), *at)),
            _ => None,
        };
        let layout = self.scheme.signature.layout;
        let value = match (entry, layout.separator()) {
            (Some((time, 0)), Some(separator)) => {
                let space = if let Layout::SpacedList(_) = layout { " " } else { "" };
                format!("{time}{separator}{space}{signature}")
            }
            // The time follows as many signatures as there have to be before it.
            (Some((time, at)), Some(separator)) => {
                format!("{}{time}", format!("{signature}{separator}").repeat(at))
            }
            _ => signature.to_owned(),
        };
        match (field, layout) {
            (Field::Header(name), Layout::Numbered) => self.insert(&format!("{name}1"), &value),
            (Field::Pointer(pointer), _) => {
                set(self.json.as_mut().ok_or(SignError::Json)?, pointer, value.into())
            }
            _ => self.put(field, &value),
        }
    }

    /// Writes a value where it belongs, unless that is in a body which is signed as it is.
    fn put(&mut self, field: &Field, value: &str) -> Result<(), SignError> {
        match field {
            Field::Header(name) => self.insert(name, value),
            Field::Pointer(pointer) | Field::Integer(pointer) => {
                match (self.as_json(field, value), &mut self.json) {
                    (value, Some(json)) => set(json, pointer, value),
                    (_, None) => Ok(()),
                }
            }
            Field::Query(name) => {
                self.is_new(name, self.uri.query().unwrap_or_default().as_bytes())?;
                let pair = pair(name, value.as_bytes());
                let pair = String::from_utf8(pair).map_err(|_| SignError::Query)?;
                let separator = if self.uri.query().is_some() { '&' } else { '?' };
                let uri = format!("{}{separator}{pair}", self.uri);
                self.uri = uri.parse().map_err(|_| SignError::Query)?;
                Ok(())
            }
            Field::Form(name) => {
                if self.scheme.json == Json::Body && is_json(&self.body) {
                    return Err(SignError::NotForm { field: name.to_string() });
                }
                self.is_new(name, &self.body())?;
                self.parameters = joined(&self.parameters, &pair(name, value.as_bytes()));
                Ok(())
            }
            // The first two are part of the signature header; the last one is never written.
            Field::Parameter(_) | Field::Entry(_) | Field::FirstOf(_) => Ok(()),
        }
    }

    /// Twice in a query or a form, a parameter is refused.
    fn is_new(&self, name: &str, parameters: &[u8]) -> Result<(), SignError> {
        let parameters = form::url_encoded(parameters).unwrap_or_default();
        match form::value(&parameters, name) {
            Ok(None) => Ok(()),
            _ => Err(SignError::Unverifiable {
                reason: Rejection::SignedField { field: Arc::from(name) },
            }),
        }
    }

    /// What has to be a number, and a time unless its text is signed, is one.
    fn as_json(&self, field: &Field, value: &str) -> Value {
        let is_time = |sent_at: &SentAt| {
            sent_at.field == *field
                && sent_at.format != TimeFormat::Rfc3339
                && !self.scheme.content.contains(&Part::SentAt)
        };
        let is_number =
            matches!(field, Field::Integer(_)) || self.scheme.sent_at.as_ref().is_some_and(is_time);
        let number = value.parse().ok().filter(|_| is_number).map(Value::Number);
        number.unwrap_or_else(|| value.into())
    }

    fn insert(&mut self, name: &str, value: &str) -> Result<(), SignError> {
        let unusable = || SignError::HeaderValue { header: name.into() };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let value = HeaderValue::from_str(value).ok().filter(arrives).ok_or_else(unusable)?;
        self.headers.insert(header, value);
        Ok(())
    }

    fn write_json(&mut self) {
        if let Some(json) = &self.json {
            self.body = json.to_string().into_bytes();
        }
    }

    /// The body as it is sent: with the JSON in the form that it belongs into, and what is added to that.
    pub(super) fn body(&self) -> Vec<u8> {
        match &self.scheme.json {
            Json::Form(name) => joined(&pair(name, &self.body), &self.parameters),
            _ => joined(&self.body, &self.parameters),
        }
    }

    /// Says of a form that it is one, where nothing else is said.
    fn name_form(&mut self) {
        if self.source.reads_form || self.scheme.content.contains(&Part::SortedForm) {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            self.headers.entry(header::CONTENT_TYPE).or_insert(form);
        }
    }
}

/// The text of a time, if it is that of no other one.
fn time(format: TimeFormat, time: SystemTime) -> Result<String, SignError> {
    let text = timestamp::write(format, time);
    let read = timestamp::parse(format, text.as_bytes()).ok_or(SignError::Time)?;
    let away = time.duration_since(read).unwrap_or_else(|error| error.duration());
    if away < Duration::from_secs(1) { Ok(text) } else { Err(SignError::Time) }
}

/// Whether all of a value gets there. Spaces at its ends don't: RFC 9110, section 5.5.
fn arrives(value: &HeaderValue) -> bool {
    let ends = [value.as_bytes().first(), value.as_bytes().last()];
    !ends.into_iter().flatten().any(|byte| b" \t".contains(byte))
}

/// Whether a body is an object or an array, which hardly any form is.
fn is_json(body: &[u8]) -> bool {
    matches!(serde_json::from_slice(body), Ok(Value::Object(_) | Value::Array(_)))
}

/// The path and the query of a URL.
fn path_of(url: &str) -> Result<Uri, http::Error> {
    let uri: Uri = url.parse().map_err(http::Error::from)?;
    let path = uri.path_and_query().cloned();
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = path;
    Uri::from_parts(parts).map_err(http::Error::from)
}

/// Two forms as one.
fn joined(one: &[u8], other: &[u8]) -> Vec<u8> {
    let separator: &[u8] = if one.is_empty() || other.is_empty() { b"" } else { b"&" };
    [one, separator, other].concat()
}

/// `name=value`, encoded.
fn pair(name: &str, value: &[u8]) -> Vec<u8> {
    let encode = |text: &[u8]| percent_encoding::percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!("{}={}", utf8_percent_encode(name, NON_ALPHANUMERIC), encode(value)).into_bytes()
}

/// Writes a value into JSON, with the objects that lead to it, and the first items of arrays.
fn set(json: &mut Value, pointer: &str, value: Value) -> Result<(), SignError> {
    let mut at = json;
    let mut tokens = pointer.split('/').skip(1).peekable();
    while let Some(token) = tokens.next() {
        let key = token.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Array(items) => {
                let index: usize = key.parse().map_err(|_| SignError::Json)?;
                items.get_mut(index).ok_or(SignError::Json)?
            }
            Value::Object(members) => {
                let leads_on = match tokens.peek() {
                    Some(&"0") => Value::Array(vec![Value::Object(Default::default())]),
                    _ => Value::Object(Default::default()),
                };
                members.entry(key).or_insert(leads_on)
            }
            _ => return Err(SignError::Json),
        };
    }
    *at = value;
    Ok(())
}
