//! What the log says before deliveries are refused, or forgotten.

use super::*;

/// How often this was logged of the store that has so many places.
fn said(what: &str, max: usize) -> usize {
    let text = LOG.text();
    let max = format!("max={max}");
    text.lines().filter(|line| line.contains(what) && line.ends_with(&max)).count()
}

/// One whose deliveries are told by a number.
struct Store {
    dedup: MemoryDedup,
    clock: Arc<FakeClock>,
}

impl Store {
    fn new(dedup: MemoryDedup) -> Self {
        let _ = &*LOG;
        let clock = Arc::new(FakeClock::new());
        Self { dedup: dedup.clock(clock.clone()), clock }
    }

    async fn claim(&self, id: u32) -> Ticket {
        let verifier = Verifier::new("acme", presets::GITHUB, SECRET).unwrap();
        let signer = Signer::new(presets::GITHUB, SECRET).unwrap();
        let request = signer.request(&Message::new(BODY).id(id.to_string())).unwrap();
        let ticket = Ticket::new(&verifier.verify(request).unwrap(), Duration::from_secs(30));
        assert_eq!(self.dedup.claim(&ticket).await.unwrap(), Claim::Granted, "{id}");
        ticket
    }

    async fn handle(&self, id: u32) -> Ticket {
        let ticket = self.claim(id).await;
        assert_eq!(self.dedup.commit(&ticket).await.unwrap(), Settled::Recorded);
        ticket
    }
}

#[tokio::test]
async fn a_dedup_store_says_once_that_it_is_nearly_full() {
    let store = Store::new(MemoryDedup::new().max_deliveries(8));
    let said = || said("75 % of the deliveries", 8);
    // What has expired is dropped before that is said.
    for id in 1..=6 {
        let window = store.handle(id).await.ttl();
        store.clock.advance(window / 4);
    }
    for id in 7..=8 {
        store.handle(id).await;
        assert_eq!((said(), store.dedup.remembered() < 7), (0, true), "{id}");
    }
    for id in 9..=10 {
        store.handle(id).await;
        assert_eq!(said(), 1, "{id}");
    }
    assert_eq!(store.dedup.remembered(), 8);
}

/// All of it expires at once, and nothing has looked since.
#[tokio::test]
async fn a_dedup_store_of_what_has_expired_is_not_nearly_full() {
    let store = Store::new(MemoryDedup::new().max_deliveries(24));
    let mut window = Duration::ZERO;
    for id in 0..18 {
        window = store.handle(id).await.ttl();
    }
    store.clock.advance(window + Duration::from_secs(60));
    store.handle(18).await;
    assert_eq!((said("75 % of the deliveries", 24), store.dedup.remembered()), (0, 1));
}

/// A store at its bound has a few places free now and then, and nobody wants to hear of each.
#[tokio::test]
async fn a_dedup_store_says_so_again_after_half_of_it_was_free() {
    for (max, expired, times) in [(20, 10, 2), (28, 13, 1)] {
        let store = Store::new(MemoryDedup::new().max_deliveries(max));
        let max = u32::try_from(max).unwrap();
        let mut window = Duration::ZERO;
        for id in 0..max {
            if id == expired {
                store.clock.advance(Duration::from_secs(3_600));
            }
            window = store.handle(id).await.ttl();
        }
        store.clock.advance(window - Duration::from_secs(1_800));
        for id in max..max + expired {
            store.handle(id).await;
        }
        let said = said("75 % of the deliveries", usize::try_from(max).unwrap());
        assert_eq!(said, times, "{expired} of {max} had expired");
    }
}

/// Those that are being handled are not remembered: they may fail.
#[tokio::test]
async fn a_dedup_store_in_which_much_is_in_flight_is_not_nearly_full() {
    let store = Store::new(MemoryDedup::new().max_deliveries(16));
    for id in 0..16 {
        store.claim(id).await;
    }
    assert_eq!(said("75 %", 16), 0);
}

#[tokio::test]
async fn a_dedup_store_says_once_that_its_window_is_shortened() {
    let shortening = MemoryDedup::new().max_deliveries(40).when_full(WhenFull::ShortenWindow);
    let store = Store::new(shortening);
    for id in 0..40 {
        store.handle(id).await;
    }
    assert_eq!((said("shortened", 40), store.dedup.shortened_by()), (0, Duration::ZERO));
    for id in 40..1_000 {
        store.handle(id).await;
    }
    assert_eq!((said("shortened", 40), said("75 %", 40)), (1, 0));
}
