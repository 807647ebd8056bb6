//! S5: the kit finds what is wrong with a receiver, and accuses none that is right.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::routing::post;
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::BodyExt;
use inhook::clock::Clock;
use inhook::fuzzing::{Attack, Finding, Oracle, Receiver, Verdict};
use inhook::scheme::{
    Algorithm, Danger, Encoding, Field, Identity, Layout, Part, Scheme, SentAt, Signature,
    TimeFormat,
};
use inhook::testing::FakeClock;
use inhook::{Delivery, Secret, Verifier, VerifyLayer, presets};
use sha1::Sha1;
use sha2::Sha256;
use tower::ServiceExt;

#[path = "../common/mod.rs"]
mod common;
mod mistakes;
#[path = "../common/notation.rs"]
mod notation;

use common::{NOW, SECRET, at, builder};

/// A mistake that somebody made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    EmptyKey,
    PrefixCompare,
    NoTimestampCheck,
    OneSidedTimestamp,
    AlgorithmFromHeader,
    FirstCandidateOnly,
    AnyVersion,
    FirstOfDuplicateHeaders,
    PlusTimestamp,
    IdWithDelimiter,
    UnsignedIdAsKey,
    ReserialisedBody,
    Panics,
    OverflowingTime,
    BodyAsKey,
    IdAndBodyAsKey,
    LenientBase64,
    SecondNameAsKey,
}

/// A receiver as people write it, of Standard Webhooks or of GitHub's webhooks.
struct Homemade {
    scheme: Scheme,
    bug: Bug,
}

