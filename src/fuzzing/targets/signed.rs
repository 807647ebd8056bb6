//! What is signed in a request, read once more: from a tree where the verifier has one pass, from a list
//! where it has a map, and with nothing that it uses.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::capture;
use super::fixtures::URL;
use super::forms::{self, Pairs};
use crate::scheme::{Encoding, Field, Identity, Json, KeyId, Layout, Part, Scheme, SentAt};

/// How many items of a request may be signed.
const MAX_ITEMS: usize = 100;

/// A request, read by a scheme.
pub(super) struct Reading<'r> {
    scheme: &'r Scheme,
    request: &'r Request<Bytes>,
    query: Pairs,
    form: Pairs,
    json: Option<Value>,
}

/// What is signed once.
pub(super) struct Message {
    /// In every way in which it may be: as it is, or with the other spelling of the URL, or with an end.
    pub(super) contents: Vec<Vec<u8>>,
    signatures: Vec<Vec<u8>>,
}

impl<'r> Reading<'r> {
    /// `None` where the scheme looks into JSON that has numbers or text that no tree holds: elsewhere in it that is
    /// no error.
    pub(super) fn new(scheme: &'r Scheme, request: &'r Request<Bytes>) -> Option<Self> {
        let query = forms::pairs(request.uri().query().unwrap_or_default().as_bytes());
        let kinds = request.headers().get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
        let form = match (scheme.multipart, &kinds.collect::<Vec<_>>()[..]) {
            (false, _) => forms::pairs(request.body()),
            (true, []) => forms::in_either(None, request.body()),
            (true, [kind]) => forms::in_either(Some(kind), request.body()),
            (true, _) => None,
        };
        let form = form.unwrap_or_default();
        let text = match &scheme.json {
            Json::Form(name) => value(&form, name).unwrap_or_default(),
            Json::Body => request.body().to_vec(),
        };
        let json = serde_json::from_slice(&text).ok();
        let looks = scheme.items.is_some() || scheme.fields().any(Field::is_in_json);
        if json.is_none() && looks && serde_json::from_slice::<IgnoredAny>(&text).is_ok() {
            return None;
        }
        Some(Self { scheme, request, query: query.unwrap_or_default(), form, json })
    }

    /// All that has to be signed: the request, or each of its items; `None` if something of that is absent.
    pub(super) fn messages(&self) -> Option<Vec<Message>> {
        let message = |json| {
            Some(Message { contents: self.spellings(json)?, signatures: self.signatures(json) })
        };
        let items = match &self.scheme.items {
            None => return Some(vec![message(self.json.as_ref())?]),
            Some(pointer) => self.json.as_ref()?.pointer(pointer)?.as_array()?,
        };
        let fits = (1..=MAX_ITEMS).contains(&items.len());
        if fits { items.iter().map(|item| message(Some(item))).collect() } else { None }
    }

    /// The texts that are signatures, or what stands beside one in a list.
    fn signatures(&self, json: Option<&Value>) -> Vec<Vec<u8>> {
        let signature = &self.scheme.signature;
        let Field::Header(name) = &signature.field else {
            let text = self.value(&signature.field, json);
            return text.into_iter().flat_map(|text| self.entries(text)).collect();
        };
        let aliases = self.scheme.aliases.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let names = signature.others.iter().chain(aliases.map(|(_, other)| other));
        let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
        match signature.layout {
            Layout::Numbered => names.extend((1..=16).map(|number| format!("{name}{number}"))),
            _ => names.push(name.to_string()),
        }
        let values = names.iter().flat_map(|name| self.request.headers().get_all(name));
        values.flat_map(|value| self.entries(value.as_bytes().to_vec())).collect()
    }

    fn spellings(&self, json: Option<&Value>) -> Option<Vec<Vec<u8>>> {
        let other = URL.replacen(".com", ".com:443", 1);
        let urls = if self.scheme.either_port { vec![URL, &other] } else { vec![URL] };
        let ends = std::iter::once("").chain(self.scheme.optional_end.as_deref());
        let content = |url| {
            let parts = self.scheme.content.iter().map(|part| self.part(part, url, json));
            Some(parts.collect::<Option<Vec<_>>>()?.concat())
        };
        let contents = urls.into_iter().map(content).collect::<Option<Vec<_>>>()?;
        Some(
            ends.flat_map(|end| contents.iter().map(move |it| [it, end.as_bytes()].concat()))
                .collect(),
        )
    }

