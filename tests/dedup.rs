//! What [`DedupLayer`](inhook::DedupLayer) takes for a duplicate, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use inhook::dedup::Ticket;
use inhook::scheme::Identity;
use inhook::sign::Message;
use inhook::testing::{FakeClock, Partner};
use inhook::{ConfigError, DedupLayer, DedupStatus, MemoryDedup, Verifier, VerifyLayer, presets};
use tokio::sync::{Notify, Semaphore, mpsc};
use tower::{Layer, ServiceExt, service_fn};

mod common;
use common::guard::{Counted, answer, body, guarded, message, partner, verify};
use common::{SECRET, SHORTLINKS, shortlink};

#[tokio::test]
async fn a_duplicate_is_answered_200_and_does_not_reach_the_handler() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = guarded(&layer, counted.handler(&[202]));

    let first = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(
        (first.status(), &*body(first).await),
        (StatusCode::ACCEPTED, &b"from the handler"[..])
    );
    let second = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!((second.status(), &*body(second).await), (StatusCode::OK, &b""[..]));
    assert_eq!(service.oneshot(partner.valid(&message("2"))).await.unwrap().status(), 202);
    assert_eq!(counted.runs(), 2);
}

#[tokio::test]
async fn d1_a_forgery_does_not_touch_the_store() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = guarded(&layer, counted.handler(&[200]));
    for forged in [partner.tampered(&message("1")), partner.wrong_secret(&message("1"))] {
        assert_eq!(service.clone().oneshot(forged).await.unwrap().status(), 401);
    }
    assert_eq!(counted.runs(), 0);
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 200);
    assert_eq!(counted.runs(), 1);
}