fn hmac(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

fn hmac_sha1(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

impl Homemade {
    fn header<'h>(&self, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        let mut all = headers.get_all(name).iter();
        let first = all.next()?;
        if self.bug != Bug::FirstOfDuplicateHeaders && all.next().is_some() {
            return None;
        }
        first.to_str().ok()
    }

    fn body(&self, body: &Bytes) -> Vec<u8> {
        if self.bug == Bug::ReserialisedBody
            && let Ok(json) = serde_json::from_slice::<serde_json::Value>(body)
        {
            return json.to_string().into_bytes();
        }
        body.to_vec()
    }

    fn standard(&self, request: &Request<Bytes>) -> Option<String> {
        let headers = request.headers();
        let id = self.header(headers, "webhook-id")?;
        let text = self.header(headers, "webhook-timestamp")?;
        let seconds: i64 = text.parse().ok()?;
        let canonical = text == seconds.to_string();
        let usable = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !(canonical || self.bug == Bug::PlusTimestamp)
            || !usable
            || id.contains('.') && self.bug != Bug::IdWithDelimiter
        {
            return None;
        }
        let now = i64::try_from(NOW).unwrap();
        let age = match self.bug {
            Bug::OverflowingTime => now.checked_sub(seconds).expect("no such time"),
            _ => now.checked_sub(seconds)?,
        };
        let fresh = match self.bug {
            Bug::NoTimestampCheck => true,
            Bug::OneSidedTimestamp => age <= 300,
            _ => age.unsigned_abs() <= 300,
        };
        let content = [format!("{id}.{seconds}.").as_bytes(), &self.body(request.body())].concat();
        let key = Base64::decode_vec(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let tag = Base64::encode_string(&hmac(&key, &content));
        let is_tag = |candidate: &str| match self.bug {
            // A decoder that takes no notice of the bits behind the last byte.
            Bug::LenientBase64 => candidate.len() == 44 && candidate[..42] == tag[..42],
            _ => candidate == tag,
        };
        let list = self.header(headers, "webhook-signature")?;
        let mut entries = list.split(' ').filter_map(|entry| match self.bug {
            Bug::AnyVersion => entry.split_once(',').map(|(_, candidate)| candidate),
            _ => entry.strip_prefix("v1,"),
        });
        let right = match self.bug {
            Bug::FirstCandidateOnly => entries.next().is_some_and(is_tag),
            _ => entries.any(is_tag),
        };
        let body = const_hex::encode(request.body());
        (fresh && right).then(|| match self.bug {
            Bug::BodyAsKey => body,
            Bug::SecondNameAsKey => self.header(headers, "svix-id").unwrap_or(id).to_owned(),
            Bug::IdAndBodyAsKey => format!("{id} {body}"),
            _ => id.to_owned(),
        })
    }

    fn github(&self, request: &Request<Bytes>) -> Option<String> {
        let header = self.header(request.headers(), "x-hub-signature-256")?;
        let (body, key) = (self.body(request.body()), SECRET.as_bytes());
        let mut tags = vec![const_hex::encode(hmac(key, &body))];
        if self.bug == Bug::EmptyKey {
            tags.push(const_hex::encode(hmac(b"", &body)));
        }
        let candidate = match (self.bug, header.split_once('=')?) {
            (Bug::AlgorithmFromHeader, ("sha1", candidate)) => {
                tags = vec![const_hex::encode(hmac_sha1(key, &body))];
                candidate
            }
            (_, ("sha256", candidate)) => candidate,
            _ => return None,
        };
        let right = match self.bug {
            Bug::PrefixCompare => tags.iter().any(|tag| tag.starts_with(candidate)),
            _ => tags.iter().any(|tag| tag == candidate),
        };
        let id = self.header(request.headers(), "x-github-delivery").unwrap_or_default();
        let key = if self.bug == Bug::UnsignedIdAsKey { id.to_owned() } else { tags.concat() };
        assert!(self.bug != Bug::Panics || body.first() != Some(&b'9'), "a planted panic");
        right.then_some(key)
    }
}

impl Receiver for Homemade {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        let key = match self.scheme.name == presets::STANDARD_WEBHOOKS.name {
            true => self.standard(request),
            false => self.github(request),
        };
        match key {
            Some(key) => Verdict::Accepted { key: Some(key.into_bytes()) },
            None => Verdict::Refused,
        }
    }

    fn now(&self) -> SystemTime {
        at(NOW)
    }
}

/// Of GitHub's webhooks, with what is signed alone as identity.
const GITHUB: Scheme = Scheme { identity: Identity::Content, ..presets::GITHUB };

fn attack(scheme: &Scheme, bug: Bug, iterations: u32, seed: u64) -> Result<(), Box<Finding>> {
    let receiver = Homemade { scheme: scheme.clone(), bug };
    Attack::new(scheme.clone(), SECRET).unwrap().run(&receiver, iterations, seed)
}

#[test]
fn s5_planted_bugs_are_found() {
    let standard = presets::STANDARD_WEBHOOKS;
    for (scheme, bug, oracle) in [
        (&GITHUB, Bug::EmptyKey, Oracle::RefusesForged),
        (&GITHUB, Bug::PrefixCompare, Oracle::RefusesForged),
        (&standard, Bug::NoTimestampCheck, Oracle::RefusesStale),
        (&standard, Bug::OneSidedTimestamp, Oracle::RefusesStale),
        (&GITHUB, Bug::AlgorithmFromHeader, Oracle::RefusesForged),
        (&standard, Bug::FirstCandidateOnly, Oracle::AcceptsGenuine),
        (&standard, Bug::AnyVersion, Oracle::RefusesChanged),
        (&GITHUB, Bug::FirstOfDuplicateHeaders, Oracle::RefusesRepeated),
        (&standard, Bug::PlusTimestamp, Oracle::RefusesRespelled),
        (&standard, Bug::IdWithDelimiter, Oracle::RefusesChanged),
        (&GITHUB, Bug::UnsignedIdAsKey, Oracle::TwoKeys),
        (&GITHUB, Bug::ReserialisedBody, Oracle::AcceptsGenuine),
        (&GITHUB, Bug::Panics, Oracle::NoPanic),
        (&standard, Bug::OverflowingTime, Oracle::NoPanic),
        (&standard, Bug::BodyAsKey, Oracle::TwoKeys),
        (&standard, Bug::IdAndBodyAsKey, Oracle::OneKey),
        (&standard, Bug::LenientBase64, Oracle::RefusesRespelled),
        (&standard, Bug::SecondNameAsKey, Oracle::OneKey),
    ] {
        for seed in 1..=3 {
            let started = Instant::now();
            let finding = attack(scheme, bug, 100_000, seed).expect_err("a planted bug");
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{bug:?}: {:?}",
                started.elapsed()
            );
            println!("{bug:?}, seed {seed}: found in {:?}", started.elapsed());
            // A wrong key shows in one of two.
            let keys = [Oracle::OneKey, Oracle::TwoKeys];
            let either = keys.contains(&oracle) && keys.contains(&finding.oracle);
            assert!(finding.oracle == oracle || either, "{bug:?}: {finding}");
            // It is small, comes back from what is printed, and can be read and repeated.
            assert!(finding.data.len() <= 32, "{bug:?}: {finding}");
            let receiver = Homemade { scheme: scheme.clone(), bug };
            let again = Attack::new(scheme.clone(), SECRET).unwrap();
            let text = finding.to_string();
            let again = again.check(&receiver, &printed_data(&text)).unwrap_err();
            assert_eq!(again.to_http(), finding.to_http(), "{bug:?}");
            assert!(text.contains("curl --globoff") && text.contains(r" / HTTP/1.1\r\n"), "{text}");
        }
    }
}