    fn part(&self, part: &Part, url: &str, json: Option<&Value>) -> Option<Vec<u8>> {
        let body = self.request.body();
        let query = self.request.uri().query();
        let (base, _) = url.split_once('?').expect("a URL with a query");
        Some(match part {
            Part::Body => body.to_vec(),
            Part::BodySha256 => sha256(body).into_bytes(),
            Part::Id => self.value(self.scheme.id.as_ref()?, json)?,
            Part::SentAt => self.value(&self.scheme.sent_at.as_ref()?.field, json)?,
            Part::Literal(text) => text.as_bytes().to_vec(),
            Part::Method => self.request.method().as_str().into(),
            Part::Url if Part::leaves(&self.scheme.content).contains(&&Part::Query) => base.into(),
            Part::Url => url.into(),
            Part::Path => base[base.rfind('/')?..].into(),
            Part::Query => query?.into(),
            Part::Field(field) => self.value(field, json)?,
            Part::SortedForm => {
                let mut form = forms::pairs(body)?;
                let units = |text: &[u8]| -> Vec<u16> {
                    String::from_utf8_lossy(text).encode_utf16().collect()
                };
                form.sort_by_key(|(name, value)| {
                    (units(name), units(value), name.clone(), value.clone())
                });
                form.dedup();
                form.into_iter().flat_map(|(name, value)| [name, value].concat()).collect()
            }
            Part::Optional(parts) => {
                let pieces = parts.iter().map(|part| self.part(part, url, json));
                let pieces = pieces.collect::<Option<Vec<_>>>().unwrap_or_default();
                let is_empty = |(part, piece): (&Part, &Vec<u8>)| {
                    !matches!(part, Part::Literal(_)) && piece.is_empty()
                };
                let nothing = parts.iter().zip(&pieces).any(is_empty);
                if nothing { Vec::new() } else { pieces.concat() }
            }
        })
    }

    /// The one value at a place; pointers begin at this JSON.
    fn value(&self, field: &Field, json: Option<&Value>) -> Option<Vec<u8>> {
        match field {
            Field::Header(name) => self.header(name),
            Field::Query(name) => value(&self.query, name),
            Field::Form(name) => value(&self.form, name),
            Field::Pointer(pointer) | Field::Integer(pointer) => match json?.pointer(pointer)? {
                Value::Number(number) if number.is_u64() => Some(number.to_string().into()),
                _ if matches!(field, Field::Integer(_)) => None,
                Value::Number(number) if number.is_i64() => Some(number.to_string().into()),
                Value::Bool(bool) => Some(bool.to_string().into()),
                Value::String(text) => Some(text.clone().into()),
                _ => None,
            },
            Field::Parameter(name) => {
                let start = format!("{name}=").into_bytes();
                let entries = self.signatures(json);
                let times = entries.iter().filter_map(|entry| entry.strip_prefix(&*start));
                let mut times: Vec<&[u8]> = times.collect();
                if matches!(self.scheme.signature.layout, Layout::Lists(_)) {
                    times.dedup();
                }
                one(times.into_iter().map(<[u8]>::to_vec))
            }
            Field::Entry(at) => self.signatures(json).into_iter().nth(*at),
            Field::FirstOf(fields) => fields.iter().find_map(|field| self.value(field, json)),
        }
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        let mut aliases = self.scheme.aliases.iter();
        let alias = aliases.find(|(own, _)| own.eq_ignore_ascii_case(name));
        let under = |name: &str| -> Vec<Vec<u8>> {
            let values = self.request.headers().get_all(name).iter();
            values.map(|value| value.as_bytes().to_vec()).collect()
        };
        let other = alias.map(|(_, other)| under(other)).unwrap_or_default();
        match (&under(name)[..], &other[..]) {
            ([value], []) | ([], [value]) => Some(value.clone()),
            ([value], [other]) if value == other => Some(value.clone()),
            _ => None,
        }
    }

