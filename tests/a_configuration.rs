//! Secrets and settings: what can't be right is refused before the first request.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use base64ct::{Base64, Base64Url, Encoding as _};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use inhook::inbox::{Inbox, LeaseOptions, Ledger, Record};
use inhook::layer::BodyBudget;
use inhook::scheme::{
    Encoding, Field, Identity, KeyFormat, Layout, Part, Scheme, SentAt, Signature, TimeFormat,
};
use inhook::sign::{Message, Signer};
use inhook::testing::FakeClock;
use inhook::verify::VerifierBuilder;
use inhook::{ConfigError, Intake, MemoryInbox, Rejection, Secret, Verifier, VerifyLayer, presets};
use tower::{Layer, ServiceBuilder, ServiceExt};

mod common;

use common::{NOW, PRESETS, SECRET, SHORTLINKS, at, builder, set, shortlink, signed, verifier};

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

#[test]
fn a1_empty_secret_is_refused() {
    let empty = ConfigError::EmptySecret { label: "0".into() };
    for scheme in PRESETS.into_iter().chain([SHORTLINKS]) {
        assert_eq!(error(scheme.clone(), ""), empty);
        assert_eq!(error(scheme.clone(), Secret::new(Vec::new())), empty);
        let weak = Verifier::builder("acme", scheme.clone(), "").allow_weak_secret().build();
        assert_eq!(weak.unwrap_err(), empty);
        assert_eq!(Signer::new(scheme.clone(), "").unwrap_err(), empty);
        assert_eq!(verifier(scheme).rotate([Secret::new("")]), Err(empty.clone()));
    }
}

#[test]
fn a2_one_empty_secret_among_several_refuses_them_all() {
    let second = ConfigError::EmptySecret { label: "1".into() };
    let built = Verifier::builder("acme", presets::GITHUB, SECRET).secret("").build();
    assert_eq!(built.unwrap_err(), second);
    let built = Verifier::builder("acme", presets::GITHUB, SECRET)
        .secret(Secret::new("").label("2026-01"))
        .secret(OTHER_SECRET)
        .build();
    assert_eq!(built.unwrap_err(), ConfigError::EmptySecret { label: "2026-01".into() });

    // A rotation that fails leaves the old secrets as they were, and takes none of the new ones.
    let verifier = verifier(presets::GITHUB);
    let rotated = verifier.rotate([Secret::new(OTHER_SECRET), Secret::new("")]);
    assert_eq!(rotated, Err(second));
    verifier.verify(github(SECRET)).unwrap();
    assert_eq!(verifier.verify(github(OTHER_SECRET)).unwrap_err(), Rejection::WrongSignature);
}

#[test]
fn a3_a_secret_of_white_space_is_refused() {
    for secret in [" ", "\n", "\t \r\n", &" ".repeat(32)] {
        for scheme in [presets::GITHUB, presets::STANDARD_WEBHOOKS] {
            let empty = ConfigError::EmptySecret { label: "0".into() };
            assert_eq!(error(scheme.clone(), secret), empty, "{secret:?}");
            let weak = Verifier::builder("acme", scheme, secret).allow_weak_secret().build();
            assert_eq!(weak.unwrap_err(), empty, "{secret:?}");
        }
    }
}

#[test]
fn a3_a_short_secret_is_refused_unless_it_is_allowed_by_name() {
    let empty = ConfigError::EmptySecret { label: "0".into() };
    assert_eq!(error(presets::STANDARD_WEBHOOKS, "whsec_"), empty);
    let allowed = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, "whsec_");
    assert_eq!(allowed.allow_weak_secret().build().unwrap_err(), empty);

    let base64 = |bytes: usize| format!("whsec_{}", Base64::encode_string(&vec![7; bytes]));
    assert_eq!(base64(1), "whsec_Bw==");
    for bytes in 1..16 {
        let weak = ConfigError::WeakSecret { label: "0".into(), bytes, min: 16 };
        // The decoded key counts, not the text, which has 16 characters much sooner.
        for (scheme, secret) in
            [(presets::STANDARD_WEBHOOKS, base64(bytes)), (presets::GITHUB, "x".repeat(bytes))]
        {
            assert_eq!(error(scheme.clone(), secret.clone()), weak);
            let old = verifier(scheme.clone());
            assert_eq!(old.rotate([Secret::new(secret.clone())]), Err(weak.clone()));

            let allowed = Verifier::builder("acme", scheme, secret.clone()).allow_weak_secret();
            let allowed = allowed.build().unwrap();
            allowed.rotate([Secret::new(secret)]).unwrap();
        }
    }
    assert_eq!(
        error(presets::STANDARD_WEBHOOKS, "whsec_AA=="),
        ConfigError::WeakSecret { label: "0".into(), bytes: 1, min: 16 }
    );
    Verifier::new("acme", presets::STANDARD_WEBHOOKS, base64(16)).unwrap();
    Verifier::new("acme", presets::GITHUB, "x".repeat(16)).unwrap();
}

