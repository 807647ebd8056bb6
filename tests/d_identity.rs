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

mod common;

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

#[tokio::test]
async fn d1_a_refused_request_leaves_no_trace() {
    let verifier = verifier(presets::STANDARD_WEBHOOKS);
    let inbox = inbox();
    let mut forged = standard_request("msg_1", NOW, BODY);
    *forged.body_mut() = OTHER_BODY.into();
    assert_eq!(verifier.verify(forged).unwrap_err(), Rejection::WrongSignature);
    let real = standard(&verifier, "msg_1", NOW, BODY);
    assert_eq!(inbox.put(real.clone()).await.unwrap(), Put::New);
}

#[tokio::test]
async fn d2_an_id_that_is_not_signed_does_not_escape_the_content() {
    let content = Identity::Content;
    let puts = put([
        github(&content, Some("1"), BODY),
        github(&content, Some("2"), BODY),
        github(&content, None, BODY),
        github(&content, Some("1"), OTHER_BODY),
    ]);
    assert_eq!(puts.await, [Put::New, Put::Duplicate, Put::Duplicate, Put::New]);
}

#[tokio::test]
async fn d2_a_missing_unsigned_id_counts_as_empty() {
    let both = Identity::IdAndContent;
    let missing = github(&both, None, BODY);
    assert_eq!(missing.id(), None);
    let puts = put([
        github(&both, Some("1"), BODY),
        github(&both, Some("2"), BODY),
        missing,
        // Without an id it is still told from others, and still a duplicate of itself.
        github(&both, None, BODY),
        github(&both, None, OTHER_BODY),
        github(&both, Some("1"), BODY),
    ]);
    use Put::{Duplicate, New};
    assert_eq!(puts.await, [New, New, New, Duplicate, New, Duplicate]);
}

#[tokio::test]
async fn d3_a_guessed_id_does_not_swallow_the_real_delivery() {
    let (captured, real) = (BODY, OTHER_BODY);
    for (identity, second) in [
        (Identity::IdAndContent, Put::New),
        (Identity::Content, Put::New),
        // This is what its name warns of.
        (Identity::UnsignedId, Put::Duplicate),
    ] {
        let forged = github(&identity, Some("next"), captured);
        let puts = put([forged, github(&identity, Some("next"), real)]);
        assert_eq!(puts.await, [Put::New, second], "{identity:?}");
    }
}

