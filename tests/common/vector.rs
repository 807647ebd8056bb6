//! Requests that partners' own libraries judged: `tests/data/vectors.json`.
#![allow(dead_code, reason = "each test reads what it needs")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use inhook::scheme::Scheme;
use inhook::testing::FakeClock;
use inhook::{Secret, Verifier};
use serde::Deserialize;

/// One request as it arrived.
#[derive(Deserialize)]
pub(crate) struct Vector {
    /// The name of the preset.
    pub(crate) scheme: String,
    pub(crate) case: String,
    pub(crate) reason: String,
    /// Where it is false a library made a choice of its own.
    pub(crate) normative: bool,
    /// The partner's library, or that it was derived.
    pub(crate) verified_by: String,
    pub(crate) secret: String,
    pub(crate) now_unix: u64,
    /// The endpoint, as the partner knows it.
    #[serde(default = "Vector::any_url")]
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) headers: Vec<(String, String)>,
    /// Pieces of text, and how often each is repeated.
    #[serde(default)]
    pub(crate) body: Vec<(String, usize)>,
    /// Bytes that are no text.
    pub(crate) body_base64: Option<String>,
    pub(crate) expect: Verdict,
    /// What has to be read from it; null if nothing has to be.
    pub(crate) id: Option<String>,
    pub(crate) event_type: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Valid,
    Invalid,
}

impl Vector {
    pub(crate) fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../data/vectors.json")).unwrap()
    }

    fn any_url() -> String {
        "https://hooks.example.com/".into()
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}: {}", self.scheme, self.case, self.reason)
    }

    pub(crate) fn secret(&self) -> Secret {
        Secret::new(&*self.secret).label(self.params.get("key_id").map_or("0", String::as_str))
    }

    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.now_unix)
    }

    /// Who receives it.
    pub(crate) fn verifier(&self, scheme: &Scheme) -> Verifier {
        Verifier::builder("acme", scheme.clone(), self.secret())
            // The secret that is wrong on purpose is short.
            .allow_weak_secret()
            .url(&self.url)
            .clock(Arc::new(FakeClock::at(self.now())))
            .build()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    pub(crate) fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(Bytes::from(self.body()));
        *request.uri_mut() = self.url.parse::<Uri>().unwrap();
        *request.method_mut() = Method::POST;
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        request
    }

    /// The exact bytes.
    pub(crate) fn body(&self) -> Vec<u8> {
        match &self.body_base64 {
            Some(body) => Base64::decode_vec(body).unwrap(),
            None => {
                let pieces = self.body.iter().map(|(text, times)| text.repeat(*times));
                pieces.collect::<String>().into_bytes()
            }
        }
    }
}