#[test]
fn a4_white_space_around_a_secret_is_refused_and_never_trimmed() {
    for around in ["\n", "\r\n", " ", "\t", "\n\n"] {
        for secret in [format!("{SECRET}{around}"), format!("{around}{SECRET}")] {
            for scheme in [presets::GITHUB, presets::STANDARD_WEBHOOKS] {
                let padded = ConfigError::PaddedSecret { label: "0".into() };
                assert_eq!(error(scheme.clone(), secret.clone()), padded, "{around:?}");
                assert!(padded.to_string().contains("white space"));
                let rotated = verifier(scheme).rotate([Secret::new(secret.clone())]);
                assert_eq!(rotated, Err(padded));
            }
        }
    }
    // White space inside is part of the secret, and random bytes may end in a line break.
    for secret in [&b"correct horse battery staple"[..], b"\xff\xfe 16 random bytes\n"] {
        let verifier = Verifier::new("acme", presets::GITHUB, Secret::new(secret)).unwrap();
        verifier.verify(github(Secret::new(secret))).unwrap();
        let trimmed = github(Secret::new(secret.trim_ascii()));
        assert_eq!(verifier.verify(trimmed).is_ok(), secret == secret.trim_ascii());
    }
}

#[test]
fn a4_white_space_outside_ascii_is_white_space_too() {
    // What a web page or a word processor puts around a secret that is copied from it.
    for space in ["\u{a0}", "\u{3000}", "\u{2028}", "\u{85}", "\u{b}"] {
        let padded = ConfigError::PaddedSecret { label: "0".into() };
        assert_eq!(error(presets::GITHUB, format!("{SECRET}{space}")), padded, "{space:?}");
        assert_eq!(error(presets::GITHUB, format!("{space}{SECRET}")), padded, "{space:?}");
        let empty = ConfigError::EmptySecret { label: "0".into() };
        assert_eq!(error(presets::GITHUB, space.repeat(16)), empty, "{space:?}");
    }
}

#[test]
fn a5_a_secret_in_another_notation_is_refused_with_a_hint() {
    // Two `=` at the end, and both characters that the URL-safe alphabet writes otherwise.
    let key = [&[0xfb; 12][..], &[0xff; 13]].concat();
    let right = Base64::encode_string(&key);
    assert!(right.contains('+') && right.contains('/') && right.ends_with("=="));
    Verifier::new("acme", presets::STANDARD_WEBHOOKS, right.as_str()).unwrap();

    for (secret, hint) in [
        (format!("v1,whsec_{right}"), "comma"),
        (format!("v1,{right}"), "comma"),
        (Base64Url::encode_string(&key), "URL-safe"),
        (right.replace('+', "-"), "URL-safe"),
        (format!("WHSEC_{right}"), "URL-safe"),
        (right.trim_end_matches('=').to_owned(), "multiple of four"),
        (right[..right.len() - 1].to_owned(), "multiple of four"),
        (format!("{}X==", &right[..right.len() - 3]), ""),
        (right.replacen("==", "AA", 1) + "====", ""),
        (right.replace('+', "\u{e9}"), ""),
        (format!("{} {}", &right[..4], &right[4..]), ""),
    ] {
        for secret in [format!("whsec_{secret}"), secret] {
            let error = error(presets::STANDARD_WEBHOOKS, secret.clone());
            assert!(matches!(error, ConfigError::UndecodableSecret { .. }), "{secret}: {error}");
            assert!(error.to_string().contains(hint), "{secret}: {error}");
            let rotated = verifier(presets::STANDARD_WEBHOOKS).rotate([Secret::new(secret)]);
            assert_eq!(rotated, Err(error));
        }
    }
}

#[test]
fn a6_nothing_is_verified_without_a_secret() {
    // `Verifier::new` takes a secret by its type and `VerifyLayer::new` a verifier, so the only way
    // to none would be a rotation.
    let verifier = verifier(presets::GITHUB);
    assert_eq!(verifier.rotate([]), Err(ConfigError::NoSecret));
    verifier.verify(github(SECRET)).unwrap();
    assert_eq!(verifier.verify(github(OTHER_SECRET)).unwrap_err(), Rejection::WrongSignature);
    let unsigned = Request::new(Bytes::from_static(BODY.as_bytes()));
    assert!(matches!(verifier.verify(unsigned), Err(Rejection::MissingHeader { .. })));
}

