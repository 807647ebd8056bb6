//! What every attempt of a delivery has in common, whatever else changes.

use super::*;

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
async fn d11_a_signed_id_counts_whatever_the_body_says() {
    let verifier = verifier(presets::STANDARD_WEBHOOKS);
    let first = standard(&verifier, "msg_1", NOW, r#"{"pending":2}"#);
    let second = standard(&verifier, "msg_1", NOW, r#"{"pending":1}"#);
    assert_ne!(first.body(), second.body());
    assert_eq!(put([first, second]).await, [Put::New, Put::Duplicate]);
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