    /// The entries of a text in which a signature is, where it is a list.
    fn entries(&self, text: Vec<u8>) -> Vec<Vec<u8>> {
        let (separators, spaced): (Vec<char>, _) = match self.scheme.signature.layout {
            Layout::List(separator) => (vec![separator], false),
            Layout::SpacedList(separator) => (vec![separator], true),
            Layout::Lists(separator) => (vec![separator, ' '], false),
            Layout::Single | Layout::Repeated | Layout::Numbered => return vec![text],
        };
        let entries = text.split(|byte| separators.contains(&char::from(*byte))).enumerate();
        let entry = |(at, entry): (usize, &'_ [u8])| match entry {
            [b' ', rest @ ..] if spaced && at > 0 => rest.to_vec(),
            entry => entry.to_vec(),
        };
        entries.map(entry).collect()
    }

    /// What a request that is signed with the key of this label says beside its signature, and is not so.
    pub(super) fn contradiction(&self, label: &str) -> Option<&'static str> {
        let named = match &self.scheme.key_id {
            Some(KeyId::Header(name)) => self.header(name).as_deref() == Some(label.as_bytes()),
            Some(KeyId::Prefix(_)) | None => true,
        };
        let digest = self.scheme.digest.as_ref();
        let digests = digest.map(|field| self.value(field, self.json.as_ref()));
        let mut required = self.scheme.requires.iter();
        if digests.is_some_and(|it| it != Some(sha256(self.request.body()).into_bytes())) {
            Some("the digest is not that of the body")
        } else if required
            .any(|(name, value)| self.header(name).as_deref() != Some(value.as_bytes()))
        {
            Some("a required header has another value")
        } else if !named {
            Some("it names another key")
        } else {
            None
        }
    }

    /// What tells this delivery from others of the source that have the same time. `None` if nothing does.
    pub(super) fn identity(&self) -> Option<BTreeSet<Vec<Vec<u8>>>> {
        let json = self.json.as_ref();
        // One that can't be an id is none.
        let is_id = |id: &Vec<u8>| match std::str::from_utf8(id) {
            Ok(text) => text.len() <= 255 && !text.chars().any(char::is_control),
            Err(_) => false,
        };
        let id = || match self.scheme.id.as_ref()? {
            // Nor is a number where a text is expected.
            Field::Pointer(pointer) => Some(json?.pointer(pointer)?.as_str()?.into()),
            field => self.value(field, json),
        };
        let id = || id().filter(is_id);
        let id = || vec![id().unwrap_or_default()];
        // Items count in whatever order, and each once.
        let contents = || Some(self.messages()?.into_iter().map(|it| it.contents).collect());
        match &self.scheme.identity {
            Identity::Fields(fields) => {
                let values = fields.iter().map(|field| self.value(field, json));
                Some([values.collect::<Option<_>>()?].into())
            }
            Identity::UnsignedId => Some([id()].into()),
            Identity::Content => contents(),
            Identity::IdAndContent => {
                let mut all: BTreeSet<_> = contents()?;
                all.insert(id());
                Some(all)
            }
            Identity::None => None,
        }
    }

    /// The time of the attempt, as it is written.
    pub(super) fn time(&self) -> Option<Vec<u8>> {
        let SentAt { field, .. } = self.scheme.sent_at.as_ref()?;
        self.value(field, self.json.as_ref())
    }
}

impl Message {
    /// Whether one of the texts is the tag of any of the contents, as a key with this label writes it; in
    /// either case where the scheme says so.
    pub(super) fn is_signed(&self, scheme: &Scheme, label: &str, key: &[u8]) -> bool {
        let label = match scheme.key_id {
            Some(KeyId::Prefix(end)) => format!("{label}{end}"),
            _ => String::new(),
        };
        let any_case = scheme.signature.encoding == Encoding::AnyCaseHex;
        let is =
            |one: &[u8], other: &[u8]| one == other || any_case && one.eq_ignore_ascii_case(other);
        self.contents.iter().any(|content| {
            let tag = capture::tag_of(scheme, key, content);
            let tag = format!("{}{label}{tag}", scheme.signature.prefix).into_bytes();
            self.signatures.iter().any(|signature| is(signature, &tag))
        })
    }
}

fn value(pairs: &Pairs, name: &str) -> Option<Vec<u8>> {
    let values = pairs.iter().filter(|(other, _)| other == name.as_bytes());
    one(values.map(|(_, value)| value.clone()))
}

/// The only one.
fn one<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next();
    first.filter(|_| all.next().is_none())
}

pub(super) fn sha256(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}