/// What Rust makes of the byte string in the printed call.
fn printed_data(finding: &str) -> Vec<u8> {
    let (_, call) = finding.split_once("attack.check(&receiver, b\"").unwrap();
    let (mut text, _) = call.split_once("\")\n").unwrap();
    let mut data = Vec::new();
    while let Some(byte) = text.bytes().next() {
        let escape = text.get(1..2).filter(|_| byte == b'\\');
        let (byte, length) = match escape {
            Some("x") => (u8::from_str_radix(&text[2..4], 16).unwrap(), 4),
            Some("t") => (b'\t', 2),
            Some("r") => (b'\r', 2),
            Some("n") => (b'\n', 2),
            Some(same @ ("\\" | "'" | "\"")) => (same.as_bytes()[0], 2),
            Some(other) => panic!("\\{other} is none of Rust's"),
            None => (byte, 1),
        };
        data.push(byte);
        text = &text[length..];
    }
    data
}

/// Each for `INHOOK_FUZZ_SECONDS`, or once.
#[test]
fn s5_what_is_right_is_not_accused() {
    let seconds = std::env::var("INHOOK_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(0));
    for scheme in [GITHUB, presets::STANDARD_WEBHOOKS] {
        let started = Instant::now();
        let runs = (7..).map(|seed| attack(&scheme, Bug::None, 20_000, seed).unwrap());
        let runs = runs.take_while(|()| started.elapsed() < time).count() + 1;
        let took = started.elapsed();
        println!("{}: not accused in {runs} x 20,000 attempts, {took:.0?}", scheme.name);
    }
}

/// Every preset, by ours.
#[test]
fn s5_no_preset_is_accused() {
    let url = "https://hooks.example.com/in?e=1&data.id=5";
    let mut accused = Vec::new();
    for preset in presets::all() {
        let scheme = preset.scheme.clone();
        let [new, old] = secrets_of(&scheme);
        let attack = Attack::for_url(scheme.clone(), new.clone(), url).unwrap();
        let attack = attack.secret(old.clone()).unwrap();
        let clock = Arc::new(FakeClock::new());
        let receiver = Verifier::builder("acme", scheme.clone(), new)
            .secret(old)
            .url(url)
            .clock(clock)
            .build()
            .unwrap();
        if let Err(finding) = attack.run(&receiver, 400, 3) {
            accused.push(format!("{}: {finding}", preset.name));
        }
    }
    assert!(accused.is_empty(), "{}", accused.join("\n\n"));
}

/// Nor is a scheme that no partner has.
#[test]
fn s5_no_combination_is_accused() {
    for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha512] {
        for encoding in [Encoding::Hex, Encoding::AnyCaseHex, Encoding::Base64, Encoding::Base64Url]
        {
            for layout in [Layout::Single, Layout::List(';'), Layout::SpacedList(';')] {
                let signature = Signature {
                    field: Field::header("webhook-signature"),
                    prefix: "v1:".into(),
                    layout,
                    encoding,
                    ..Signature::BASE
                };
                let header = Scheme { algorithm, signature, ..presets::STANDARD_WEBHOOKS };
                let parameter =
                    SentAt { field: Field::parameter("t"), format: TimeFormat::Rfc3339 };
                let parameter = Scheme { sent_at: Some(parameter), ..header.clone() };
                let is_list = layout != Layout::Single;
                for scheme in
                    [Some(header), Some(parameter).filter(|_| is_list)].into_iter().flatten()
                {
                    let receiver = builder(scheme.clone()).build().unwrap();
                    Attack::new(scheme, SECRET).unwrap().run(&receiver, 300, 5).unwrap();
                }
            }
        }
    }
}

