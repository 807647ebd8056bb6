//! C1 to C7, C9 and C10: times that are none, too early, too late, or another than was signed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use inhook::scheme::{Field, Part, Scheme, SentAt, TimeFormat, Tolerance};
use inhook::testing::FakeClock;
use inhook::{ConfigError, Rejection, Verifier, presets};

use crate::genuine::{Genuine, Texts};
use crate::{Case, Must};

pub(crate) const CASES: &[Case] = &[
    ("C1 to C3 another spelling of the time", Must::BeRefused, c1_to_c3_changed, 35),
    ("C1 to C3 the same, signed as it stands", Must::BeRefusedEarly, c1_to_c3_signed, 35),
    ("C1, C4 a time that is far away, signed", Must::BeRefusedEarly, c1_c4_far, 30),
    ("C4, C5 too early and too late", Must::BeOutOfTime, c5_tolerance, 30),
    ("C5 as early and as late as may be", Must::BeTheSame, c5_just, 30),
    ("C7 a good time in place of the signed one", Must::BeRefused, c7_changed, 35),
    ("C10 a time of 2001", Must::BeOutOfTime, c10_2001, 30),
];

const SECOND: Duration = Duration::from_secs(1);

/// The tolerance, where a time is judged.
fn tolerance(scheme: &Scheme) -> Option<Tolerance> {
    scheme.tolerance.filter(|_| scheme.sent_at.is_some())
}

/// The genuine texts with these in place of the time.
fn with_times(genuine: &Genuine, times: impl IntoIterator<Item = String>) -> Vec<Texts> {
    let texts = genuine.texts();
    times.into_iter().map(|time| Texts { time, ..texts.clone() }).collect()
}

fn changed(genuine: &Genuine, times: impl IntoIterator<Item = String>) -> Vec<Request<Bytes>> {
    let texts = with_times(genuine, times);
    texts.iter().filter_map(|texts| genuine.with_texts(texts, genuine.tag())).collect()
}

fn signed(genuine: &Genuine, times: impl IntoIterator<Item = String>) -> Vec<Request<Bytes>> {
    let texts = with_times(genuine, times);
    texts.iter().filter_map(|texts| genuine.signed(texts)).collect()
}

fn c1_to_c3_changed(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Some(time) = genuine.time() else { return Vec::new() };
    changed(genuine, no_times(&time).chain(far(&time)))
}

fn c1_to_c3_signed(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Some(time) = genuine.time() else { return Vec::new() };
    signed(genuine, no_times(&time))
}

fn c1_c4_far(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let time = genuine.time().filter(|_| tolerance(genuine.scheme()).is_some());
    let Some(time) = time else { return Vec::new() };
    signed(genuine, far(&time))
}

/// What is no time, or not as its format writes it.
fn no_times(time: &str) -> impl Iterator<Item = String> {
    let fixed = ["", "-1", "-0", "0x65", "1.7e9", "1_7", "abc", "2026-01-15", "NaN", "null"];
    let fixed = fixed.into_iter().chain(["99999999999999999999", "-9223372036854775808"]);
    let before = ["+", "0", "00", "-", " ", "\t"].map(|sign| format!("{sign}{time}"));
    let behind = [".0", "abc", "e0", "Z", " ", "\t", "\u{661}"].map(|more| format!("{time}{more}"));
    fixed.map(str::to_owned).chain(before).chain(behind)
}

/// What no clock shows, and milliseconds for seconds.
fn far(time: &str) -> impl Iterator<Item = String> + use<> {
    ["0", "1", "9223372036854775807"].map(str::to_owned).into_iter().chain([format!("{time}000")])
}

fn c5_tolerance(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Some(tolerance) = tolerance(genuine.scheme()) else { return Vec::new() };
    let now = genuine.vector.now();
    let times = [
        now - tolerance.past - SECOND,
        now - tolerance.past * 100,
        now + tolerance.future + SECOND,
        now + tolerance.future * 1_000,
        // Milliseconds for seconds.
        SystemTime::UNIX_EPOCH + SECOND * 1_768_469_400 * 100,
    ];
    sent_at(genuine, times)
}

fn c5_just(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Some(tolerance) = tolerance(genuine.scheme()) else { return Vec::new() };
    let now = genuine.vector.now();
    attempts_at(genuine, [now - tolerance.past, now + tolerance.future])
}

