//! S5: the kit finds what is wrong with a receiver, and accuses none that is right.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use inhook::fuzzing::{Attack, Finding, Oracle, Receiver, Verdict};
use inhook::scheme::{Field, Identity, Part, Scheme};
use inhook::testing::FakeClock;
use inhook::{Delivery, Secret, Verifier, presets};
use serde_json::Value;

#[path = "../common/mod.rs"]
mod common;
mod homemade;
mod mistakes;
mod not_accused;
#[path = "../common/notation.rs"]
mod notation;
mod planted;
mod reports;
mod settings;
#[path = "../common/variable.rs"]
mod variable;

use common::{NOW, SECRET, at, builder};

/// Of GitHub's webhooks, with what is signed alone as identity.
const GITHUB: Scheme = Scheme { identity: Identity::Content, ..presets::GITHUB };

const URL: &str = "https://hooks.example.com/in?data.id=5";

/// A verifier that somebody wrapped in something.
struct Wrapped(Verifier, Wrong);

/// What it says instead.
type Wrong = fn(&Verifier, &Request<Bytes>) -> Option<Vec<u8>>;

impl Receiver for Wrapped {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        let key = (self.1)(&self.0, request);
        // One without a key is of no bytes.
        key.map_or(Verdict::Refused, |key| Verdict::Accepted {
            key: Some(key).filter(|key| !key.is_empty()),
        })
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

fn key_of(delivery: &Delivery) -> Vec<u8> {
    delivery.key().as_bytes().to_vec()
}

fn key(verifier: &Verifier, request: &Request<Bytes>) -> Option<Vec<u8>> {
    verifier.verify(request.clone()).ok().as_ref().map(key_of)
}

/// The key of the request as somebody changes it first.
fn changed(
    verifier: &Verifier,
    request: &Request<Bytes>,
    change: impl FnOnce(&mut Request<Bytes>),
) -> Option<Vec<u8>> {
    let mut request = request.clone();
    change(&mut request);
    key(verifier, &request)
}

/// GitHub's, with where the request goes in what is signed.
fn with_target() -> Scheme {
    let literal = |text: &'static str| Part::Literal(text.into());
    let content = vec![Part::Method, literal(" "), Part::Query, literal("\n"), Part::Body];
    Scheme { content: content.into(), ..GITHUB }
}

/// Two secrets in the notation of a scheme.
fn secrets_of(scheme: &Scheme) -> [Secret; 2] {
    let [new, old] = [1, 2].map(|digit| Secret::new(notation::secret(scheme, digit)));
    [new.label("key1"), old.label("key2")]
}
