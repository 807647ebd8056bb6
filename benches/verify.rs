//! What verifying costs beside the bare HMAC of the same bytes, in one run:
//! `cargo bench --bench verify`.

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Request};
use inhook::scheme::Scheme;
use inhook::sign::{Message, Signer};
use inhook::{Verifier, presets};
use sha2::Sha256;

#[path = "../tests/common/mod.rs"]
mod common;
use common::{SECRET, SHORTLINKS};

/// Where a process happens to have its memory changes the figures, so there are several.
const PROCESSES: usize = 15;
const ROUNDS: usize = 2_001;
/// As many as stay in the first-level cache.
const CALLS: usize = 16;

fn main() {
    if std::env::args().any(|arg| arg == "--once") {
        return measure();
    }
    let once = || {
        let program = std::env::current_exe().unwrap();
        let output = Command::new(program).arg("--once").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().map(|time| time.parse().unwrap()).collect::<Vec<f64>>()
    };
    let runs: Vec<Vec<f64>> = (0..PROCESSES).map(|_| once()).collect();
    let column = |at: usize| median(runs.iter().map(|run| run[at]).collect());
    println!("{:<32} {:>9} {:>9} {:>7} {:>7}", "1 KB body", "hmac", "verify", "ratio", "target");
    let rows = [
        ("Standard Webhooks", 1.25),
        ("shortener, one long string", 2.5),
        ("shortener, many short fields", 4.0),
    ];
    for (row, (name, target)) in rows.into_iter().enumerate() {
        let (bare, whole) = (column(2 * row), column(2 * row + 1));
        let ratio = whole / bare;
        println!("{name:<32} {bare:>6.0} ns {whole:>6.0} ns {ratio:>7.2} {target:>7.2}");
    }
    println!(
        "\n{:<32} {:>9} {:>9} {:>7} {:>7}",
        "Standard Webhooks", "one", "other", "ratio", "target"
    );
    for (row, name, target) in [
        (3, "a constant, a TOML file", 1.05),
        // It decodes and compares 15 more; with a MAC for each it would cost more than ten times as much.
        (4, "1 signature, 16 of them", 3.0),
    ] {
        let (one, other) = (column(2 * row), column(2 * row + 1));
        println!("{name:<32} {one:>6.0} ns {other:>6.0} ns {:>7.2} {target:>7.2}", other / one);
    }
}

