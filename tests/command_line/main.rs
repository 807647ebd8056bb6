//! `inhook`, the program, as it is run.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use axum::Router;
use inhook::inbox::Ledger;
use inhook::scheme::Identity;
use inhook::{Intake, MemoryInbox, Secret, Verifier, VerifyLayer, presets};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::Layer;

mod doctor;
mod schemes;
mod send;
mod sign;
mod usage;
#[path = "../common/vector.rs"]
mod vector;
mod verify;

use vector::{Vector, Verdict};

const SECRET: &str = "It's a Secret to Everybody";

/// Runs `inhook` with the secret in the environment.
fn inhook(secret: &str, args: &[&str], stdin: &[u8]) -> Output {
    inhook_with(&[("HOOK_SECRET", secret)], args, stdin)
}

/// The same with these environment variables.
fn inhook_with(variables: &[(&str, &str)], args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inhook"))
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that ends before it has read everything is none the worse for it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn verify(request: &[u8], more: &[&str]) -> Output {
    let args = ["verify", "--scheme", "github", "--secret-env", "HOOK_SECRET"];
    inhook(SECRET, &[&args, more, &["-"]].concat(), request)
}

/// The example in GitHub's documentation.
fn github() -> Vec<u8> {
    b"POST /webhooks/github HTTP/1.1\r\nHost: example.com\r\nX-GitHub-Event: ping\r\n\
      X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\r\nX-Hub-Signature-256: \
      sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\r\n\
      Content-Length: 13\r\n\r\nHello, World!"
        .to_vec()
}

/// A body that has what the preset reads from it and the command line does not write there.
fn body_of(name: &str) -> String {
    if ["mailgun/form-fields", "twilio/form-params-sha1"].contains(&name) {
        return "From=%2B1&To=%2B2".into();
    }
    let body = json!({
        "id": "1", "type": "t", "data": { "id": "1" },
        "event": { "id": "1", "type": "t", "event_time": "1768469400", "event_type": "t" },
        "action": { "id": "1" }, "event_id": "1", "webhook_id": "1",
        "webhookTimestamp": 1_768_469_400_000u64, "message_token": 4_912_661_846_655_238_145u64,
        "notificationItems": [{ "NotificationRequestItem": { "pspReference": "1" } }],
    });
    body.to_string()
}

/// A secret in the notation of the preset.
fn secret_of(name: &str) -> &'static str {
    match name.split('/').next() {
        Some("adyen") => "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        Some("airtable") => "TWZLUTlyOEdLWXFyVHdqVVBEOElMUFpJbzJMYUxhU3c=",
        _ => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }
}

fn signed(secret: &str, scheme: &str, more: &[&str], body: &str) -> Vec<u8> {
    let args =
        [&["sign", "--scheme", scheme, "--secret-env", "HOOK_SECRET"], more, &["-"]].concat();
    let output = inhook(secret, &args, body.as_bytes());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    output.stdout
}