#[tokio::test]
async fn d2_d3_d15_an_unsigned_id_is_bound_to_the_content() {
    let counted = Counted::new();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let github = Partner::new(presets::GITHUB, SECRET);
    let service = verify(presets::GITHUB).layer(layer.layer(service_fn(counted.handler(&[200]))));
    let send = async |id: &str, body: &'static str| {
        let request = github.valid(&Message::new(body).id(id).event("push"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        counted.runs()
    };
    // A captured body under a guessed id does not stand in the way of the real one.
    assert_eq!(send("guessed", r#"{"n":1}"#).await, 1);
    assert_eq!(send("guessed", r#"{"n":2}"#).await, 2);
    assert_eq!(send("guessed", r#"{"n":2}"#).await, 2);
    // Equal bodies under new ids both run.
    assert_eq!(send("other", r#"{"n":2}"#).await, 3);
    // A missing id counts as empty.
    let send_without_id = async || {
        let mut request = github.valid(&Message::new(r#"{"n":2}"#).event("push"));
        request.headers_mut().remove("x-github-delivery");
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        counted.runs()
    };
    assert_eq!(send_without_id().await, 4);
    assert_eq!(send_without_id().await, 4);

    // The strict choice.
    let strict = Verifier::builder("strict", presets::GITHUB, SECRET).identity(Identity::Content);
    let counted = Counted::new();
    let service = VerifyLayer::new(strict.build().unwrap())
        .layer(layer.layer(service_fn(counted.handler(&[200]))));
    for id in ["one", "two"] {
        let request = github.valid(&Message::new(r#"{"n":1}"#).id(id).event("push"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
    }
    assert_eq!(counted.runs(), 1);
}

#[tokio::test]
async fn d6_sources_have_ids_of_their_own_in_one_store() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    for source in ["acme", "other"] {
        let verify = Verifier::new(source, presets::STANDARD_WEBHOOKS, SECRET).unwrap();
        let service =
            VerifyLayer::new(verify).layer(layer.layer(service_fn(counted.handler(&[200]))));
        for _ in 0..2 {
            let request = partner.valid(&message("shared"));
            assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        }
    }
    assert_eq!(counted.runs(), 2);
}

#[tokio::test]
async fn d10_a_handler_that_fails_runs_again_at_the_next_attempt() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = guarded(&layer, counted.handler(&[500, 404, 302, 204, 500]));
    for expected in [500, 404, 302, 204, 200, 200] {
        let response = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!(response.status(), expected);
    }
    assert_eq!(counted.runs(), 4);
}

#[tokio::test]
async fn d11_the_same_signed_id_with_another_body_is_a_duplicate() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = guarded(&layer, counted.handler(&[200]));
    for body in [r#"{"pending_webhooks":2}"#, r#"{"pending_webhooks":1}"#] {
        let request = partner.valid(&Message::new(body).id("evt_1"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
    }
    assert_eq!(counted.runs(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_of_64_concurrent_copies_one_runs_and_no_other_is_answered_before_it() {
    let partner = partner();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let (gate, runs, answered) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (entered, mut inside) = mpsc::unbounded_channel();
    let handler = {
        let (gate, runs) = (gate.clone(), runs.clone());
        move |_| {
            let (gate, runs, entered) = (gate.clone(), runs.clone(), entered.clone());
            async move {
                runs.fetch_add(1, Ordering::SeqCst);
                entered.send(()).unwrap();
                let _ = gate.acquire().await?;
                Ok(answer(200))
            }
        }
    };
    let service = guarded(&layer, handler);
    let copies: Vec<_> = (0..64)
        .map(|_| {
            let (service, answered) = (service.clone(), answered.clone());
            let request = partner.valid(&message("1"));
            tokio::spawn(async move {
                let response = service.oneshot(request).await.unwrap();
                answered.store(true, Ordering::SeqCst);
                response.status()
            })
        })
        .collect();
    inside.recv().await.unwrap();
    assert!(!answered.load(Ordering::SeqCst), "nobody is answered before the handler is");
    gate.add_permits(1);
    for copy in copies {
        assert_eq!(copy.await.unwrap(), 200);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn d14_a_body_that_is_stamped_anew_at_each_attempt_is_a_duplicate() {
    let counted = Counted::new();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let partner = Partner::new(SHORTLINKS, SECRET);
    let service = verify(SHORTLINKS).layer(layer.layer(service_fn(counted.handler(&[200]))));
    let now = std::time::SystemTime::now();
    for age in [2, 1, 0] {
        let clock = Arc::new(FakeClock::at(now - Duration::from_secs(age)));
        let partner = Partner::new(SHORTLINKS, SECRET).clock(clock);
        let request = partner.valid(&Message::new(shortlink("wh_1")));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
    }
    for refused in [
        partner.stale(&Message::new(shortlink("wh_2"))),
        partner.future(&Message::new(shortlink("wh_2"))),
    ] {
        assert_eq!(service.clone().oneshot(refused).await.unwrap().status(), 401);
    }
    assert_eq!(counted.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_in_flight_runs_when_the_first_one_fails() {
    let (partner, runs) = (partner(), Arc::new(AtomicU32::new(0)));
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let count = runs.clone();
    let service = guarded(&layer, move |_| {
        let run = count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(answer(if run == 0 { 500 } else { 200 }))
        }
    });
    let first = tokio::spawn(service.clone().oneshot(partner.valid(&message("1"))));
    let second = tokio::spawn(service.oneshot(partner.valid(&message("1"))));
    assert_eq!(first.await.unwrap().unwrap().status(), 500);
    let second = second.await.unwrap().unwrap();
    assert_eq!((second.status(), &*body(second).await), (StatusCode::OK, &b"from the handler"[..]));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_copy_waits_for_a_second_and_is_then_told_to_come_again() {
    let (partner, started) = (partner(), Arc::new(Notify::new()));
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let start = started.clone();
    let service = guarded(&layer, move |_| {
        start.notify_one();
        async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(answer(200))
        }
    });
    let first = tokio::spawn(service.clone().oneshot(partner.valid(&message("1"))));
    started.notified().await;
    let before = tokio::time::Instant::now();
    let second = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(second.status(), 503);
    let retry: u32 = second.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&retry));
    let waited = before.elapsed();
    assert!(
        waited >= Duration::from_secs(1) && waited < Duration::from_millis(1_200),
        "{waited:?}"
    );
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_source_without_identity_has_no_duplicates() {
    let counted = Counted::new();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let github = Partner::new(presets::GITHUB, SECRET);
    let verifier = Verifier::builder("acme", presets::GITHUB, SECRET).identity(Identity::None);
    let (seen, mut statuses) = mpsc::unbounded_channel();
    let mut count = counted.handler(&[200]);
    let handler = move |request: Request<Full<Bytes>>| {
        seen.send(*request.extensions().get::<DedupStatus>().unwrap()).unwrap();
        count(request)
    };
    let service =
        VerifyLayer::new(verifier.build().unwrap()).layer(layer.layer(service_fn(handler)));
    for _ in 0..2 {
        let request = github.valid(&Message::new("{}").id("same").event("push"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        assert_eq!(statuses.recv().await.unwrap(), DedupStatus::NoIdentity);
    }
    assert_eq!(counted.runs(), 2);
}

#[tokio::test]
async fn without_a_verify_layer_it_is_500_and_nothing_runs() {
    let counted = Counted::new();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = layer.layer(service_fn(counted.handler(&[200])));
    let response = service.oneshot(partner().valid(&message("1"))).await.unwrap();
    assert_eq!((response.status().as_u16(), counted.runs()), (500, 0));
}

#[test]
fn a_token_is_written_in_hexadecimal_and_never_twice() {
    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let request = partner().valid(&message("1")).map(|_| Bytes::from(r#"{"type":"ping"}"#));
    let delivery = verifier.verify(request).unwrap();
    let [one, two] = [(); 2].map(|()| Ticket::new(&delivery, Duration::from_secs(30)).token());
    assert_ne!(one, two);
    assert_eq!(one.to_string(), const_hex::encode(one.as_bytes()));
    assert_eq!(format!("{one:?}"), format!("Token({one})"));
}

#[test]
fn a_time_out_that_reaches_the_lease_is_refused() {
    let dedup = Arc::new(MemoryDedup::new());
    let millis = Duration::from_millis;
    for (timeout, lease) in
        [(0, 30_000), (30_000, 30_000), (31_000, 30_000), (29_501, 30_000), (1_000, 86_400_001)]
    {
        let layer =
            DedupLayer::builder(dedup.clone()).timeout(millis(timeout)).lease(millis(lease));
        let error = layer.build().unwrap_err();
        assert!(matches!(error, ConfigError::Dedup { .. }), "{error}");
    }
    for (timeout, lease) in [(29_500, 30_000), (1_000, 86_400_000)] {
        let layer =
            DedupLayer::builder(dedup.clone()).timeout(millis(timeout)).lease(millis(lease));
        layer.build().unwrap();
    }
}