#[tokio::test]
async fn a7_a_secret_that_is_rotated_out_is_refused_at_once() {
    LazyLock::force(&LOG);
    let verifier = verifier(presets::GITHUB);
    let service = ServiceBuilder::new()
        .layer(VerifyLayer::new(verifier.clone()))
        .service(Intake::new(Arc::new(MemoryInbox::new())));
    let clone = verifier.clone();
    let status = async |secret: Secret| {
        let status = service.clone().oneshot(github(secret.clone()).map(Full::new));
        let status = status.await.unwrap().status();
        // All who share the keys agree.
        for verifier in [&verifier, &clone] {
            assert_eq!(verifier.verify(github(secret.clone())).is_ok(), status.is_success());
        }
        status
    };
    let (old, new) = (Secret::new(SECRET), Secret::new(OTHER_SECRET));
    assert_eq!(status(old.clone()).await, StatusCode::OK);
    assert_eq!(status(new.clone()).await, StatusCode::UNAUTHORIZED);

    let both = [new.clone().label("2026-02"), old.clone().label("2026-01")];
    clone.rotate(both).unwrap();
    assert_eq!(status(old.clone()).await, StatusCode::OK);
    assert_eq!(status(new.clone()).await, StatusCode::OK);
    assert_eq!(verifier.verify(github(old.clone())).unwrap().secret(), "2026-01");
    assert_eq!(verifier.verify(github(new.clone())).unwrap().secret(), "2026-02");

    clone.rotate([new.clone()]).unwrap();
    assert_eq!(status(old).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(new).await, StatusCode::OK);
}

