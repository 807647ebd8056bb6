//! What it costs to verify a request of 1 KB by Standard Webhooks: the bare HMAC, Inhook, and the
//! crates of the specification and of Svix, in one run.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Request};
use inhook::sign::{Message, Signer};
use inhook::{Verifier, presets};
use sha2::Sha256;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ROUNDS: usize = 501;
const CALLS: usize = 200;

fn main() {
    let front = r#"{"type":"user.created","data":""#;
    let body = format!("{front}{}\"}}", "x".repeat(1_024 - front.len() - 2));
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let message = Message::new(body.clone()).id("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W");
    let mut headers: HeaderMap = signer.sign(&message).unwrap();
    for (name, value) in [("host", "hooks.example.com"), ("content-type", "application/json")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let mut request = Request::new(Bytes::from(body.clone()));
    *request.headers_mut() = headers.clone();

    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let standard = standardwebhooks::Webhook::new(SECRET).unwrap();
    let svix = svix::webhooks::Webhook::new(SECRET).unwrap();
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let id = headers["webhook-id"].as_bytes();
    let time = headers["webhook-timestamp"].as_bytes();

    // All in turns, so that whatever disturbs the machine disturbs each of them.
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(measure(|| {
            let mut mac = key.clone();
            for part in [id, b".", time, b".", body.as_bytes()] {
                mac.update(part);
            }
            black_box(mac.finalize());
        }));
        // Inhook takes the request and gives it back in the delivery; the others only look at it.
        times[1].push(measure(|| drop(black_box(request.clone()))));
        times[2].push(measure(|| drop(black_box(verifier.verify(request.clone()).unwrap()))));
        times[3].push(measure(|| standard.verify(body.as_bytes(), &headers).unwrap()));
        times[4].push(measure(|| svix.verify(body.as_bytes(), &headers).unwrap()));
    }
    let [bare, copy, inhook, standard, svix] = times.map(median);
    let inhook = inhook - copy;
    println!(
        "{:<28} {:>9} {:>12} {:>16}",
        "1 KB, Standard Webhooks", "", "x bare HMAC", "x Inhook"
    );
    for (name, time) in [
        ("bare HMAC-SHA256", bare),
        ("inhook", inhook),
        ("standardwebhooks", standard),
        ("svix", svix),
    ] {
        println!("{name:<28} {time:>6.0} ns {:>12.2} {:>16.2}", time / bare, time / inhook);
    }
}

/// The nanoseconds of one call.
fn measure(call: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / CALLS as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
