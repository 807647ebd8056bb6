//! Secrets and settings: what can't be right is refused before the first request.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64ct::{Base64, Base64Url, Encoding as _};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use inhook::dedup::{Claim, Dedup, Ticket};
use inhook::fuzzing::Attack;
use inhook::inbox::{Inbox, LeaseOptions, Ledger, Record, Settled};
use inhook::layer::BodyBudget;
use inhook::scheme::{
    Answer, Danger, Encoding, Field, Identity, Json, KeyFormat, KeyId, Layout, Part, Scheme,
    SentAt, Signature, TimeFormat, Tolerance,
};
use inhook::sign::{Message, Signer};
use inhook::testing::{FakeClock, Partner};
use inhook::verify::VerifierBuilder;
use inhook::{
    ConfigError, Intake, MemoryDedup, MemoryInbox, Rejection, Secret, Verifier, VerifyLayer,
    WhenFull, presets,
};
use tower::{Layer, ServiceBuilder, ServiceExt};

#[path = "../common/mod.rs"]
mod common;
mod errors;
mod limits;
#[path = "../common/log.rs"]
mod log;
mod printed;
mod rejections;
mod secrets;
mod warnings;
mod windows;

use common::{NOW, PRESETS, SECRET, SHORTLINKS, at, builder, set, shortlink, signed, verifier};
use log::Log;

const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &str = r#"{"type":"contact.created"}"#;

/// The error of building a verifier with this secret.
fn error(scheme: Scheme, secret: impl Into<Secret>) -> ConfigError {
    Verifier::new("acme", scheme, secret).unwrap_err()
}

/// A request of `presets::GITHUB`, signed with this secret.
fn github(secret: impl Into<Secret>) -> Request<Bytes> {
    let signer = Signer::new(presets::GITHUB, secret).unwrap();
    signer.request(&Message::new(BODY).id("1")).unwrap()
}

/// All that this process logs. Whatever logs has to ask for it first: where an event is reached
/// before there is a subscriber, `tracing` may remember that nobody wants it.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    log
});