#[test]
fn a8_one_sources_secret_does_not_open_another_source() {
    let a = Verifier::new("github-a", presets::GITHUB, SECRET).unwrap();
    let b = Verifier::new("github-b", presets::GITHUB, OTHER_SECRET).unwrap();
    let request = github(SECRET);
    assert_eq!(a.verify(request.clone()).unwrap().source(), "github-a");
    assert_eq!(b.verify(request.clone()).unwrap_err(), Rejection::WrongSignature);

    // Nothing in a request chooses its source.
    for name in ["source", "x-source", "x-inhook-source", "host", "x-github-hook-id"] {
        let mut request = request.clone();
        set(&mut request, name, "github-a");
        assert_eq!(b.verify(request.clone()).unwrap_err(), Rejection::WrongSignature);
        set(&mut request, name, "github-b");
        assert_eq!(a.verify(request).unwrap().source(), "github-a");
    }
    let mut request = request;
    *request.uri_mut() = "https://hooks.example.com/github-a?source=github-a".parse().unwrap();
    assert_eq!(b.verify(request).unwrap_err(), Rejection::WrongSignature);
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

/// A writer that keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that a program may print, in one text.
#[derive(Default)]
struct Printed(String);

impl Printed {
    fn debug(&mut self, value: &impl Debug) {
        self.0 += &format!("{value:?}\n{value:#?}\n");
    }

    fn both(&mut self, value: &(impl Debug + Display)) {
        self.debug(value);
        self.0 += &format!("{value}\n");
    }

    /// The first of the secrets that can be read from it, in any notation.
    fn leaks(&self, secrets: &[&[u8]]) -> Option<String> {
        // `{:#?}` of bytes has one number per line.
        let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("");
        let printed = [self.0.clone(), self.0.to_lowercase(), spaces(&self.0)];
        let bare = |text: String| text.trim_end_matches('=').to_owned();
        secrets
            .iter()
            .flat_map(|secret| {
                [
                    String::from_utf8_lossy(secret).into_owned(),
                    const_hex::encode(secret),
                    bare(Base64::encode_string(secret)),
                    bare(Base64Url::encode_string(secret)),
                    format!("{secret:?}").trim_matches(['[', ']']).replace(' ', ""),
                ]
            })
            .find(|needle| printed.iter().any(|printed| printed.contains(needle)))
    }
}

#[tokio::test]
async fn a9_no_secret_is_ever_printed() {
    const WEAK: &str = "hunter2hunter2";
    const BEARER: &str = "Bearer 0123456789abcdef";
    let decoded: Vec<Vec<u8>> = [SECRET, OTHER_SECRET]
        .map(|secret| Base64::decode_vec(&secret["whsec_".len()..]).unwrap())
        .into();
    let texts = [SECRET, &SECRET[6..], OTHER_SECRET, &OTHER_SECRET[6..], WEAK];
    let secrets: Vec<&[u8]> =
        texts.iter().map(|text| text.as_bytes()).chain(decoded.iter().map(|key| &**key)).collect();

    // The check itself finds a secret in any notation.
    for secret in &secrets {
        let upper = const_hex::encode_upper(secret);
        for planted in [Base64::encode_string(secret), format!("{secret:#?}"), upper] {
            assert!(Printed(format!("x{planted}x")).leaks(&secrets).is_some(), "{planted}");
        }
    }

    let log = &*LOG;
    let mut printed = Printed::default();
    printed.debug(&Secret::new(SECRET));
    printed.debug(&Secret::new(WEAK).label("2026-01"));
    for scheme in [presets::GITHUB, presets::STANDARD_WEBHOOKS, SHORTLINKS] {
        let builder: VerifierBuilder =
            builder(scheme.clone()).secret(Secret::new(OTHER_SECRET).label("old"));
        printed.debug(&builder);
        let verifier = builder.build().unwrap();
        printed.debug(&verifier);
        let signer = Signer::new(scheme.clone(), SECRET).unwrap();
        printed.debug(&signer);
        let message = Message::new(shortlink("wh_1")).id("msg_1").sent_at(at(NOW));
        printed.debug(&message);

        let inbox = Arc::new(MemoryInbox::new());
        let layer = VerifyLayer::new(verifier.clone()).body_budget(BodyBudget::new(1 << 20));
        let intake = Intake::new(inbox.clone());
        let service = layer.layer(intake.clone());
        printed.debug(&layer);
        printed.debug(&intake);
        printed.debug(&service);

        let mut good = signer.request(&message).unwrap();
        for name in ["authorization", "x-gitlab-token", "cookie", "proxy-authorization"] {
            set(&mut good, name, BEARER);
        }
        let mut bad = good.clone();
        *bad.body_mut() = Bytes::from_static(b"{}");
        let mut missing = good.clone();
        missing.headers_mut().clear();
        let mut method = good.clone();
        *method.method_mut() = Method::GET;
        for (request, status) in [
            (&good, StatusCode::OK),
            (&bad, StatusCode::UNAUTHORIZED),
            (&missing, StatusCode::UNAUTHORIZED),
            (&method, StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let future = service.clone().oneshot(request.clone().map(Full::new));
            let answer = future.await.unwrap();
            assert_eq!(answer.status(), status);
            printed.debug(answer.headers());
            if let Some(rejection) = answer.extensions().get::<Rejection>() {
                printed.both(rejection);
            }
        }
        let mut service = service;
        let future = tower::Service::call(&mut service, good.clone().map(Full::new));
        printed.debug(&future);
        future.await.unwrap();

        let delivery = verifier.verify(good).unwrap();
        printed.debug(&delivery);
        printed.both(&delivery.key());
        let record = Record::new(delivery.clone(), true);
        printed.debug(&record);
        printed.0 += &String::from_utf8_lossy(&record.to_bytes());
        printed.debug(&inbox);
        let batch = inbox.lease(LeaseOptions::new(1, Duration::from_secs(1), 3)).await.unwrap();
        assert_eq!(batch.jobs.len(), 1);
        printed.debug(&batch);
        printed.debug(&inbox.get(delivery.key()).await.unwrap());
    }

    for (scheme, secret) in [
        (presets::GITHUB, WEAK.to_owned()),
        (presets::GITHUB, format!("{SECRET}\n")),
        (presets::STANDARD_WEBHOOKS, format!("v1,{SECRET}")),
        (presets::STANDARD_WEBHOOKS, format!("{SECRET}=")),
        (presets::STANDARD_WEBHOOKS, SECRET.replace('K', "_")),
        (presets::STANDARD_WEBHOOKS, WEAK.to_owned()),
    ] {
        printed.both(&error(scheme.clone(), secret.clone()));
        let rotated = verifier(scheme.clone()).rotate([Secret::new(secret.clone())]);
        printed.both(&rotated.unwrap_err());
        if let Err(error) = Signer::new(scheme, secret) {
            printed.both(&error);
        }
    }
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    printed.both(&signer.sign(&Message::new("")).unwrap_err());
    printed.both(&signer.sign(&Message::new("").id("\n")).unwrap_err());
    for (_, error) in config_errors() {
        printed.both(&error);
    }

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // The control: the subscriber is the one that the crate's events reach.
    for event in ["request refused", "accepted"] {
        assert!(logged.contains(event), "{logged}");
    }
    printed.0 += &logged;
    assert_eq!(printed.leaks(&secrets), None);
    assert_eq!(printed.leaks(&[BEARER.as_bytes()]), None);
}

#[test]
fn a9_no_signature_is_logged_or_shown() {
    let request = signed(&SHORTLINKS, None, b"", shortlink("wh_1"));
    let signature = request.headers()["x-webhook-signature"].to_str().unwrap().to_owned();
    let mut forged = request.clone();
    *forged.body_mut() = Bytes::from_static(b"{}");
    let verifier = verifier(SHORTLINKS);
    let rejection = verifier.verify(forged).unwrap_err();
    let delivery = verifier.verify(request).unwrap();
    let mut printed = Printed::default();
    printed.both(&rejection);
    printed.debug(&delivery);
    printed.debug(&Record::new(delivery.clone(), true));
    let tag = &signature["sha256=".len()..];
    assert!(!printed.0.contains(tag), "{}", printed.0);
}

#[test]
fn a10_a_tolerance_is_between_one_second_and_a_day() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let ok = Duration::from_secs(300);
    for value in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(999),
        DAY + Duration::from_nanos(1),
        Duration::from_secs(u64::from(u32::MAX)),
        Duration::MAX,
    ] {
        for scheme in [presets::STANDARD_WEBHOOKS, SHORTLINKS] {
            for (past, future) in [(value, ok), (ok, value)] {
                let built = builder(scheme.clone()).tolerance(past, future).build();
                assert_eq!(built.unwrap_err(), ConfigError::Tolerance { value });
                let tolerance = inhook::scheme::Tolerance { past, future };
                let built = builder(Scheme { tolerance, ..scheme.clone() }).build();
                assert_eq!(built.unwrap_err(), ConfigError::Tolerance { value });
            }
        }
    }
    for value in [Duration::from_secs(1), DAY] {
        builder(presets::STANDARD_WEBHOOKS).tolerance(value, value).build().unwrap();
    }
}

