//! Requests that the partners' own libraries judged, or their documentation decides, against the presets.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use inhook::scheme::Scheme;
use inhook::testing::FakeClock;
use inhook::{Delivery, Rejection, Verifier, presets};
use serde::Deserialize;

mod common;

use common::at;

/// One request as it arrived.
#[derive(Deserialize)]
struct Vector {
    provider: String,
    case: String,
    reason: String,
    /// Where it is false a library made a choice of its own.
    normative: bool,
    secret: String,
    now_unix: u64,
    headers: Vec<(String, String)>,
    /// Pieces of text, and how often each is repeated.
    body: Vec<(String, usize)>,
    expect: Verdict,
    /// What has to be read from it; null if nothing has to be.
    id: Option<String>,
    event_type: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Valid,
    Invalid,
}

impl Vector {
    fn of(providers: &[&str]) -> Vec<Self> {
        let all: Vec<Self> = serde_json::from_str(include_str!("data/vectors.json")).unwrap();
        all.into_iter().filter(|vector| providers.contains(&&*vector.provider)).collect()
    }

    fn verify(&self, scheme: Scheme) -> Result<Delivery, Rejection> {
        let verifier = Verifier::builder("acme", scheme, self.secret.as_str())
            // The secret that is wrong on purpose is short.
            .allow_weak_secret()
            .clock(Arc::new(FakeClock::at(at(self.now_unix))))
            .build()
            .unwrap();
        let body: String = self.body.iter().map(|(text, times)| text.repeat(*times)).collect();
        let mut request = Request::new(Bytes::from(body));
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        verifier.verify(request)
    }
}

/// Checks the normative vectors, and prints what becomes of the others.
fn check(scheme: &Scheme, providers: &[&str], valid: usize, invalid: usize) {
    let mut checked = (0, 0);
    for vector in Vector::of(providers) {
        let result = vector.verify(scheme.clone());
        let name = format!("{} {}: {}", vector.provider, vector.case, vector.reason);
        if !vector.normative {
            println!("{name}: {:?} there, {:?} here", vector.expect, result.map(drop));
            continue;
        }
        match (vector.expect, result) {
            (Verdict::Valid, Ok(delivery)) => {
                checked.0 += 1;
                if vector.id.is_some() {
                    assert_eq!(delivery.id(), vector.id.as_deref(), "{name}");
                }
                if vector.event_type.is_some() {
                    assert_eq!(delivery.event(), vector.event_type.as_deref(), "{name}");
                }
            }
            (Verdict::Invalid, Err(rejection)) => {
                checked.1 += 1;
                assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED, "{name}");
            }
            (expected, result) => panic!("{name}: must be {expected:?}, but is {result:?}"),
        }
    }
    assert_eq!(checked, (valid, invalid), "a vector is missing");
}

#[test]
fn github() {
    check(&presets::GITHUB, &["github"], 6, 15);
}

#[test]
fn standard_webhooks() {
    check(&presets::STANDARD_WEBHOOKS, &["standard-webhooks", "svix"], 18, 46);
}

#[test]
fn svix() {
    check(&presets::SVIX, &["standard-webhooks", "svix"], 18, 46);
}

#[test]
fn stripe() {
    check(&presets::STRIPE, &["stripe"], 8, 18);
}

/// Among them is the example in Slack's documentation, a slash command.
#[test]
fn slack() {
    check(&presets::SLACK, &["slack"], 4, 7);
}

#[test]
fn shopify() {
    check(&presets::SHOPIFY, &["shopify"], 3, 9);
}