/// Further attempts, with the same id.
pub(crate) fn attempts_at<const N: usize>(
    genuine: &Genuine,
    times: [SystemTime; N],
) -> Vec<Request<Bytes>> {
    match &genuine.scheme().sent_at {
        Some(time) if genuine.time().is_some() => {
            signed(genuine, times.map(|at| written(time.format, at)))
        }
        Some(_) => sent_at(genuine, times),
        None => Vec::new(),
    }
}

fn c10_2001(genuine: &Genuine) -> Vec<Request<Bytes>> {
    if tolerance(genuine.scheme()).is_none() {
        return Vec::new();
    }
    sent_at(genuine, [SystemTime::UNIX_EPOCH + SECOND * 1_000_000_000])
}

/// The message again, sent at these times.
fn sent_at<const N: usize>(genuine: &Genuine, times: [SystemTime; N]) -> Vec<Request<Bytes>> {
    let message = genuine.message().fill_body();
    if !genuine.accepts(&message) {
        return Vec::new();
    }
    let signer = genuine.signer(genuine.scheme().clone()).unwrap();
    let sign = |time| signer.request(&message.clone().sent_at(time)).ok();
    times.into_iter().filter_map(sign).collect()
}

/// Each of these would be accepted if it were signed.
fn c7_changed(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Some(SentAt { format, .. }) = genuine.scheme().sent_at else { return Vec::new() };
    let Some(own) = genuine.time() else { return Vec::new() };
    let now = genuine.vector.now();
    let good = [now - SECOND, now, now + SECOND, now + SECOND * 10];
    changed(genuine, good.map(|time| written(format, time)).into_iter().filter(|time| *time != own))
}

/// How the partner writes a whole second.
fn written(format: TimeFormat, time: SystemTime) -> String {
    let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    match format {
        TimeFormat::UnixSeconds => time.as_secs().to_string(),
        TimeFormat::UnixMillis => time.as_millis().to_string(),
        _ => jiff::Timestamp::UNIX_EPOCH.checked_add(time).unwrap().to_string(),
    }
}

/// C6: no preset takes a time for its own that nobody signs.
#[test]
fn s1_c6_a_time_that_is_not_signed_is_a_wrong_configuration() {
    let unsigned = presets::all().filter(|preset| !preset.scheme.content.contains(&Part::SentAt));
    let mut count = 0;
    for preset in unsigned {
        let field = Field::header("x-nobody-signs");
        let sent_at = Some(SentAt { field, format: TimeFormat::UnixSeconds });
        let scheme = Scheme { sent_at, ..preset.scheme.clone() };
        let secret = "a secret of at least sixteen bytes";
        let built = Verifier::builder("acme", scheme, secret).url("https://a.example/x").build();
        assert_eq!(built.unwrap_err(), ConfigError::UncoveredTime, "{}", preset.name);
        count += 1;
    }
    assert!(count >= 50, "only {count} presets sign none");
}

/// C9: before 1970, and at the end of what a clock can show.
#[test]
fn s1_c9_a_clock_that_is_wrong_lets_nothing_in() {
    let day = SECOND * 86_400;
    let mut judged = 0;
    for genuine in Genuine::all() {
        let scheme = genuine.scheme();
        let (before, after) =
            (SystemTime::UNIX_EPOCH - SECOND, genuine.vector.now() + day * 36_500);
        for now in [before, after] {
            let verifier = genuine.builder("acme").clock(Arc::new(FakeClock::at(now))).build();
            let verdict = verifier.unwrap().verify(genuine.request.clone());
            let Some(_) = tolerance(scheme) else {
                assert!(genuine.is(&verdict.unwrap()), "{}", genuine.preset.name);
                continue;
            };
            let rejection = verdict.unwrap_err();
            let is_right = match rejection {
                Rejection::Future { .. } => now == before,
                Rejection::Stale { .. } => now == after,
                _ => false,
            };
            assert!(is_right, "{}: {rejection}", genuine.preset.name);
            judged += 1;
        }
    }
    assert!(judged >= 60, "only {judged} verdicts on a time");
}

/// C10: a partner's time is judged unless it may send that of the first attempt again.
#[test]
fn s1_c10_these_alone_judge_no_time() {
    let unjudged = presets::all()
        .filter(|preset| preset.scheme.sent_at.is_some() && preset.scheme.tolerance.is_none());
    let names: Vec<&str> = unjudged.map(|preset| preset.name).collect();
    assert_eq!(
        names,
        [
            "mailgun/json-body-signature-block",
            "mailgun/form-fields",
            "mercadopago/manifest-hmac-hex",
            "sanity/stripe-like-ms-base64url",
            "webflow/ts-colon-body-hex",
            "zendesk/ts-body-base64",
        ]
    );
}