#[test]
fn d4_every_attempt_has_the_same_key() {
    let verifier = verifier(presets::STANDARD_WEBHOOKS);
    let first = standard(&verifier, "msg_1", NOW, BODY);
    for time in [NOW, NOW + 60, NOW - 300] {
        let retry = standard(&verifier, "msg_1", time, BODY);
        assert_eq!((retry.key(), retry.id()), (first.key(), Some("msg_1")));
        assert_eq!(retry.key(), retry.key());
        assert_eq!(retry.clone().key(), retry.key());
    }
    // Another name of the header, another secret, another process: the same delivery.
    let mut renamed = standard_request("msg_1", NOW, BODY);
    let id = renamed.headers_mut().remove("webhook-id").unwrap();
    set(&mut renamed, "svix-id", id);
    assert_eq!(verifier.verify(renamed).unwrap().key(), first.key());
    let rotated =
        Verifier::builder("acme", presets::SVIX, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
            .secret(Secret::new(SECRET).label("old"))
            .clock(Arc::new(FakeClock::new()))
            .build()
            .unwrap();
    assert_eq!(standard(&rotated, "msg_1", NOW, BODY).key(), first.key());
    assert_ne!(standard(&verifier, "msg_2", NOW, BODY).key(), first.key());
}

#[test]
fn d4_an_id_in_the_body_is_what_its_json_means() {
    let scheme = by_fields(&["/webhook_id"]);
    let verify = |body: &str| {
        verifier(scheme.clone()).verify(signed(&scheme, None, b"", body.to_owned())).unwrap()
    };
    let first = verify(r#"{"webhook_id":"wh_1"}"#);
    for same in [
        r#"{"webhook_id":"\u0077h_1"}"#,
        r#"{"webhook\u005fid":"wh_1"}"#,
        r#" { "event" : null , "webhook_id" : "wh_1" } "#,
        r#"{"webhook_id":"other","webhook_id":"wh_1"}"#,
        r#"{"webhook_id":"other","webhook\u005fid":"wh_1"}"#,
    ] {
        let delivery = verify(same);
        assert_eq!((delivery.key(), delivery.id()), (first.key(), Some("wh_1")), "{same}");
    }
    // Nothing is normalised: these are other ids.
    for other in ["WH_1", "wh_1 ", " wh_1", "wh_01", "wh_\u{ff11}", "wh_1\u{301}"] {
        let delivery = verify(&format!(r#"{{"webhook_id":"{other}"}}"#));
        assert_ne!(delivery.key(), first.key(), "{other}");
        assert_eq!(delivery.id(), Some(other));
    }
}

#[tokio::test]
async fn d5_a_durable_inbox_remembers_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inhook.db");
    let delivery = standard(&verifier(presets::STANDARD_WEBHOOKS), "msg_1", NOW, BODY);
    let open = async || {
        let options = SqliteInbox::options().clock(Arc::new(FakeClock::new()));
        options.open(&path).await.unwrap()
    };
    let before = open().await;
    assert_eq!(before.put(delivery.clone()).await.unwrap(), Put::New);
    drop(before);
    assert_eq!(open().await.put(delivery.clone()).await.unwrap(), Put::Duplicate);
    // A volatile one remembers for as long as it lives, as its documentation says.
    let before = inbox();
    assert_eq!(before.put(delivery.clone()).await.unwrap(), Put::New);
    assert_eq!(before.put(delivery.clone()).await.unwrap(), Put::Duplicate);
    assert_eq!(inbox().put(delivery.clone()).await.unwrap(), Put::New);
}

#[tokio::test]
async fn d6_two_sources_do_not_share_ids() {
    for identity in [Identity::Content, Identity::IdAndContent, Identity::UnsignedId] {
        let from = |source: &str| {
            let builder = Verifier::builder(source, presets::GITHUB, SECRET);
            let verifier = builder.identity(identity.clone()).build().unwrap();
            verifier.verify(signed(&presets::GITHUB, Some(b"1"), b"", BODY)).unwrap()
        };
        let puts = put([from("github-a"), from("github-b"), from("github-a")]);
        assert_eq!(puts.await, [Put::New, Put::New, Put::Duplicate]);
    }
    // One id that is fanned out to several receivers behind one URL: a composite identity.
    let scheme = by_fields(&["/webhook_id", "/tenant"]);
    let tenant = |tenant: &str| {
        let body = format!(r#"{{"webhook_id":"1","tenant":"{tenant}"}}"#);
        verifier(scheme.clone()).verify(signed(&scheme, None, b"", body)).unwrap()
    };
    let puts = put([tenant("a"), tenant("b"), tenant("a")]);
    assert_eq!(puts.await, [Put::New, Put::New, Put::Duplicate]);
}

#[test]
fn d7_no_two_identities_look_alike() {
    let mut keys = HashSet::new();
    let mut count = 0;
    let mut new = |key: Key| {
        count += 1;
        keys.insert(key);
        assert_eq!(keys.len(), count, "this one is not the first of its kind");
    };
    for (source, id) in [("a:b", "c"), ("a", "b:c"), ("a", "b"), ("ab", "c"), ("a:b:c", "d")] {
        let verifier = Verifier::builder(source, presets::STANDARD_WEBHOOKS, SECRET)
            .clock(Arc::new(FakeClock::new()))
            .build()
            .unwrap();
        new(standard(&verifier, id, NOW, BODY).key());
    }
    let composite = by_fields(&["/x", "/y"]);
    for (x, y) in [("ab", "c"), ("a", "bc"), ("a", "b"), ("abc", "x"), ("c", "ab")] {
        let body = format!(r#"{{"x":"{x}","y":"{y}"}}"#);
        let request = signed(&composite, None, b"", body);
        new(verifier(composite.clone()).verify(request).unwrap().key());
    }
    // The kinds of identity do not meet either, whatever the texts are.
    for identity in
        [Identity::Content, Identity::IdAndContent, Identity::UnsignedId, Identity::None]
    {
        for (id, body) in [("b", ""), ("bc", ""), ("b", "c"), ("c", "b")] {
            if identity == Identity::Content && id != "b"
                || identity == Identity::UnsignedId && body == "c"
            {
                // The id, or the body, makes no difference there.
                continue;
            }
            new(github(&identity, Some(id), body).key());
        }
    }
}

#[test]
fn d7_a_signed_id_counts_in_whatever_case_and_however_often_it_is_named() {
    let named = |names: &[&'static str]| {
        let fields = names.iter().copied().map(Field::header).collect();
        builder(presets::STANDARD_WEBHOOKS).identity(Identity::Fields(fields)).build().unwrap()
    };
    let plain = verifier(presets::STANDARD_WEBHOOKS);
    for names in [&["webhook-id"][..], &["Webhook-Id"], &["webhook-id", "WEBHOOK-ID"]] {
        let verifier = named(names);
        for id in ["msg_1", "msg_2"] {
            let key = standard(&verifier, id, NOW, "no JSON").key();
            assert_eq!(key, standard(&plain, id, NOW, BODY).key(), "{names:?}");
        }
    }
    // Together with a field of the body, whose absence is refused.
    let fields = vec![Field::header("Webhook-Id"), Field::pointer("/n")];
    let both = builder(presets::STANDARD_WEBHOOKS).identity(Identity::Fields(fields.into()));
    let both = both.build().unwrap();
    let keys: HashSet<Key> = [("msg_1", "a"), ("msg_1", "b"), ("msg_2", "a")]
        .map(|(id, n)| standard(&both, id, NOW, &format!(r#"{{"n":"{n}"}}"#)).key())
        .into();
    assert_eq!(keys.len(), 3);
    both.verify(standard_request("msg_1", NOW, BODY)).unwrap_err();
    both.verify(standard_request("msg_1", NOW, "no JSON")).unwrap_err();
}

#[test]
fn d7_an_id_in_a_header_is_short_visible_text() {
    let standard = verifier(presets::STANDARD_WEBHOOKS);
    let github = verifier(presets::GITHUB);
    let accepts = |id: &[u8]| {
        let time = NOW.to_string();
        let request = signed(&presets::STANDARD_WEBHOOKS, Some(id), time.as_bytes(), BODY);
        let results = [
            standard.verify(request),
            github.verify(signed(&presets::GITHUB, Some(id), b"", BODY)),
        ];
        results.map(|result| {
            result.inspect_err(|error| assert_eq!(error.status(), StatusCode::UNAUTHORIZED)).is_ok()
        })
    };
    for len in [1, 36, 255] {
        assert_eq!(accepts(&vec![b'x'; len]), [true; 2], "{len}");
    }
    for len in [256, 257, 1 << 20] {
        assert_eq!(accepts(&vec![b'x'; len]), [false; 2], "{len}");
    }
    for id in [&b"a\tb"[..], b"a b", b"\xc2\x85", b"a\xff"] {
        assert_eq!(accepts(id), [false; 2], "{id:?}");
    }
    // A dot would end the id early where `id.time.body` is signed.
    assert_eq!(accepts(b"a.b"), [false, true]);
}

#[test]
fn d7_an_id_in_the_body_is_short_text() {
    let scheme = by_fields(&["/webhook_id"]);
    let verify = |json: &str| {
        let body = format!(r#"{{"webhook_id":{json}}}"#);
        verifier(scheme.clone()).verify(signed(&scheme, None, b"", body))
    };
    for id in ["x", &"x".repeat(255), &"é".repeat(127), "a.b:c/d", "größe 7"] {
        assert_eq!(verify(&format!("{id:?}")).unwrap().id(), Some(id));
    }
    for json in [
        format!("{:?}", "x".repeat(256)),
        format!("{:?}", "x".repeat(257)),
        format!("{:?}", "é".repeat(128)),
        format!("{:?}", "x".repeat(1 << 20)),
        r#""""#.into(),
        r#""a\u0000""#.into(),
        r#""\n""#.into(),
        r#""a\u007f""#.into(),
        r#""a\u0085""#.into(),
        "\"a\u{85}\"".into(),
        "null".into(),
        "true".into(),
        "7".into(),
        "7.5".into(),
        r#"["wh_1"]"#.into(),
        r#"{"id":"wh_1"}"#.into(),
        r#""wh_1","webhook_id":null"#.into(),
        r#""wh_1","webhook_id":"""#.into(),
    ] {
        let rejection = verify(&json).unwrap_err();
        let field = "/webhook_id".into();
        assert_eq!(rejection, Rejection::IdentityField { field, max: 255 });
        assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn d7_every_field_of_an_identity_has_to_be_there() {
    let scheme = by_fields(&["/x", "/y"]);
    for (body, missing) in [
        (r#"{"x":"1"}"#, "/y"),
        (r#"{"y":"1"}"#, "/x"),
        (r#"{"x":"1","y":""}"#, "/y"),
        (r#"{"x":1,"y":"1"}"#, "/x"),
        ("[]", "/x"),
        ("null", "/x"),
    ] {
        let rejection = verifier(scheme.clone()).verify(signed(&scheme, None, b"", body));
        let expected = Rejection::IdentityField { field: missing.into(), max: 255 };
        assert_eq!(rejection.unwrap_err(), expected, "{body}");
    }
    for body in ["", "no JSON", "{", r#"{"x":"1","y":"1"} x"#, "{\"x\":\"1\",\"y\":\"\u{1}\"}"] {
        let rejection = verifier(scheme.clone()).verify(signed(&scheme, None, b"", body));
        let rejection = rejection.unwrap_err();
        assert_eq!(rejection, Rejection::NotJson { pointer: "/x".into() }, "{body}");
        assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn d11_a_signed_id_counts_whatever_the_body_says() {
    let verifier = verifier(presets::STANDARD_WEBHOOKS);
    let first = standard(&verifier, "msg_1", NOW, r#"{"pending":2}"#);
    let second = standard(&verifier, "msg_1", NOW, r#"{"pending":1}"#);
    assert_ne!(first.body(), second.body());
    assert_eq!(put([first, second]).await, [Put::New, Put::Duplicate]);
}

/// Like Linear: a new time in the body at each attempt, and an id that is in no signed place.
fn restamped() -> Scheme {
    Scheme {
        signature: Signature {
            field: Field::header("x-signature"),
            prefix: Cow::Borrowed(""),
            layout: Layout::Single,
            encoding: Encoding::Hex,
            ..Signature::BASE
        },
        id: Some(Field::header("x-delivery")),
        sent_at: Some(SentAt { field: Field::pointer("/sent"), format: TimeFormat::UnixSeconds }),
        identity: Identity::UnsignedId,
        ..Scheme::BASE
    }
}

#[test]
fn d14_a_body_with_a_new_time_at_each_attempt_is_no_identity() {
    for scheme in [SHORTLINKS, restamped()] {
        for identity in [Identity::Content, Identity::IdAndContent] {
            let error = builder(scheme.clone()).identity(identity.clone()).build().unwrap_err();
            assert!(matches!(error, ConfigError::Identity { .. }), "{error}");
            // Not judging the time does not make it the same at each attempt.
            let error = builder(scheme.clone()).identity(identity).ignore_sent_at().build();
            assert!(matches!(error, Err(ConfigError::Identity { .. })));
        }
        for identity in [scheme.identity.clone(), Identity::UnsignedId, Identity::None] {
            builder(scheme.clone()).identity(identity).build().unwrap();
        }
    }
    // A time in a header is not part of the content.
    for identity in [Identity::Content, Identity::IdAndContent] {
        let verifier = builder(presets::STANDARD_WEBHOOKS).identity(identity).build().unwrap();
        let first = standard(&verifier, "msg_1", NOW, BODY).key();
        assert_eq!(standard(&verifier, "msg_1", NOW + 60, BODY).key(), first);
        assert_ne!(standard(&verifier, "msg_1", NOW, OTHER_BODY).key(), first);
        // The id is signed here, so it is part of the content.
        assert_ne!(standard(&verifier, "msg_2", NOW, BODY).key(), first);
    }
}

#[tokio::test]
async fn d14_a_restamped_retry_is_a_duplicate_by_fields_or_by_the_unsigned_id() {
    let shortlink_at = |time: &str| {
        let body = shortlink("wh_1").replace("09:30:00", time);
        verifier(SHORTLINKS).verify(signed(&SHORTLINKS, None, b"", body)).unwrap()
    };
    let attempts = [shortlink_at("09:30:00"), shortlink_at("09:30:05"), shortlink_at("09:29:59")];
    assert_eq!(put(attempts).await, [Put::New, Put::Duplicate, Put::Duplicate]);

    let verifier = verifier(restamped());
    let attempt = |id: &str, time: u64| {
        let body = format!(r#"{{"sent":{time}}}"#);
        verifier.verify(signed(&restamped(), Some(id.as_bytes()), b"", body)).unwrap()
    };
    let attempts = [attempt("1", NOW), attempt("1", NOW + 5), attempt("2", NOW)];
    assert_eq!(put(attempts).await, [Put::New, Put::Duplicate, Put::New]);
}

#[test]
fn d14_a_bare_unsigned_id_has_to_be_there() {
    let body = format!(r#"{{"sent":{NOW}}}"#);
    let missing = verifier(restamped()).verify(signed(&restamped(), None, b"", body.clone()));
    let rejection = missing.unwrap_err();
    assert_eq!(rejection, Rejection::IdentityField { field: "x-delivery".into(), max: 255 });
    assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);

    // The partner's mistake is only told to the partner: without its MAC it is a 401.
    let mut forged = signed(&restamped(), None, b"", body.clone());
    set(&mut forged, "x-signature", text(Encoding::Hex, &[0; 32]));
    assert_eq!(verifier(restamped()).verify(forged).unwrap_err(), Rejection::WrongSignature);
    for id in [&b""[..], b"a b", &[b'x'; 256]] {
        verifier(restamped())
            .verify(signed(&restamped(), Some(id), b"", body.clone()))
            .unwrap_err();
    }
}

/// Where a key is kept no longer than its request is fresh: dated as far ahead as may be, and sent again at
/// the last moment.
#[tokio::test]
async fn d13_a_key_is_known_at_the_last_moment_of_its_request() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new());
    let options = SqliteInbox::options().clock(clock.clone());
    let sqlite = options.open(directory.path().join("inhook.db")).await.unwrap();
    let memory = MemoryInbox::new().clock(clock.clone());
    let inboxes: [(&str, &dyn Inbox); 2] = [("SQLite", &sqlite), ("memory", &memory)];
    let (past, future) = (Duration::from_secs(300), Duration::from_secs(60));
    let builder = builder(presets::STANDARD_WEBHOOKS).clock(clock.clone());
    let verifier = builder.tolerance(past, future).ttl(past + future).build().unwrap();
    for (name, inbox) in inboxes {
        clock.jump_to(at(NOW));
        let request = standard_request("msg_1", NOW + 60, BODY);
        let delivery = verifier.verify(request.clone()).unwrap();
        assert_eq!(inbox.put(delivery).await.unwrap(), Put::New);
        let lease = LeaseOptions::new(1, Duration::from_secs(30), 3);
        let job = inbox.lease(lease).await.unwrap().jobs.pop().unwrap();
        let settled = inbox.settle(job.lease(), Outcome::Done).await.unwrap();
        assert_eq!(settled, Settled::Recorded);
        clock.jump_to(at(NOW + 360));
        let again = verifier.verify(request.clone()).unwrap();
        assert_eq!(inbox.put(again).await.unwrap(), Put::Duplicate, "{name}");
        clock.jump_to(at(NOW + 360) + Duration::from_nanos(1));
        assert!(verifier.verify(request).is_err());
    }
    let dedup = MemoryDedup::new().clock(clock.clone());
    clock.jump_to(at(NOW));
    let request = standard_request("msg_1", NOW + 60, BODY);
    let ticket =
        || Ticket::new(&verifier.verify(request.clone()).unwrap(), Duration::from_secs(30));
    let first = ticket();
    assert_eq!(dedup.claim(&first).await.unwrap(), Claim::Granted);
    assert_eq!(dedup.commit(&first).await.unwrap(), Settled::Recorded);
    clock.advance(Duration::from_secs(360));
    assert_eq!(dedup.claim(&ticket()).await.unwrap(), Claim::Committed);
}

#[tokio::test]
async fn d15_equal_bodies_under_new_ids_both_run() {
    let both = |id| github(&Identity::IdAndContent, Some(id), BODY);
    assert_eq!(put([both("1"), both("2"), both("1")]).await, [Put::New, Put::New, Put::Duplicate]);
}

#[tokio::test]
async fn d15_shopify_ids_are_bound_to_the_content() {
    let shopify = |id: &str, body: &str| {
        let request = signed(&presets::SHOPIFY, Some(id.as_bytes()), b"", body.to_owned());
        verifier(presets::SHOPIFY).verify(request).unwrap()
    };
    let puts = put([
        shopify("1", BODY),
        shopify("1", BODY),
        shopify("2", BODY),
        // A guessed id does not swallow the real delivery.
        shopify("1", OTHER_BODY),
    ]);
    assert_eq!(puts.await, [Put::New, Put::Duplicate, Put::New, Put::New]);
}

#[tokio::test]
async fn d4_a_stripe_event_is_its_id_at_every_attempt() {
    let stripe = |time: u64, body: &str| {
        let request = signed(&presets::STRIPE, None, time.to_string().as_bytes(), body.to_owned());
        verifier(presets::STRIPE).verify(request).unwrap()
    };
    let puts = put([
        stripe(NOW, r#"{"id":"evt_1","pending_webhooks":2}"#),
        stripe(NOW + 60, r#"{"id":"evt_1","pending_webhooks":1}"#),
        stripe(NOW, r#"{"id":"evt_2","pending_webhooks":2}"#),
    ]);
    assert_eq!(puts.await, [Put::New, Put::Duplicate, Put::New]);
}

#[tokio::test]
async fn d4_whatever_slack_sends_is_its_content_at_every_attempt() {
    const COMMAND: &str = "command=%2Fdeploy&text=&trigger_id=398738663015.47445629121";
    const VERIFICATION: &str = r#"{"challenge":"3eZbrw1aBm2rZgRN","type":"url_verification"}"#;
    let slack = |verifier: &Verifier, time: u64, body: &str| {
        let request = signed(&presets::SLACK, None, time.to_string().as_bytes(), body.to_owned());
        verifier.verify(request)
    };
    let event = |id: &str| format!(r#"{{"event":{{"type":"app_mention"}},"event_id":"{id}"}}"#);

    let by_content = verifier(presets::SLACK);
    let attempt = |time, body: &str| slack(&by_content, time, body).unwrap();
    let first = attempt(NOW, &event("Ev1"));
    assert_eq!((first.id(), first.event()), (Some("Ev1"), Some("app_mention")));
    let puts = put([
        first,
        attempt(NOW + 60, &event("Ev1")),
        attempt(NOW, &event("Ev2")),
        attempt(NOW, COMMAND),
        attempt(NOW + 1, COMMAND),
        attempt(NOW, VERIFICATION),
    ]);
    use Put::{Duplicate, New};
    assert_eq!(puts.await, [New, Duplicate, New, New, Duplicate, New]);

    // By the id alone an event is told as well, and nothing else is accepted.
    let event_id = Identity::Fields(vec![Field::pointer("/event_id")].into());
    let by_id = builder(presets::SLACK).identity(event_id).build().unwrap();
    let attempt = |time, body: &str| slack(&by_id, time, body).unwrap();
    let puts = put([attempt(NOW, &event("Ev1")), attempt(NOW + 60, &event("Ev1"))]);
    assert_eq!(puts.await, [New, Duplicate]);
    for body in [COMMAND, VERIFICATION] {
        assert_eq!(slack(&by_id, NOW, body).unwrap_err().status(), 400);
    }
}

#[tokio::test]
async fn without_an_identity_every_request_is_a_delivery_of_its_own() {
    let verifier = builder(presets::GITHUB).identity(Identity::None).build().unwrap();
    let twin = builder(presets::GITHUB).identity(Identity::None).build().unwrap();
    let request = signed(&presets::GITHUB, Some(b"1"), b"", BODY);
    let verify = |verifier: &Verifier| verifier.verify(request.clone()).unwrap();
    let deliveries: Vec<Delivery> = (0..50)
        .flat_map(|_| [verify(&verifier), verify(&twin), verify(&verifier.clone())])
        .collect();
    let keys: HashSet<Key> = deliveries.iter().map(Delivery::key).collect();
    assert_eq!(keys.len(), deliveries.len());

    // It stays what it is: a clone is the same delivery, asked before or after.
    let delivery = verify(&verifier);
    let early = delivery.clone();
    assert_eq!(delivery.key(), delivery.key());
    assert_eq!(early.key(), delivery.key());
    assert_eq!(delivery.clone().key(), delivery.key());
    assert_eq!(delivery.id(), Some("1"));
    let puts = put([early, delivery.clone(), verify(&verifier), delivery]);
    assert_eq!(puts.await, [Put::New, Put::Duplicate, Put::New, Put::Duplicate]);
}

/// SHA-256 over the pieces, each behind its length in eight bytes, big-endian first; computed by
/// another program. A stored key must mean the same delivery in every later version.
#[test]
fn the_keys_are_these() {
    let standard = standard(
        &verifier(presets::STANDARD_WEBHOOKS),
        "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        NOW,
        BODY,
    );
    let composite = by_fields(&["/tenant", "/webhook_id"]);
    let body = r#"{"webhook_id":"wh_1","tenant":"t1"}"#;
    let composite =
        verifier(composite.clone()).verify(signed(&composite, None, b"", body)).unwrap();
    for (delivery, pieces, key) in [
        (
            standard,
            r#""acme", "fields", "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W""#,
            "fec445af7e0cd0ccc9e6b2c7c7d52e0ad4d3820953fa91acbf7bd6235cc6ce65",
        ),
        (
            composite,
            r#""acme", "fields", "t1", "wh_1""#,
            "e5a93cda40d626de5155466fb5f59cb818eba41cb7a14983a28c21268c4d46e0",
        ),
        (
            github(&Identity::Content, Some("72d3162e"), BODY),
            r#""acme", "content", the body"#,
            "5fd796b6d7a55a768a9084555a4882b63b7f92ffc016aa240302b72ee7a53f8b",
        ),
        (
            github(&Identity::IdAndContent, Some("72d3162e"), BODY),
            r#""acme", "id and content", "72d3162e", the body"#,
            "dff0466e4ae1dc1675374d42d02af022c42a23520ffbacc88ace0ace2bc1b807",
        ),
        (
            github(&Identity::UnsignedId, Some("72d3162e"), BODY),
            r#""acme", "unsigned id", "72d3162e""#,
            "7921389f0a1b7efdee5a86b9b0b9b2a118482967984bca35afc895f7774e85e0",
        ),
    ] {
        assert_eq!(delivery.key().to_string(), key, "{pieces}");
        assert_eq!(key.parse(), Ok(delivery.key()));
        assert_eq!(Key::from_bytes(*delivery.key().as_bytes()), delivery.key());
    }
}

#[test]
fn a_key_has_one_spelling() {
    let key = "fec445af7e0cd0ccc9e6b2c7c7d52e0ad4d3820953fa91acbf7bd6235cc6ce65";
    assert_eq!(key.parse::<Key>().unwrap().to_string(), key);
    for text in ["", &key[1..], &format!("{key}0"), &format!("{key}00"), &format!(" {}", &key[1..])]
    {
        assert!(text.parse::<Key>().is_err(), "{text:?}");
    }
}
