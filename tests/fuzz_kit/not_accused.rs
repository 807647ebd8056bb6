//! Receivers that are right, of which the kit finds nothing.

use std::time::{Duration, Instant};

use axum::routing::post;
use http_body_util::BodyExt;
use inhook::VerifyLayer;
use inhook::clock::Clock;
use inhook::scheme::{Algorithm, Encoding, Layout, SentAt, Signature, TimeFormat};
use tower::ServiceExt;

use super::*;
use crate::homemade::{Bug, attack};
use crate::variable::whole_number;

/// Each for `INHOOK_FUZZ_SECONDS`, or once.
#[test]
fn s5_what_is_right_is_not_accused() {
    let time = Duration::from_secs(whole_number("INHOOK_FUZZ_SECONDS").unwrap_or(0));
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