#[test]
fn a10_only_a_method_of_that_name_turns_the_check_off() {
    let old = signed(&presets::STANDARD_WEBHOOKS, Some(b"msg_1"), b"1000000000", BODY);
    let checked = builder(presets::STANDARD_WEBHOOKS);
    let unchecked = checked.clone().ignore_sent_at().build().unwrap();
    let widest = Duration::from_secs(24 * 60 * 60);
    for builder in [checked.clone(), checked.tolerance(widest, widest)] {
        let rejection = builder.build().unwrap().verify(old.clone()).unwrap_err();
        assert!(matches!(rejection, Rejection::Stale { .. }), "{rejection}");
    }
    assert_eq!(unchecked.verify(old).unwrap().signed_at(), Some(at(1_000_000_000)));
}

#[test]
fn a11_an_id_is_remembered_for_as_long_as_a_replay_is_fresh() {
    let seconds = Duration::from_secs;
    for (past, future) in [(300, 300), (1, 1), (86_400, 86_400), (10, 4_000)] {
        let min = seconds(past + future);
        let with = |ttl| {
            builder(presets::STANDARD_WEBHOOKS).tolerance(seconds(past), seconds(future)).ttl(ttl)
        };
        for ttl in [Duration::ZERO, seconds(past), seconds(future), min - Duration::from_nanos(1)] {
            let error = with(ttl).build().unwrap_err();
            assert!(
                matches!(error, ConfigError::Ttl { ttl: t, min: m, .. } if (t, m) == (ttl, min))
            );
        }
        let request =
            signed(&presets::STANDARD_WEBHOOKS, Some(b"msg_1"), NOW.to_string().as_bytes(), BODY);
        let delivery = with(min).build().unwrap().verify(request).unwrap();
        for durable in [false, true] {
            assert_eq!(delivery.ttl(durable), min);
        }
        assert_eq!(delivery.freshness(), min);
    }
    for ttl in [Duration::from_secs(100 * 366 * 86_400), Duration::MAX] {
        let error = builder(presets::STANDARD_WEBHOOKS).ttl(ttl).build().unwrap_err();
        assert!(matches!(error, ConfigError::Ttl { .. }));
    }
}

#[test]
fn a11_the_default_windows() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let time = NOW.to_string();
    let window = |scheme: Scheme, ignore: bool| {
        let request = signed(&scheme, Some(b"msg_1"), time.as_bytes(), BODY);
        let builder = builder(scheme);
        let builder = if ignore { builder.ignore_sent_at() } else { builder };
        let delivery = builder.build().unwrap().verify(request).unwrap();
        (delivery.ttl(false), delivery.ttl(true))
    };
    let slow = Scheme { retry_horizon: 200 * HOUR, ..presets::STANDARD_WEBHOOKS };
    let tolerances = Duration::from_secs(600);
    assert_eq!(window(presets::STANDARD_WEBHOOKS, false), (96 * HOUR, 96 * HOUR));
    assert_eq!(window(slow, false), (200 * HOUR + tolerances, 200 * HOUR + tolerances));
    assert_eq!(window(presets::SLACK, false), (96 * HOUR, 96 * HOUR));
    // Where no time is judged a capture never goes stale.
    assert_eq!(window(presets::GITHUB, false), (96 * HOUR, 30 * 24 * HOUR));
    assert_eq!(window(presets::SHOPIFY, false), (96 * HOUR, 30 * 24 * HOUR));
    assert_eq!(window(presets::STANDARD_WEBHOOKS, true), (96 * HOUR, 30 * 24 * HOUR));
}

