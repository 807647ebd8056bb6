//! Requests that the partners' own libraries judged, or their documentation decides, against the presets.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use inhook::presets::Preset;
use inhook::testing::FakeClock;
use inhook::{Delivery, Rejection, Secret, Verifier, presets};

mod common;
#[path = "common/vector.rs"]
mod vector;

use common::at;
use vector::{Vector, Verdict};

impl Vector {
    fn verify(&self, preset: &Preset) -> Result<Delivery, Rejection> {
        let label = self.params.get("key_id").map_or("0", String::as_str);
        let secret = Secret::new(self.secret.as_str()).label(label);
        let verifier = Verifier::builder("acme", preset.scheme.clone(), secret)
            // The secret that is wrong on purpose is short.
            .allow_weak_secret()
            .url(&self.url)
            .clock(Arc::new(FakeClock::at(at(self.now_unix))))
            .build()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        let mut request = Request::new(Bytes::from(self.body()));
        *request.uri_mut() = self.url.parse::<Uri>().unwrap();
        *request.method_mut() = http::Method::POST;
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        verifier.verify(request)
    }

    /// Whether the preset judges as it must; prints what becomes of the vectors that bind nobody.
    fn check(&self) -> Result<(), String> {
        let preset = presets::find(&self.scheme).ok_or_else(|| self.name())?;
        let (name, result) = (self.name(), self.verify(preset));
        let wrong = |what: String| Err(format!("{name}: {what}"));
        if !self.normative {
            println!("{name}: {:?} there, {:?} here", self.expect, result.map(drop));
            return Ok(());
        }
        match (self.expect, result) {
            (Verdict::Valid, Ok(delivery)) => {
                let (id, event) = (delivery.id(), delivery.event());
                if self.id.is_some() && id != self.id.as_deref() {
                    return wrong(format!("the id must be {:?}, not {id:?}", self.id));
                }
                if self.event_type.is_some() && event != self.event_type.as_deref() {
                    return wrong(format!("the type must be {:?}, not {event:?}", self.event_type));
                }
                Ok(())
            }
            (Verdict::Invalid, Err(rejection))
                if rejection.status() == StatusCode::UNAUTHORIZED =>
            {
                Ok(())
            }
            (expected, result) => {
                wrong(format!("must be {expected:?}, but is {:?}", result.map(drop)))
            }
        }
    }
}

#[test]
fn every_preset_judges_as_its_partner_does() {
    let vectors = Vector::all();
    let wrong: Vec<String> = vectors.iter().filter_map(|vector| vector.check().err()).collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));

    let normative = |verdict| {
        let of = |vector: &&Vector| vector.normative && vector.expect == verdict;
        vectors.iter().filter(of).count()
    };
    let counts = (normative(Verdict::Valid), normative(Verdict::Invalid));
    assert_eq!(counts, (256, 719), "a vector is missing");
}
