//! A genuine request of each preset, and how it is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use inhook::delivery::Key;
use inhook::presets::{self, Preset};
use inhook::scheme::{Algorithm, Encoding, Field, Identity, Layout, Part, Scheme};
use inhook::sign::{Message, Signer};
use inhook::testing::FakeClock;
use inhook::verify::VerifierBuilder;
use inhook::{Delivery, Verifier};

use crate::vector::{Vector, Verdict};

/// A genuine request of a preset, and where in it the tag is.
pub(crate) struct Genuine {
    pub(crate) preset: &'static Preset,
    pub(crate) vector: Vector,
    pub(crate) verifier: Verifier,
    pub(crate) request: Request<Bytes>,
    /// That of the delivery.
    key: Key,
    /// The control of `signed`: with its own texts it has its own tag.
    pub(crate) can_be_signed: bool,
    pub(crate) place: Place,
    /// The text that has the tag: before it, the tag, and behind it.
    pub(crate) text: [String; 3],
}

/// Where a text is.
pub(crate) enum Place {
    Header(HeaderName),
    Query,
    Body,
}

/// What may differ from one request to the next. The id and the time are empty where they are in the body, or
/// not there.
#[derive(Clone)]
pub(crate) struct Texts {
    pub(crate) id: String,
    pub(crate) time: String,
    pub(crate) body: Vec<u8>,
}

impl Genuine {
    /// One of each preset whose tag stands somewhere as it is.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: BTreeMap<&str, Self> = BTreeMap::new();
        for vector in Vector::all() {
            let preset = presets::find(&vector.scheme).unwrap();
            if vector.normative && vector.expect == Verdict::Valid && !all.contains_key(preset.name)
            {
                all.extend(Self::new(preset, vector).map(|genuine| (preset.name, genuine)));
            }
        }
        all.into_values().collect()
    }

    fn new(preset: &'static Preset, vector: Vector) -> Option<Self> {
        let request = vector.request();
        let (place, text) = find_tag(&preset.scheme, &request)?;
        let verifier = vector.verifier(&preset.scheme);
        let delivery = verifier.verify(request.clone());
        let delivery = delivery.unwrap_or_else(|error| panic!("{}: {error}", preset.name));
        let key = delivery.key();
        let can_be_signed = false;
        let mut genuine =
            Self { preset, vector, verifier, request, key, can_be_signed, place, text };
        let tag = genuine.tag_of(&genuine.texts());
        genuine.can_be_signed = tag.is_some_and(|tag| tag == genuine.tag());
        Some(genuine)
    }

    pub(crate) fn scheme(&self) -> &'static Scheme {
        &self.preset.scheme
    }

    /// Whether that is this delivery; without an identity none is another's.
    pub(crate) fn is(&self, delivery: &Delivery) -> bool {
        self.scheme().identity == Identity::None || delivery.key() == self.key
    }

    pub(crate) fn tag(&self) -> &str {
        &self.text[1]
    }

    /// The name under which it has this header.
    pub(crate) fn header(&self, name: &str) -> Option<HeaderName> {
        header(self.scheme(), &self.request, name)
    }

    /// The header that has the id.
    pub(crate) fn id_header(&self) -> Option<HeaderName> {
        self.header(self.scheme().id.as_ref()?.as_header()?)
    }

    /// Whether the MAC covers an id in a header.
    pub(crate) fn signs_id(&self) -> bool {
        self.scheme().content.contains(&Part::Id)
    }

    /// The header that has the time.
    pub(crate) fn time_header(&self) -> Option<HeaderName> {
        self.header(self.scheme().sent_at.as_ref()?.field.as_header()?)
    }

    pub(crate) fn header_text(&self, name: &HeaderName) -> String {
        self.request.headers()[name].to_str().unwrap().to_owned()
    }

    /// The time, where it is a header or stands beside the tag.
    pub(crate) fn time(&self) -> Option<String> {
        if let Some(name) = self.time_header() {
            return Some(self.header_text(&name));
        }
        let before = &self.text[0];
        let rest = match &self.scheme().sent_at.as_ref()?.field {
            Field::Parameter(name) => before.split_once(&format!("{name}="))?.1,
            Field::Entry(0) => before,
            _ => return None,
        };
        rest.split(|char: char| !char.is_ascii_digit()).next().map(str::to_owned)
    }

    pub(crate) fn texts(&self) -> Texts {
        let id = self.id_header().map(|name| self.header_text(&name));
        let body = self.request.body().to_vec();
        Texts { id: id.unwrap_or_default(), time: self.time().unwrap_or_default(), body }
    }

    /// The request with something in place of the tag; `None` where nothing can hold that.
    pub(crate) fn with_tag(&self, tag: impl AsRef<[u8]>) -> Option<Request<Bytes>> {
        let [before, _, after] = &self.text;
        self.with_text([before.as_bytes(), tag.as_ref(), after.as_bytes()].concat())
    }

    pub(crate) fn with_text(&self, text: Vec<u8>) -> Option<Request<Bytes>> {
        let mut request = self.request.clone();
        match &self.place {
            Place::Header(name) => {
                request.headers_mut().insert(name, HeaderValue::from_bytes(&text).ok()?);
            }
            Place::Query => {
                let query = String::from_utf8(text).ok()?;
                let uri = format!("{}?{query}", request.uri().path());
                *request.uri_mut() = uri.parse::<Uri>().ok()?;
            }
            Place::Body => *request.body_mut() = text.into(),
        }
        Some(request)
    }

    /// The request with some headers beside its own.
    pub(crate) fn with_headers(&self, headers: &[(&str, &str)]) -> Request<Bytes> {
        let mut request = self.request.clone();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    }

    /// The request without the header that has the id.
    pub(crate) fn without_id(&self) -> Option<Request<Bytes>> {
        let mut request = self.request.clone();
        request.headers_mut().remove(self.id_header()?)?;
        Some(request)
    }

    /// The request with other texts, and a tag that may be right or not.
    pub(crate) fn with_texts(&self, texts: &Texts, tag: &str) -> Option<Request<Bytes>> {
        let [before, _, after] = &self.text;
        let before = match (self.time_header(), self.time()) {
            (None, Some(time)) => before.replacen(&time, &texts.time, 1),
            _ => before.clone(),
        };
        let mut request = self.with_text(format!("{before}{tag}{after}").into_bytes())?;
        let id = self.id_header().map(|name| (name, &texts.id));
        for (name, text) in id.into_iter().chain(self.time_header().map(|name| (name, &texts.time)))
        {
            request.headers_mut().insert(name, HeaderValue::from_bytes(text.as_bytes()).ok()?);
        }
        *request.body_mut() = texts.body.clone().into();
        Some(request)
    }

    /// The same with the right tag, whatever the texts are; `None` where the tag is in what is signed, or
    /// more is signed than these.
    pub(crate) fn signed(&self, texts: &Texts) -> Option<Request<Bytes>> {
        let is_apart = self.can_be_signed && matches!(self.place, Place::Header(_));
        is_apart.then(|| self.with_texts(texts, &self.tag_of(texts)?))?
    }

    /// What the partner's key makes of these texts: they are constants of a scheme that judges nothing.
    fn tag_of(&self, texts: &Texts) -> Option<String> {
        let constant = |part: &Part| match part {
            Part::Id => Part::Literal(texts.id.clone().into()),
            Part::SentAt => Part::Literal(texts.time.clone().into()),
            part => part.clone(),
        };
        let content = self.scheme().content.iter().map(constant).collect();
        let scheme = Scheme {
            content,
            id: None,
            event: None,
            sent_at: None,
            tolerance: Scheme::BASE.tolerance,
            identity: Identity::None,
            ..self.scheme().clone()
        };
        let signer = self.signer(scheme.clone())?;
        let request = signer.request(&Message::new(texts.body.clone())).ok()?;
        let [_, tag, _] = find_tag(&scheme, &request)?.1;
        Some(tag)
    }

    /// Who receives it, as another source.
    pub(crate) fn builder(&self, source: &str) -> VerifierBuilder {
        let Vector { url, .. } = &self.vector;
        let builder = Verifier::builder(source, self.scheme().clone(), self.vector.secret());
        builder.allow_weak_secret().url(url).clock(Arc::new(FakeClock::at(self.vector.now())))
    }

    /// One that has the secret.
    pub(crate) fn signer(&self, scheme: Scheme) -> Option<Signer> {
        Signer::for_url(scheme, self.vector.secret(), &self.vector.url).ok()
    }

    /// What was signed there, as far as it is not in the body.
    pub(crate) fn message(&self) -> Message {
        let message = Message::new(self.request.body().clone()).sent_at(self.vector.now());
        message.id(self.vector.id.as_deref().unwrap_or("7001"))
    }

    /// The control of a message that is changed: the partner's own signature of it is accepted.
    pub(crate) fn accepts(&self, message: &Message) -> bool {
        let signer = self.signer(self.scheme().clone()).unwrap();
        signer.request(message).is_ok_and(|request| self.verifier.verify(request).is_ok())
    }
}

