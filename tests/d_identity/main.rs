//! Identity: what makes two requests the same delivery, and what can't.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use inhook::dedup::{Claim, Dedup, Ticket};
use inhook::delivery::Key;
use inhook::inbox::{Inbox, LeaseOptions, Outcome, Put, Settled};
use inhook::scheme::{Encoding, Field, Identity, Layout, Scheme, SentAt, Signature, TimeFormat};
use inhook::testing::FakeClock;
use inhook::{
    ConfigError, Delivery, MemoryDedup, MemoryInbox, Rejection, Secret, SqliteInbox, Verifier,
    presets,
};

mod attempts;
#[path = "../common/mod.rs"]
mod common;
mod fields;
mod keys;
mod stores;
mod unsigned;

use common::{NOW, SECRET, SHORTLINKS, at, builder, set, shortlink, signed, text, verifier};

const BODY: &str = r#"{"action":"opened"}"#;
const OTHER_BODY: &str = r#"{"action":"closed"}"#;

/// A delivery of GitHub, whose MAC covers the body only.
fn github(identity: &Identity, id: Option<&str>, body: &str) -> Delivery {
    let verifier = builder(presets::GITHUB).identity(identity.clone()).build().unwrap();
    verifier.verify(signed(&presets::GITHUB, id.map(str::as_bytes), b"", body.to_owned())).unwrap()
}

fn standard(verifier: &Verifier, id: &str, time: u64, body: &str) -> Delivery {
    verifier.verify(standard_request(id, time, body)).unwrap()
}

fn standard_request(id: &str, time: u64, body: &str) -> Request<Bytes> {
    let time = time.to_string();
    signed(&presets::STANDARD_WEBHOOKS, Some(id.as_bytes()), time.as_bytes(), body.to_owned())
}

fn inbox() -> MemoryInbox {
    MemoryInbox::new().clock(Arc::new(FakeClock::new()))
}

/// What an inbox makes of these, one after the other.
async fn put<const N: usize>(deliveries: [Delivery; N]) -> [Put; N] {
    let inbox = inbox();
    let mut puts = [Put::Revived; N];
    for (put, delivery) in puts.iter_mut().zip(deliveries) {
        *put = inbox.put(delivery.clone()).await.unwrap();
    }
    puts
}

/// The id is one or more fields of the body.
fn by_fields(pointers: &[&'static str]) -> Scheme {
    let fields = pointers.iter().copied().map(Field::pointer).collect();
    Scheme { sent_at: None, identity: Identity::Fields(fields), ..SHORTLINKS }
}