/// Prints two times for each row: of the bare HMAC, and of `verify`.
fn measure() {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let long = |body: &dyn Fn(&str) -> String| body(&"x".repeat(1_024 - body("").len()));
    let standard = long(&|filler| format!(r#"{{"type":"user.created","data":"{filler}"}}"#));
    let one_string = long(&|filler| {
        format!(
            r#"{{"event":"link.created","data":"{filler}","webhook_id":"wh_abc123","delivered_at":"{now}"}}"#
        )
    });
    let mut fields = String::new();
    while fields.len() < 900 {
        fields.push_str(&format!(r#""k{}":"v{}","#, fields.len(), fields.len()));
    }
    let short_fields = long(&|filler| {
        format!(
            r#"{{"event":"link.created",{fields}"f":"{filler}","webhook_id":"wh_abc123","delivered_at":"{now}"}}"#
        )
    });
    compare(presets::STANDARD_WEBHOOKS, standard.clone());
    compare(SHORTLINKS, one_string);
    compare(SHORTLINKS, short_fields);
    let file = Scheme::from_toml("bench.toml", &presets::STANDARD_WEBHOOKS.to_toml()).unwrap();
    let one = signed(&presets::STANDARD_WEBHOOKS, &standard);
    let mut many = one.clone();
    let tag = one.headers()["webhook-signature"].to_str().unwrap();
    let wrong = format!("v1,{} ", "A".repeat(43) + "=");
    let tags = HeaderValue::from_str(&(wrong.repeat(15) + tag)).unwrap();
    many.headers_mut().insert("webhook-signature", tags);
    both(&one, &presets::STANDARD_WEBHOOKS, &one, &file);
    both(&one, &presets::STANDARD_WEBHOOKS, &many, &presets::STANDARD_WEBHOOKS);
}

fn signed(scheme: &Scheme, body: &str) -> Request<Bytes> {
    let message = Message::new(body.to_owned()).id("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W");
    let signed = Signer::new(scheme.clone(), SECRET).unwrap().sign(&message).unwrap();
    as_received(&signed, body)
}

/// Prints what verifying each request by its scheme costs, in turns.
fn both(one: &Request<Bytes>, by: &Scheme, other: &Request<Bytes>, by_other: &Scheme) {
    let verifier = |scheme: &Scheme| Verifier::new("acme", scheme.clone(), SECRET).unwrap();
    let (by, by_other) = (verifier(by), verifier(by_other));
    let (mut times, mut moved) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..ROUNDS {
        times[0].push(time(|| one.clone(), |request| by.verify(request).unwrap()));
        times[1].push(time(|| other.clone(), |request| by_other.verify(request).unwrap()));
        moved.push(time(|| one.clone(), |request| request));
    }
    let [one, other] = times.map(median);
    let moved = median(moved);
    println!("{} {}", one - moved, other - moved);
}

fn compare(scheme: Scheme, body: String) {
    let message = Message::new(body.clone()).id("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W");
    let signed = Signer::new(scheme.clone(), SECRET).unwrap().sign(&message).unwrap();
    let request = as_received(&signed, &body);
    let verifier = Verifier::new("acme", scheme, SECRET).unwrap();
    // The same bytes, part by part as a request has them: the id and the time in the headers of Standard
    // Webhooks are signed as well.
    let mut parts: Vec<&[u8]> = Vec::new();
    for header in ["webhook-id", "webhook-timestamp"] {
        if let Some(value) = signed.get(header) {
            parts.extend([value.as_bytes(), b"."]);
        }
    }
    parts.push(body.as_bytes());
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();

    let (mut bare, mut nothing) = (Vec::new(), Vec::new());
    let (mut whole, mut moved) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(time(
            || (),
            |()| {
                let mut mac = key.clone();
                for part in black_box(&parts) {
                    mac.update(part);
                }
                mac.finalize()
            },
        ));
        nothing.push(time(|| (), |()| ()));
        whole.push(time(|| request.clone(), |request| verifier.verify(request).unwrap()));
        moved.push(time(|| request.clone(), |request| request));
    }
    // Reading the clock, and handing a request in and out, are no part of either.
    println!("{} {}", median(bare) - median(nothing), median(whole) - median(moved));
}

/// The headers as an HTTP server has them: slices of one buffer.
fn as_received(signed: &HeaderMap, body: &str) -> Request<Bytes> {
    let mut headers = HeaderMap::new();
    let common = [
        ("host", "hooks.example.com"),
        ("user-agent", "Partner-Webhooks/1.0"),
        ("content-type", "application/json"),
        ("content-length", "1024"),
    ];
    let mut buffer = BytesMut::new();
    let signed = signed.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let lines: Vec<(&str, &str)> = common.into_iter().chain(signed).collect();
    for (_, value) in &lines {
        buffer.extend_from_slice(value.as_bytes());
    }
    let mut buffer = buffer.freeze();
    // What an HTTP server has sliced from is shared already.
    let _keep = buffer.clone();
    for (name, value) in lines {
        let value = HeaderValue::from_maybe_shared(buffer.split_to(value.len())).unwrap();
        headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    let mut request = Request::new(Bytes::from(body.to_owned()));
    *request.headers_mut() = headers;
    request
}

/// The nanoseconds of one call, without making what it takes and dropping what it returns.
fn time<T, R>(make: impl Fn() -> T, call: impl Fn(T) -> R) -> f64 {
    let inputs: Vec<T> = (0..CALLS).map(|_| make()).collect();
    let mut outputs = Vec::with_capacity(CALLS);
    let start = Instant::now();
    for input in inputs {
        outputs.push(call(black_box(input)));
    }
    let time = start.elapsed();
    black_box(outputs);
    time.as_secs_f64() * 1e9 / CALLS as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