/// The name under which a request has this header.
fn header(scheme: &Scheme, request: &Request<Bytes>, name: &str) -> Option<HeaderName> {
    let seconds = scheme.aliases.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    let mut names = [name].into_iter().chain(seconds.map(|(_, other)| &**other));
    let name = names.find(|name| request.headers().contains_key(*name))?;
    Some(name.parse().unwrap())
}

/// Where a request has its tag, and the text around it.
fn find_tag(scheme: &Scheme, request: &Request<Bytes>) -> Option<(Place, [String; 3])> {
    let signature = &scheme.signature;
    let in_header = |name: &str| {
        let name = header(scheme, request, name)?;
        let text = request.headers()[&name].to_str().ok()?.to_owned();
        Some((Place::Header(name), text))
    };
    let (place, text) = match (&signature.field, signature.layout) {
        (Field::Header(name), Layout::Numbered) => in_header(&format!("{name}1"))?,
        (Field::Header(name), _) => in_header(name)?,
        (Field::Query(_), _) => (Place::Query, request.uri().query()?.to_owned()),
        _ => (Place::Body, String::from_utf8(request.body().to_vec()).ok()?),
    };
    let (length, is_digit) = digits(scheme.algorithm, signature.encoding);
    // The last run of digits of that length; a prefix may end in `=`.
    let runs = text.split(|char| !is_digit(char));
    let run = runs.rev().find(|run| run.len() >= length)?;
    let run_at = text.rfind(run)?;
    let at = run_at + run.len() - length;
    let [before, tag, after] = [&text[..at], &text[at..at + length], &text[at + length..]];
    Some((place, [before, tag, after].map(str::to_owned)))
}

/// How many digits a tag has, and which they are.
fn digits(algorithm: Algorithm, encoding: Encoding) -> (usize, fn(char) -> bool) {
    let bytes = match algorithm {
        Algorithm::HmacSha1 => 20,
        Algorithm::HmacSha256 => 32,
        _ => 64,
    };
    match encoding {
        Encoding::Base64 => (4 * usize::div_ceil(bytes, 3), |char| {
            char.is_ascii_alphanumeric() || "+/=".contains(char)
        }),
        Encoding::Base64Url => (usize::div_ceil(4 * bytes, 3), |char| {
            char.is_ascii_alphanumeric() || "-_".contains(char)
        }),
        _ => (2 * bytes, |char| char.is_ascii_hexdigit()),
    }
}