/// One configuration for each error, by the error's name.
fn config_errors() -> Vec<(&'static str, ConfigError)> {
    let standard = presets::STANDARD_WEBHOOKS;
    let build = |scheme: Scheme| builder(scheme).build().unwrap_err();
    let named = |name: &str| Verifier::new(name, presets::GITHUB, SECRET).unwrap_err();
    let header = |name: &'static str| {
        let signature = Signature { header: Cow::Borrowed(name), ..presets::GITHUB.signature };
        build(Scheme { signature, ..presets::GITHUB })
    };
    let pointers = |pointers: &[&str]| {
        let fields = pointers.iter().map(|at| Field::Pointer(Cow::Owned((*at).to_owned())));
        build(Scheme { identity: Identity::Fields(fields.collect()), ..SHORTLINKS })
    };
    let content =
        |parts: &[Part]| build(Scheme { content: parts.to_vec().into(), ..standard.clone() });
    let literal = |text: &'static str| Part::Literal(Cow::Borrowed(text));
    let dot = || literal(".");
    let separator = |separator, encoding, prefix: &'static str| {
        let layout = Layout::List(separator);
        let header = Cow::Borrowed("x-signature");
        let signature = Signature { header, prefix: Cow::Borrowed(prefix), layout, encoding };
        build(Scheme { signature, ..Scheme::BASE })
    };
    let identity = |identity| builder(SHORTLINKS).identity(identity).build().unwrap_err();
    let header_time = |name| SentAt { field: Field::header(name), format: TimeFormat::UnixSeconds };
    let parameter = |name: &'static str, format, layout, prefix: &'static str| {
        build(Scheme {
            signature: Signature {
                layout,
                prefix: Cow::Borrowed(prefix),
                ..presets::STRIPE.signature
            },
            sent_at: Some(SentAt { field: Field::parameter(name), format }),
            ..presets::STRIPE
        })
    };
    let (unix, rfc, comma) = (TimeFormat::UnixSeconds, TimeFormat::Rfc3339, Layout::List(','));
    let many = |count: usize| {
        let more = (1..count).map(|n| Secret::new(format!("secret number {n} of many")));
        more.fold(builder(presets::GITHUB), |builder, secret| builder.secret(secret))
    };
    many(16).build().unwrap();

    let aliases = |pairs: &[(&'static str, &'static str)]| {
        let pair = |(name, other): &(&'static str, &'static str)| {
            (Cow::Borrowed(*name), Cow::Borrowed(*other))
        };
        let aliases = Cow::Owned(pairs.iter().map(pair).collect());
        build(Scheme { aliases, ..presets::GITHUB })
    };

    let mut errors = vec![
        ("SourceName", named("")),
        ("SourceName", named(&"x".repeat(256))),
        ("SourceName", named("git\nhub")),
        ("SourceName", named("github\u{0}")),
        ("NoSecret", verifier(presets::GITHUB).rotate([]).unwrap_err()),
        ("TooManySecrets", many(17).build().unwrap_err()),
        ("EmptySecret", error(presets::GITHUB, "")),
        ("PaddedSecret", error(presets::GITHUB, format!("{SECRET}\n"))),
        ("WeakSecret", error(presets::GITHUB, "short")),
        ("UndecodableSecret", error(presets::STANDARD_WEBHOOKS, "whsec_!")),
        ("HeaderName", build(Scheme::BASE)),
        ("HeaderName", header("x signature")),
        ("HeaderName", header("x-signature:")),
        ("HeaderName", header("x-sïgnature")),
        ("Pointer", pointers(&[""])),
        ("Pointer", pointers(&["webhook_id"])),
        ("Pointer", pointers(&["/a~2b"])),
        ("Pointer", pointers(&["/a~"])),
        ("TooManyPointers", pointers(&["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i"])),
        ("Content", content(&[])),
        ("Content", content(&[Part::Id, dot(), Part::SentAt, dot()])),
        ("Content", content(&[Part::Body, dot(), Part::SentAt])),
        ("Content", content(&[Part::Body, dot(), Part::Body])),
        ("Content", content(&[Part::Id, dot(), Part::Id, dot(), Part::Body])),
        ("Content", content(&[Part::SentAt, dot(), Part::SentAt, dot(), Part::Body])),
        ("Content", content(&[Part::Id, Part::SentAt, dot(), Part::Body])),
        ("Content", content(&[Part::Id, dot(), Part::SentAt, Part::Body])),
        ("Content", content(&[Part::SentAt, dot(), Part::Id, Part::Body])),
        ("Content", content(&[Part::Id, literal(""), Part::Body])),
        ("Content", content(&[Part::SentAt, literal("0"), Part::Body])),
        ("Content", content(&[Part::Id, literal("x"), Part::Body])),
        ("Content", build(Scheme { id: None, identity: Identity::Content, ..standard.clone() })),
        ("Content", build(Scheme { id: Some(Field::pointer("/id")), ..standard.clone() })),
        ("Content", build(Scheme { sent_at: None, ..standard.clone() })),
        ("Separator", separator('a', Encoding::Hex, "")),
        ("Separator", separator('F', Encoding::Hex, "")),
        ("Separator", separator('z', Encoding::Base64, "")),
        ("Separator", separator('=', Encoding::Base64, "")),
        ("Separator", separator('+', Encoding::Base64, "")),
        ("Separator", separator(',', Encoding::Base64, "v1,")),
        ("Separator", separator('\n', Encoding::Hex, "")),
        ("Separator", separator('\u{0}', Encoding::Hex, "")),
        ("Separator", separator('é', Encoding::Hex, "")),
        ("Separator", separator('→', Encoding::Hex, "")),
        ("Parameter", parameter("t", unix, Layout::Single, "v1=")),
        ("Parameter", parameter("", unix, comma, "v1=")),
        ("Parameter", parameter("t ", unix, comma, "v1=")),
        ("Parameter", parameter("t=", unix, comma, "v1=")),
        ("Parameter", parameter("zeit·", unix, comma, "v1=")),
        // Entries that could be the time or a signature.
        ("Parameter", parameter("v1", unix, comma, "v1=")),
        ("Parameter", parameter("v1", unix, comma, "v1")),
        ("Parameter", parameter("t", unix, comma, "t=v1:")),
        ("Parameter", parameter("t", unix, comma, "")),
        // The separator would cut the time in two.
        ("Parameter", parameter("t,s", unix, comma, "v1=")),
        ("Parameter", parameter("t", unix, Layout::List('='), "v1:")),
        ("Parameter", parameter("t", rfc, Layout::List(':'), "v1=")),
        ("Parameter", parameter("t", rfc, Layout::List('-'), "v1=")),
        ("Parameter", build(Scheme { id: Some(Field::parameter("id")), ..presets::STRIPE })),
        ("Parameter", build(Scheme { event: Some(Field::parameter("type")), ..presets::STRIPE })),
        ("UncoveredTime", build(Scheme { content: Scheme::BASE.content, ..presets::STRIPE })),
        (
            "UncoveredTime",
            build(Scheme { sent_at: Some(header_time("x-time")), ..presets::GITHUB }),
        ),
        (
            "UncoveredIdentity",
            builder(presets::STRIPE)
                .identity(Identity::Fields(Cow::Owned(vec![Field::parameter("id")])))
                .build()
                .unwrap_err(),
        ),
        (
            "Identity",
            builder(presets::STRIPE)
                .identity(Identity::Fields(Cow::Owned(vec![
                    Field::pointer("/id"),
                    Field::parameter("t"),
                ])))
                .build()
                .unwrap_err(),
        ),
        (
            "UncoveredIdentity",
            builder(presets::GITHUB)
                .identity(Identity::Fields(Cow::Owned(vec![Field::header("x-github-delivery")])))
                .build()
                .unwrap_err(),
        ),
        (
            "UncoveredIdentity",
            builder(standard.clone())
                .identity(Identity::Fields(Cow::Owned(vec![
                    Field::header("webhook-id"),
                    Field::header("x-tenant"),
                ])))
                .build()
                .unwrap_err(),
        ),
        (
            // The time is signed, but it is new at each attempt and so no identity.
            "Identity",
            builder(standard.clone())
                .identity(Identity::Fields(Cow::Owned(vec![Field::header("webhook-timestamp")])))
                .build()
                .unwrap_err(),
        ),
        ("Identity", identity(Identity::Fields(Cow::Owned(vec![Field::pointer("/delivered_at")])))),
        ("Deadline", build(Scheme { deadline: Duration::ZERO, ..presets::GITHUB })),
        (
            "HeaderTwice",
            build(Scheme { id: Some(Field::header("X-Hub-Signature-256")), ..presets::GITHUB }),
        ),
        (
            "HeaderTwice",
            build(Scheme {
                sent_at: Some(header_time("webhook-id")),
                aliases: Cow::Borrowed(&[]),
                ..standard.clone()
            }),
        ),
        ("Alias", aliases(&[("x-github-delivery", "x-one"), ("X-GitHub-Delivery", "x-two")])),
        ("HeaderTwice", aliases(&[("x-github-delivery", "x-hub-signature-256")])),
        ("Identity", identity(Identity::Fields(Cow::Borrowed(&[])))),
        ("Identity", identity(Identity::Content)),
        ("Identity", identity(Identity::IdAndContent)),
        (
            "Identity",
            build(Scheme { id: None, identity: Identity::IdAndContent, ..presets::GITHUB }),
        ),
        ("Identity", build(Scheme { id: None, identity: Identity::UnsignedId, ..presets::GITHUB })),
        (
            "Tolerance",
            builder(SHORTLINKS).tolerance(Duration::ZERO, Duration::ZERO).build().unwrap_err(),
        ),
        ("Ttl", builder(SHORTLINKS).ttl(Duration::ZERO).build().unwrap_err()),
    ];
    for (one, other) in [(Some("2026"), Some("2026")), (Some("1"), None), (None, Some("0"))] {
        let secret = |text: &str, label: Option<&'static str>| match label {
            Some(label) => Secret::new(text).label(label),
            None => Secret::new(text),
        };
        let builder = Verifier::builder("acme", presets::GITHUB, secret(SECRET, one));
        let duplicate = builder.secret(secret(OTHER_SECRET, other)).build().unwrap_err();
        errors.push(("DuplicateLabel", duplicate));
    }
    for (header, other) in [("x-hub-signature-256", "bad name"), ("x-github-delivery", "")] {
        let alias = (Cow::Borrowed(header), Cow::Borrowed(other));
        let scheme = Scheme { aliases: Cow::Owned(vec![alias]), ..presets::GITHUB };
        errors.push(("HeaderName", build(scheme)));
    }
    errors
}

