//! Requests that partners' own libraries judged: `tests/data/vectors.json`.
#![allow(dead_code, reason = "each test reads what it needs")]

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
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
