//! What [`DedupLayer`](inhook::DedupLayer) does with a store that fails, answers late, or is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use inhook::dedup::{Claim, Dedup, DedupError, Ticket};
use inhook::inbox::Settled;
use inhook::testing::{Failing, FakeClock, Mode};
use inhook::{DedupLayer, DedupStatus, MemoryDedup, Verifier, VerifyLayer, WhenFull, presets};
use tokio::sync::mpsc;
use tower::{Layer, ServiceExt, service_fn};

mod common;
use common::SECRET;
use common::guard::{Counted, answer, body, delivery, guarded, message, partner};

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_503_and_the_handler_does_not_run() {
    for mode in [Mode::Fails, Mode::Hangs, Mode::LosesAnswers] {
        let (partner, counted) = (partner(), Counted::new());
        let store = Arc::new(Failing::new(MemoryDedup::new()));
        let layer = DedupLayer::new(store.clone());
        let service = guarded(&layer, counted.handler(&[200]));
        store.set(mode);
        let response = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!(response.status(), 503, "{mode:?}");
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        assert!(response.extensions().get::<DedupError>().is_some());
        assert_eq!(counted.runs(), 0, "{mode:?}");
        store.set(Mode::Works);
        // A claim that was made although its answer was lost is given back.
        layer.drain().await;
        let response = service.oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!(response.status(), 200, "{mode:?}");
        assert_eq!(counted.runs(), 1, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fail_open_passes_requests_on_counts_them_and_says_so() {
    let partner = partner();
    let store = Arc::new(Failing::new(MemoryDedup::new()));
    let layer = DedupLayer::builder(store.clone()).fail_open().build().unwrap();
    let (seen, mut statuses) = mpsc::unbounded_channel();
    let service = guarded(&layer, move |request: Request<Full<Bytes>>| {
        seen.send(*request.extensions().get::<DedupStatus>().unwrap()).unwrap();
        async { Ok(answer(200)) }
    });
    store.set(Mode::Fails);
    for _ in 0..2 {
        let request = partner.valid(&message("1"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        assert_eq!(statuses.recv().await.unwrap(), DedupStatus::Unknown);
    }
    assert_eq!(layer.passed_unchecked(), 2);
    store.set(Mode::Works);
    // What was handled in the meantime is committed once that is possible.
    layer.drain().await;
    let copy = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!((copy.status(), &*body(copy).await), (StatusCode::OK, &b""[..]));
    assert_eq!(service.oneshot(partner.valid(&message("2"))).await.unwrap().status(), 200);
    assert_eq!(statuses.recv().await.unwrap(), DedupStatus::Claimed);
    assert_eq!(layer.passed_unchecked(), 2);
}

#[tokio::test(start_paused = true)]
async fn fail_open_leaves_the_handler_its_time_when_the_store_hangs() {
    let (partner, counted) = (partner(), Counted::new());
    let store = Arc::new(Failing::new(MemoryDedup::new()));
    let layer = DedupLayer::builder(store.clone()).fail_open().timeout(Duration::from_millis(300));
    let layer = layer.build().unwrap();
    store.set(Mode::Hangs);
    let service = guarded(&layer, counted.handler(&[200]));
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 200);
    assert_eq!((counted.runs(), layer.passed_unchecked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_is_tried_again_while_the_claim_is_kept() {
    let (partner, counted) = (partner(), Counted::new());
    let store = Arc::new(Failing::new(MemoryDedup::new()));
    let layer = DedupLayer::new(store.clone());
    let (breaking, mut runs) = (store.clone(), counted.handler(&[200]));
    let service = guarded(&layer, move |request| {
        // From here on nothing can be recorded.
        breaking.set(Mode::Fails);
        runs(request)
    });
    let first = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(first.status(), 200, "the work is done");
    let ticket = || {
        let clock = Arc::new(FakeClock::at(SystemTime::now()));
        Ticket::new(&delivery(&partner, &clock, "1"), Duration::from_secs(30))
    };
    assert_eq!(store.inner().claim(&ticket()).await.unwrap(), Claim::InFlight);
    store.set(Mode::Works);
    layer.drain().await;
    assert_eq!(store.inner().claim(&ticket()).await.unwrap(), Claim::Committed);
    assert_eq!(counted.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_the_lease_nobody_tries_any_longer() {
    let (partner, counted) = (partner(), Counted::new());
    let store = Arc::new(Failing::new(MemoryDedup::new()));
    let layer = DedupLayer::new(store.clone());
    store.set(Mode::Hangs);
    let service = guarded(&layer, counted.handler(&[200]));
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 503);
    let before = tokio::time::Instant::now();
    layer.drain().await;
    assert!(before.elapsed() <= Duration::from_secs(31), "{:?}", before.elapsed());
}

#[tokio::test]
async fn d8_s13_a_full_store_refuses_and_forgets_nothing() {
    let clock = Arc::new(FakeClock::new());
    let partner = partner().clock(clock.clone());
    let dedup = Arc::new(MemoryDedup::new().max_deliveries(100).clock(clock.clone()));
    let layer = DedupLayer::builder(dedup.clone()).fail_open().build().unwrap();
    let counted = Counted::new();
    let verifier = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, SECRET);
    let verify = VerifyLayer::new(verifier.clock(clock.clone()).build().unwrap());
    let service = verify.layer(layer.layer(service_fn(counted.handler(&[200]))));
    let send = async |id: u32| {
        let request = partner.valid(&message(&format!("{id}")));
        service.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    for id in 0..1_000 {
        assert_eq!(send(id).await, if id < 100 { 200 } else { 503 }, "{id}");
    }
    for id in 0..100 {
        assert_eq!(send(id).await, 200);
    }
    assert_eq!(counted.runs(), 100, "no replay ran, and being full is no failure to pass on");
    assert_eq!(dedup.remembered(), 100);
    // When the window is over there is room again.
    clock.advance(Duration::from_secs(97 * 3_600));
    assert_eq!(send(1_000).await, 200);
    assert_eq!(counted.runs(), 101);
    assert_eq!(dedup.remembered(), 1);
}

/// In memory, seconds since 1970 end there. A clock may be as wrong as that, which is no reason to accept anything twice.
#[tokio::test]
async fn c9_behind_2106_nothing_is_forgotten() {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(u32::MAX.into());
    let clock = Arc::new(FakeClock::at(end + Duration::from_secs(31_536_000)));
    let dedup = MemoryDedup::new().max_deliveries(1).clock(clock.clone());
    let partner = partner().clock(clock.clone());
    let ticket = |id| Ticket::new(&delivery(&partner, &clock, id), Duration::from_secs(30));
    let handled = ticket("1");
    assert_eq!(dedup.claim(&handled).await.unwrap(), Claim::Granted);
    assert_eq!(dedup.commit(&handled).await.unwrap(), Settled::Recorded);
    assert!(matches!(dedup.claim(&ticket("2")).await, Err(DedupError::Full)));
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Committed);
}

#[tokio::test]
async fn a_store_for_no_deliveries_has_room_for_one() {
    let clock = Arc::new(FakeClock::new());
    let dedup = MemoryDedup::new().max_deliveries(0).when_full(WhenFull::ShortenWindow);
    let dedup = dedup.clock(clock.clone());
    let partner = partner().clock(clock.clone());
    let ticket = Ticket::new(&delivery(&partner, &clock, "1"), Duration::from_secs(30));
    assert_eq!(dedup.claim(&ticket).await.unwrap(), Claim::Granted);
    assert_eq!(dedup.commit(&ticket).await.unwrap(), Settled::Recorded);
    assert_eq!(dedup.claim(&ticket).await.unwrap(), Claim::Committed);
}

#[tokio::test]
async fn a_store_that_shortens_its_window_says_by_how_much() {
    let clock = Arc::new(FakeClock::new());
    let dedup = MemoryDedup::new().max_deliveries(100).when_full(WhenFull::ShortenWindow);
    let dedup = dedup.clock(clock.clone());
    let partner = partner().clock(clock.clone());
    let claim = async |id: u32| {
        let ticket =
            Ticket::new(&delivery(&partner, &clock, &id.to_string()), Duration::from_secs(30));
        let claim = dedup.claim(&ticket).await.unwrap();
        if claim == Claim::Granted {
            assert_eq!(dedup.commit(&ticket).await.unwrap(), Settled::Recorded);
        }
        claim
    };
    assert_eq!(dedup.shortened_by(), Duration::ZERO);
    for id in 0..1_000 {
        assert_eq!(claim(id).await, Claim::Granted);
    }
    assert_eq!(claim(999).await, Claim::Committed, "the latest are remembered");
    assert!(dedup.shortened_by() > Duration::from_secs(95 * 3_600), "{:?}", dedup.shortened_by());
}

/// The control of the two tests above: the policy that moka has by default forgets ids that were seen
/// once, so a replay of them would be accepted.
#[test]
fn d8_control_a_tiny_lfu_cache_forgets_what_it_has_seen_once() {
    let cache = moka::sync::Cache::<u32, ()>::new(100);
    for id in 0..100 {
        cache.insert(id, ());
        // Seen again and again, as the ids of an attacker's flood are.
        for _ in 0..5 {
            cache.get(&id);
        }
    }
    cache.run_pending_tasks();
    cache.insert(1_000, ());
    cache.run_pending_tasks();
    assert!(!cache.contains_key(&1_000), "the newest id is the one that is forgotten");
}

/// Refuses each claim like this, and counts how often something was to be released.
struct Releases(DedupError, AtomicU32);

#[async_trait::async_trait]
impl Dedup for Releases {
    async fn claim(&self, _: &Ticket) -> Result<Claim, DedupError> {
        Err(self.0.clone())
    }

    async fn commit(&self, _: &Ticket) -> Result<Settled, DedupError> {
        Err(DedupError::unavailable("down"))
    }

    async fn release(&self, _: &Ticket) -> Result<Settled, DedupError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Err(DedupError::unavailable("down"))
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_pile_up_work_for_its_end() {
    let (partner, counted) = (partner(), Counted::new());
    let store = Arc::new(Releases(DedupError::unavailable("down"), AtomicU32::new(0)));
    let layer = DedupLayer::new(store.clone());
    let service = guarded(&layer, counted.handler(&[200]));
    for n in 0..1_000 {
        let request = partner.valid(&message(&n.to_string()));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 503);
    }
    let before = tokio::time::Instant::now();
    layer.drain().await;
    assert!(before.elapsed() <= Duration::from_secs(31));
    // 64 at a time, about 35 times in a lease.
    let releases = store.1.load(Ordering::SeqCst);
    assert!(releases > 0 && releases < 64 * 40, "{releases}");
}

/// Of a store that has no room it is known that nothing was claimed.
#[tokio::test(start_paused = true)]
async fn what_was_refused_for_want_of_room_is_not_released() {
    let store = Arc::new(Releases(DedupError::Full, AtomicU32::new(0)));
    let layer = DedupLayer::new(store.clone());
    let service = guarded(&layer, Counted::new().handler(&[200]));
    let answer = service.oneshot(partner().valid(&message("1"))).await.unwrap();
    assert_eq!(answer.status(), 503);
    layer.drain().await;
    assert_eq!(store.1.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_full_store_has_room_again_in_the_second_in_which_it_forgets() {
    let clock = Arc::new(FakeClock::new());
    let dedup = MemoryDedup::new().max_deliveries(1).clock(clock.clone());
    let partner = partner().clock(clock.clone());
    let minute = Duration::from_secs(60);
    let ticket = |id: &str| Ticket::new(&delivery(&partner, &clock, id), minute);
    let first = ticket("1");
    assert_eq!(dedup.claim(&first).await.unwrap(), Claim::Granted);
    assert_eq!(dedup.commit(&first).await.unwrap(), Settled::Recorded);
    // Whole seconds, and the one that had begun.
    clock.advance(first.ttl() + Duration::from_secs(1));
    assert_eq!(dedup.claim(&ticket("2")).await.unwrap(), Claim::Granted);
}

#[tokio::test]
async fn a_full_store_still_knows_what_it_holds() {
    let clock = Arc::new(FakeClock::new());
    let dedup = MemoryDedup::new().max_deliveries(2).clock(clock.clone());
    let partner = partner().clock(clock.clone());
    let ticket = |id: &str, lease| Ticket::new(&delivery(&partner, &clock, id), lease);
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    let (short, long) = (ticket("short", minute), ticket("long", hour));
    for ticket in [&short, &long] {
        assert_eq!(dedup.claim(ticket).await.unwrap(), Claim::Granted);
    }
    assert!(matches!(dedup.claim(&ticket("3", minute)).await, Err(DedupError::Full)));
    assert_eq!(dedup.claim(&long).await.unwrap(), Claim::Granted, "it holds it already");
    clock.advance(2 * minute);
    let taken_over = ticket("short", minute);
    assert_eq!(dedup.claim(&taken_over).await.unwrap(), Claim::Granted, "the claim lapsed");
    clock.advance(2 * minute);
    // It lapsed as well, so there is room for another.
    assert_eq!(dedup.claim(&ticket("3", minute)).await.unwrap(), Claim::Granted);
    assert!(matches!(dedup.claim(&ticket("4", minute)).await, Err(DedupError::Full)));
    assert_eq!(dedup.commit(&long).await.unwrap(), Settled::Recorded);
    assert_eq!(dedup.claim(&ticket("long", minute)).await.unwrap(), Claim::Committed);
}

#[tokio::test]
async fn a_claim_ends_at_the_very_end_of_its_lease() {
    let clock = Arc::new(FakeClock::new());
    let partner = partner().clock(clock.clone());
    let minute = Duration::from_secs(60);
    let ticket = |id: &str| Ticket::new(&delivery(&partner, &clock, id), minute);
    let (one, two) = (ticket("1"), ticket("1"));

    let dedup = MemoryDedup::new().max_deliveries(1).clock(clock.clone());
    assert_eq!(dedup.claim(&one).await.unwrap(), Claim::Granted);
    clock.advance(minute);
    assert_eq!(dedup.claim(&two).await.unwrap(), Claim::Granted, "taken over");
    clock.advance(minute);
    assert_eq!(dedup.commit(&one).await.unwrap(), Settled::Recorded, "nobody holds it any more");

    let full = MemoryDedup::new().max_deliveries(1).clock(clock.clone());
    let (one, other) = (ticket("1"), ticket("2"));
    assert_eq!(full.claim(&one).await.unwrap(), Claim::Granted);
    clock.advance(minute);
    assert_eq!(full.claim(&other).await.unwrap(), Claim::Granted, "it gave up its room");
}