/// Nor is one whose identity is something that the signer writes itself, or that has a signed header with one value.
#[test]
fn s5_what_a_signer_writes_itself_is_not_accused() {
    let signed =
        |field: &Field| vec![Part::Field(field.clone()), Part::Literal("\n".into()), Part::Body];
    let [topic, digest] = ["x-topic", "x-body-sha256"].map(Field::header);
    let by_topic = Scheme {
        id: None,
        event: Some(topic.clone()),
        content: signed(&topic).into(),
        identity: Identity::Fields(vec![topic, Field::pointer("/id")].into()),
        ..GITHUB
    };
    let by_digest = Scheme {
        id: None,
        content: signed(&digest).into(),
        identity: Identity::Fields(vec![digest.clone()].into()),
        digest: Some(digest),
        ..GITHUB
    };
    for scheme in [by_topic, by_digest] {
        let receiver = builder(scheme.clone()).build().unwrap();
        Attack::new(scheme, SECRET).unwrap().run(&receiver, 5_000, 1).unwrap();
    }
    // One that is always the same, and an id beside it.
    let shop = Field::header("x-shop");
    let by_shop = Scheme {
        id: None,
        content: signed(&shop).into(),
        identity: Identity::Fields(vec![shop, Field::pointer("/id")].into()),
        ..GITHUB
    };
    let receiver = builder(by_shop.clone()).build().unwrap();
    let attack = Attack::new(by_shop, SECRET).unwrap();
    let name = HeaderName::from_static("x-shop");
    attack.header(name, HeaderValue::from_static("7")).run(&receiver, 5_000, 1).unwrap();
    let version = Scheme { content: signed(&Field::header("x-version")).into(), ..GITHUB };
    let receiver = Wrapped(builder(version.clone()).build().unwrap(), |verifier, request| {
        let delivery = verifier.verify(request.clone()).ok()?;
        (request.headers()["x-version"] == "2").then(|| delivery.key().as_bytes().to_vec())
    });
    let attack = Attack::new(version, SECRET).unwrap();
    let name = HeaderName::from_static("x-version");
    attack.header(name, HeaderValue::from_static("2")).run(&receiver, 5_000, 1).unwrap();
}

/// A verifier that somebody wrapped in something.
struct Wrapped(Verifier, fn(&Verifier, &Request<Bytes>) -> Option<Vec<u8>>);

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

/// By the system's clock, of which it says every other second only.
struct Coarse(Verifier);

impl Receiver for Coarse {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        self.0.receive(request)
    }

    fn now(&self) -> SystemTime {
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        at(seconds / 2 * 2)
    }
}

#[test]
fn s5_a_clock_that_only_seems_to_stand_is_not_accused() {
    let scheme = presets::STANDARD_WEBHOOKS;
    let receiver = Coarse(Verifier::new("acme", scheme.clone(), SECRET).unwrap());
    let started = Instant::now();
    for seed in (1..).take_while(|_| started.elapsed() < Duration::from_millis(2_500)) {
        Attack::new(scheme.clone(), SECRET).unwrap().run(&receiver, 500, seed).unwrap();
    }
}

/// A router, and all that stands before its handler.
struct Routed(tokio::runtime::Runtime, axum::Router, Arc<FakeClock>);

impl Receiver for Routed {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        let request = request.clone().map(axum::body::Body::from);
        let answer = self.0.block_on(async {
            let answer = self.1.clone().oneshot(request).await.unwrap();
            let is_accepted = answer.status().is_success();
            (is_accepted, answer.into_body().collect().await.unwrap().to_bytes())
        });
        match answer {
            (true, key) => Verdict::Accepted { key: Some(key.to_vec()) },
            (false, _) => Verdict::Refused,
        }
    }

    fn now(&self) -> SystemTime {
        self.2.now()
    }
}

