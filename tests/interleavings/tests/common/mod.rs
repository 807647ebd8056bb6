//! Deliveries, and a clock that stands still.

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::Request;
use inhook::clock::Clock;
use inhook::sign::{Message, Signer};
use inhook::{Verifier, presets};

/// How many orders are tried of each test.
pub(crate) const ORDERS: usize = 3_000;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[derive(Debug)]
pub(crate) struct Standing(SystemTime, Instant);

impl Standing {
    pub(crate) fn new() -> Self {
        Self(SystemTime::now(), Instant::now())
    }
}

impl Clock for Standing {
    fn now(&self) -> SystemTime {
        self.0
    }

    fn instant(&self) -> Instant {
        self.1
    }
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap()
}

pub(crate) fn request(id: &str) -> Request<Bytes> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let message = Message::new(r#"{"type":"ping"}"#).id(id).sent_at(SystemTime::now());
    signer.request(&message).unwrap()
}
