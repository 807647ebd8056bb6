//! S1: what somebody was once let in with, for every preset: all of it is refused, nothing panics, and what
//! is accepted is the delivery that it was.
//!
//! Here is what concerns a request and its preset. What holds of the types, or of any scheme alike, is in
//! `a_configuration` (A6, A9), `c_time` (C8), `constant-time` (B13, B14) and `wycheproof.rs` (B19). What is
//! about a store, a server or a worker is no matter of a preset: D1, D5, D8 to D10, D12 and D13 are in
//! `d_identity`, `dedup*.rs`, `redis` and `model`, group E beyond E2, E6 and E8 in `e_http.rs`, and group
//! F in `f_store.rs`, `f_worker*.rs`, `spill.rs` and `crash`.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use inhook::fuzzing::Receiver;
use inhook::{Delivery, Rejection};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::Value;

#[path = "../common/notation.rs"]
mod notation;
#[path = "../common/vector.rs"]
mod vector;

mod body;
mod genuine;
mod identity;
mod secrets;
mod signature;
mod target;
mod time;

use genuine::Genuine;

/// A case by its number, what must become of its requests, how they are made of a genuine one, and how many
/// presets have it at least.
type Case = (&'static str, Must, fn(&Genuine) -> Vec<Request<Bytes>>, usize);

/// What must become of a request.
#[derive(Debug, Clone, Copy)]
enum Must {
    /// It is the one 401.
    BeRefused,
    /// That as well, and before its body is read: no signature would change that.
    BeRefusedEarly,
    /// Correctly signed, and too early or too late.
    BeOutOfTime,
    /// Correctly signed, but not usable as a delivery: 400, or 401 where the body has a time that is none.
    BeUnusable,
    /// It is the genuine delivery.
    BeTheSame,
    /// It is another delivery.
    BeAnother,
    /// Correctly signed, and a delivery or unusable: nothing panics.
    DoNoHarm,
}

impl Must {
    fn holds(self, genuine: &Genuine, request: &Request<Bytes>) -> bool {
        // B12: it panics if there are more MACs than secrets.
        genuine.verifier.receive(request);
        let verdict = genuine.verifier.verify(request.clone());
        let is_same = |delivery: Delivery| genuine.is(&delivery);
        match self {
            Must::BeRefused => is_401(&verdict),
            Must::BeRefusedEarly => {
                let early = genuine.verifier.check_headers(request.headers());
                early.is_err() && is_401(&verdict)
            }
            Must::BeOutOfTime => {
                // A time in a header is judged before the signature, which is the right one.
                let timeless = genuine.builder("acme").ignore_sent_at().build().unwrap();
                matches!(verdict, Err(Rejection::Stale { .. } | Rejection::Future { .. }))
                    && timeless.verify(request.clone()).is_ok()
            }
            Must::BeUnusable => verdict.as_ref().is_err_and(is_unusable),
            Must::BeTheSame => verdict.is_ok_and(is_same),
            Must::BeAnother => verdict.is_ok_and(|delivery| !is_same(delivery)),
            Must::DoNoHarm => match verdict {
                Ok(delivery) => {
                    // Whatever a handler may ask for.
                    let _ = (delivery.id(), delivery.event(), delivery.json::<Value>());
                    true
                }
                Err(rejection) => is_unusable(&rejection),
            },
        }
    }
}

fn is_401(verdict: &Result<Delivery, Rejection>) -> bool {
    verdict.as_ref().is_err_and(|rejection| rejection.status() == StatusCode::UNAUTHORIZED)
}

fn is_unusable(rejection: &Rejection) -> bool {
    is_400(rejection) || matches!(rejection, Rejection::MalformedTime { .. })
}

fn is_400(rejection: &Rejection) -> bool {
    rejection.status() == StatusCode::BAD_REQUEST
}

#[test]
fn s1_known_bad_requests() {
    let all = Genuine::all();
    // The tags of the others are escaped where they stand.
    assert!(all.len() >= 92, "only {} presets have a tag that can be found", all.len());
    let signable = all.iter().filter(|genuine| genuine.can_be_signed).count();
    assert!(signable >= 84, "only {signable} can be signed with other texts");
    let cases =
        [signature::CASES, target::CASES, time::CASES, identity::CASES, body::CASES].concat();
    let mut total = 0;
    for (case, must, make, least) in cases {
        let (mut presets, mut requests) = (0, 0);
        for genuine in &all {
            let made = make(genuine);
            presets += usize::from(!made.is_empty());
            requests += made.len();
            for request in made {
                let name = genuine.preset.name;
                assert!(must.holds(genuine, &request), "{case}: {name}: {must:?}: {request:?}");
            }
        }
        println!("{case}: {requests} requests of {presets} presets");
        assert!(presets >= least, "{case}: only {presets} presets have it");
        total += requests;
    }
    let spent = cpu_time();
    println!("{total} requests in {spent:?} of CPU time");
    assert!(spent < Duration::from_secs(5), "S1 allows 5 s, it took {spent:?}");
}

/// That of this process: a busy machine does not change it much.
fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let spent = usage.user_time() + usage.system_time();
    Duration::from_micros(spent.num_microseconds().try_into().unwrap())
}