#[test]
fn s5_a_router_is_not_accused() {
    let url = "https://hooks.example.com/in/github";
    for scheme in [GITHUB, presets::STANDARD_WEBHOOKS, presets::STRIPE] {
        let clock = Arc::new(FakeClock::new());
        let verifier = Verifier::builder("acme", scheme.clone(), SECRET).clock(clock.clone());
        let layer = VerifyLayer::new(verifier.build().unwrap());
        let handler = post(|delivery: Delivery| async move { delivery.key().to_string() });
        let router = axum::Router::new().route("/in/github", handler.layer(layer));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let receiver = Routed(runtime, router, clock);
        let finding = Attack::new(scheme.clone(), SECRET).unwrap().run(&receiver, 10, 1);
        let finding = finding.unwrap_err();
        assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "there is nothing at /");
        assert!(finding.to_string().contains("`for_url` has the path"), "{finding}");
        Attack::for_url(scheme, SECRET, url).unwrap().run(&receiver, 3_000, 1).unwrap();
    }
}

/// In a test, anything may be the secret.
#[test]
fn s5_a_secret_that_anybody_guesses_is_not_accused_where_it_is_the_right_one() {
    for secret in ["secret", "the key of somebody else"] {
        let verifier = Verifier::builder("acme", GITHUB, secret).allow_weak_secret();
        let verifier = verifier.build().unwrap();
        Attack::new(GITHUB, secret).unwrap().run(&verifier, 3_000, 1).unwrap();
        let other = Attack::new(GITHUB, SECRET).unwrap().secret(Secret::new(secret).label("old"));
        let both = Verifier::builder("acme", GITHUB, SECRET)
            .secret(Secret::new(secret).label("old"))
            .allow_weak_secret();
        let both = both.build().unwrap();
        other.unwrap().run(&both, 3_000, 1).unwrap();
        let finding = Attack::new(GITHUB, SECRET).unwrap().run(&both, 20_000, 1).unwrap_err();
        assert_eq!(finding.oracle, Oracle::RefusesForged, "{finding}");
    }
}

#[test]
fn s5_a_rotation_that_goes_wrong_is_found() {
    let scheme = presets::STANDARD_WEBHOOKS;
    let [new, old] = secrets_of(&scheme);
    let attack = Attack::new(scheme.clone(), new.clone()).unwrap().secret(old.clone()).unwrap();
    let clock = Arc::new(FakeClock::new());
    let verifier = Verifier::builder("acme", scheme, new).clock(clock);
    let one = verifier.clone().build().unwrap();
    let both = verifier.secret(old).build().unwrap();
    attack.run(&both, 2_000, 1).unwrap();
    let finding = attack.run(&one, 2_000, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "{finding}");
    // By the secret as well as by the id: the next attempt after a rotation is handled again.
    let receiver = Wrapped(both, |verifier, request| {
        let delivery = verifier.verify(request.clone()).ok()?;
        Some([delivery.key().as_bytes().as_slice(), delivery.secret().as_bytes()].concat())
    });
    let finding = attack.run(&receiver, 2_000, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::OneKey, "{finding}");
}

#[test]
fn s5_a_digest_that_is_compared_with_nothing_is_found() {
    let digest = Field::header("x-body-sha256");
    let content = vec![Part::SentAt, Part::Literal(".".into()), Part::Field(digest.clone())];
    let scheme = Scheme {
        content: content.into(),
        digest: Some(digest),
        sent_at: presets::STANDARD_WEBHOOKS.sent_at,
        ..GITHUB
    };
    let attack = Attack::new(scheme.clone(), SECRET).unwrap();
    attack.run(&builder(scheme.clone()).build().unwrap(), 2_000, 1).unwrap();
    let wrong =
        Scheme { digest: None, dangerously_allow: vec![Danger::UnsignedBody].into(), ..scheme };
    let finding = attack.run(&builder(wrong).build().unwrap(), 2_000, 1).unwrap_err();
    let changed = [Oracle::RefusesChanged, Oracle::RefusesRespelled];
    assert!(changed.contains(&finding.oracle), "{finding}");
}

/// Two secrets in the notation of a scheme.
fn secrets_of(scheme: &Scheme) -> [Secret; 2] {
    let [new, old] = [1, 2].map(|digit| Secret::new(notation::secret(scheme, digit)));
    [new.label("key1"), old.label("key2")]
}