#[test]
fn every_wrong_configuration_has_its_own_error() {
    let errors = config_errors();
    for (name, error) in &errors {
        let debug = format!("{error:?}");
        let variant = debug.split([' ', '{', '(']).next().unwrap();
        assert_eq!(variant, *name, "{error}");
        assert!(!error.to_string().is_empty());
    }
    for name in [
        "SourceName",
        "NoSecret",
        "TooManySecrets",
        "EmptySecret",
        "PaddedSecret",
        "WeakSecret",
        "UndecodableSecret",
        "DuplicateLabel",
        "HeaderName",
        "Pointer",
        "TooManyPointers",
        "Content",
        "Separator",
        "Parameter",
        "UncoveredTime",
        "Deadline",
        "HeaderTwice",
        "Alias",
        "UncoveredIdentity",
        "Identity",
        "Tolerance",
        "Ttl",
    ] {
        assert!(errors.iter().any(|(reached, _)| *reached == name), "{name}");
    }
}

#[test]
fn the_limits_themselves_are_accepted() {
    Verifier::new("x".repeat(255), presets::GITHUB, SECRET).unwrap();
    Verifier::new("größe/acme", presets::GITHUB, SECRET).unwrap();
    let pointers = ["/a", "/b", "/c", "/d", "/e", "/f"].map(Field::pointer).to_vec();
    let eight = Scheme { identity: Identity::Fields(pointers.into()), ..SHORTLINKS };
    // These six and the time and the id; the event is at one that is there already.
    builder(Scheme { event: Some(Field::pointer("/a")), ..eight.clone() }).build().unwrap();
    let error = builder(eight).build().unwrap_err();
    assert_eq!(error, ConfigError::TooManyPointers { count: 9, max: 8 });
    let raw = Scheme { key: KeyFormat::Raw, ..presets::STANDARD_WEBHOOKS };
    builder(raw).build().unwrap();
    // A parameter whose name only begins like the prefix.
    let v1 = Signature { prefix: Cow::Borrowed("v1a="), ..presets::STRIPE.signature };
    let sent_at = Some(SentAt { field: Field::parameter("v1"), format: TimeFormat::Rfc3339 });
    builder(Scheme { signature: v1, sent_at, ..presets::STRIPE }).build().unwrap();
}

#[test]
fn the_clock_of_a_builder_is_the_one_that_is_asked() {
    let clock = Arc::new(FakeClock::new());
    let verifier =
        Verifier::builder("acme", SHORTLINKS, SECRET).clock(clock.clone()).build().unwrap();
    let request = signed(&SHORTLINKS, None, b"", shortlink("wh_1"));
    assert_eq!(verifier.verify(request.clone()).unwrap().received_at(), at(NOW));
    clock.advance(Duration::from_secs(301));
    assert!(matches!(verifier.verify(request), Err(Rejection::Stale { .. })));
}
