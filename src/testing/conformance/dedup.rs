//! The rules of a store for deduplication.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::dedup::{Claim, Dedup, Ticket};
use crate::delivery::Delivery;
use crate::inbox::Settled;
use crate::scheme::presets::STANDARD_WEBHOOKS;
use crate::sign::{Message, Signer};
use crate::testing::FakeClock;
use crate::verify::Verifier;

/// Whose clock a store goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Time {
    /// The one that the suite gives it, and moves.
    Given,
    /// Another one, such as a server's: the suite waits, for a few seconds in all.
    Real,
}

/// Checks a store for deduplication: `open` makes one on the clock it is given, anew for each rule.
/// It may remember what other rules left there.
///
/// Run it on a runtime with several threads.
///
/// ```
/// use std::sync::Arc;
/// use inhook::{MemoryDedup, testing::conformance::{self, Time}};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// conformance::dedup(async |clock| Arc::new(MemoryDedup::new().clock(clock)), Time::Given).await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// A rule is broken; the message says which.
pub async fn dedup<D, F>(open: F, time: Time)
where
    D: Dedup,
    F: AsyncFn(Arc<dyn Clock>) -> Arc<D>,
{
    let fresh = async || {
        let clock = Arc::new(FakeClock::new());
        Bench { dedup: open(clock.clone()).await, clock, time, run: fastrand::u64(..) }
    };
    a_delivery_is_claimed_once(&fresh().await).await;
    racing_claims_have_one_winner(fresh().await).await;
    sources_have_ids_of_their_own(&fresh().await).await;
    a_claim_may_be_repeated(&fresh().await).await;
    a_committed_delivery_stays_a_duplicate(&fresh().await).await;
    a_commit_may_be_repeated(&fresh().await).await;
    a_released_delivery_is_claimed_again(&fresh().await).await;
    only_the_holder_releases(&fresh().await).await;
    a_lapsed_claim_is_taken_over(&fresh().await).await;
    a_stale_commit_is_refused(&fresh().await).await;
    a_stale_release_changes_nothing(&fresh().await).await;
    a_late_commit_that_nobody_overtook_counts(&fresh().await).await;
    a_window_ends(&fresh().await).await;
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// A lease that no rule outlasts, and one that ends soon.
const LEASE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);
/// The shortest window that there is.
const TOLERANCE: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(2);

struct Bench<D> {
    dedup: Arc<D>,
    clock: Arc<FakeClock>,
    time: Time,
    /// Keeps the ids of two runs apart, in a store that remembers.
    run: u64,
}

impl<D: Dedup> Bench<D> {
    fn delivery(&self, source: &str, id: &str) -> Delivery {
        let id = format!("{}-{id}", self.run);
        let message = Message::new("{}").id(id).sent_at(self.clock.now());
        let request = Signer::new(STANDARD_WEBHOOKS, SECRET).unwrap().request(&message).unwrap();
        let verifier = Verifier::builder(source, STANDARD_WEBHOOKS, SECRET)
            .tolerance(TOLERANCE, TOLERANCE)
            .ttl(WINDOW)
            .clock(self.clock.clone());
        verifier.build().unwrap().verify(request).unwrap()
    }

    fn ticket(&self, id: &str) -> Ticket {
        Ticket::new(&self.delivery("acme", id), LEASE)
    }

    fn short_ticket(&self, id: &str) -> Ticket {
        Ticket::new(&self.delivery("acme", id), SHORT)
    }

    async fn claim(&self, ticket: &Ticket) -> Claim {
        self.dedup.claim(ticket).await.expect("claim works")
    }

    async fn commit(&self, ticket: &Ticket) -> Settled {
        self.dedup.commit(ticket).await.expect("commit works")
    }

    async fn release(&self, ticket: &Ticket) -> Settled {
        self.dedup.release(ticket).await.expect("release works")
    }

    async fn pass(&self, time: Duration) {
        match self.time {
            Time::Given => self.clock.advance(time),
            // Time itself is what is awaited here.
            Time::Real => tokio::time::sleep(time).await,
        }
    }

    /// A claim that has lapsed.
    async fn lapsed(&self, id: &str) -> Ticket {
        let ticket = self.short_ticket(id);
        assert_eq!(self.claim(&ticket).await, Claim::Granted);
        self.pass(SHORT + SHORT / 4).await;
        ticket
    }
}

async fn a_delivery_is_claimed_once<D: Dedup>(bench: &Bench<D>) {
    let (first, second) = (bench.ticket("a"), bench.ticket("a"));
    assert_ne!(first, second, "tickets of one delivery differ");
    assert_eq!(bench.claim(&first).await, Claim::Granted);
    assert_eq!(bench.claim(&second).await, Claim::InFlight, "a claimed delivery is in flight");
    assert_eq!(bench.claim(&bench.ticket("b")).await, Claim::Granted, "another one is not");
}

async fn racing_claims_have_one_winner<D: Dedup>(bench: Bench<D>) {
    let bench = Arc::new(bench);
    for round in 0..50 {
        let claims = (0..16).map(|_| {
            let (bench, ticket) = (bench.clone(), bench.ticket(&format!("race-{round}")));
            tokio::spawn(async move { bench.claim(&ticket).await })
        });
        let mut granted = 0;
        for claim in claims.collect::<Vec<_>>() {
            match claim.await.expect("claims do not panic") {
                Claim::Granted => granted += 1,
                Claim::InFlight => {}
                Claim::Committed => panic!("nothing is committed"),
            }
        }
        assert_eq!(granted, 1, "of racing claims exactly one is granted");
    }
}

async fn sources_have_ids_of_their_own<D: Dedup>(bench: &Bench<D>) {
    for source in ["acme", "other"] {
        let ticket = Ticket::new(&bench.delivery(source, "shared"), LEASE);
        assert_eq!(bench.claim(&ticket).await, Claim::Granted, "{source} has ids of its own");
    }
}

async fn a_claim_may_be_repeated<D: Dedup>(bench: &Bench<D>) {
    let ticket = bench.ticket("a");
    for _ in 0..2 {
        assert_eq!(bench.claim(&ticket).await, Claim::Granted, "the ticket holds it already");
    }
}

async fn a_committed_delivery_stays_a_duplicate<D: Dedup>(bench: &Bench<D>) {
    let ticket = bench.ticket("a");
    assert_eq!(bench.claim(&ticket).await, Claim::Granted);
    assert_eq!(bench.commit(&ticket).await, Settled::Recorded);
    assert_eq!(bench.claim(&bench.ticket("a")).await, Claim::Committed);
    assert_eq!(bench.release(&ticket).await, Settled::Stale, "what is committed is not released");
    assert_eq!(bench.claim(&bench.ticket("a")).await, Claim::Committed);
}

async fn a_commit_may_be_repeated<D: Dedup>(bench: &Bench<D>) {
    let ticket = bench.ticket("a");
    assert_eq!(bench.claim(&ticket).await, Claim::Granted);
    for _ in 0..2 {
        assert_eq!(bench.commit(&ticket).await, Settled::Recorded);
    }
    assert_eq!(bench.claim(&bench.ticket("a")).await, Claim::Committed);
}

async fn a_released_delivery_is_claimed_again<D: Dedup>(bench: &Bench<D>) {
    let (first, second) = (bench.ticket("a"), bench.ticket("a"));
    assert_eq!(bench.claim(&first).await, Claim::Granted);
    assert_eq!(bench.release(&first).await, Settled::Recorded);
    assert_eq!(bench.claim(&second).await, Claim::Granted, "a failed delivery runs again");
}

async fn only_the_holder_releases<D: Dedup>(bench: &Bench<D>) {
    let (holder, other) = (bench.ticket("a"), bench.ticket("a"));
    assert_eq!(bench.claim(&holder).await, Claim::Granted);
    assert_eq!(bench.release(&other).await, Settled::Stale);
    assert_eq!(bench.commit(&other).await, Settled::Stale);
    assert_eq!(bench.claim(&other).await, Claim::InFlight, "it is still held");
    assert_eq!(bench.commit(&holder).await, Settled::Recorded);
}

async fn a_lapsed_claim_is_taken_over<D: Dedup>(bench: &Bench<D>) {
    bench.lapsed("a").await;
    assert_eq!(
        bench.claim(&bench.ticket("a")).await,
        Claim::Granted,
        "a claim ends with its lease"
    );
}

async fn a_stale_commit_is_refused<D: Dedup>(bench: &Bench<D>) {
    let late = bench.lapsed("a").await;
    let taken_over = bench.ticket("a");
    assert_eq!(bench.claim(&taken_over).await, Claim::Granted);
    assert_eq!(bench.commit(&late).await, Settled::Stale);
    assert_eq!(bench.claim(&bench.ticket("a")).await, Claim::InFlight, "the new claim holds");
    assert_eq!(bench.commit(&taken_over).await, Settled::Recorded);
}

async fn a_stale_release_changes_nothing<D: Dedup>(bench: &Bench<D>) {
    let late = bench.lapsed("a").await;
    let taken_over = bench.ticket("a");
    assert_eq!(bench.claim(&taken_over).await, Claim::Granted);
    assert_eq!(bench.release(&late).await, Settled::Stale);
    assert_eq!(bench.claim(&bench.ticket("a")).await, Claim::InFlight, "the new claim holds");
}

async fn a_late_commit_that_nobody_overtook_counts<D: Dedup>(bench: &Bench<D>) {
    let late = bench.lapsed("a").await;
    assert_eq!(bench.commit(&late).await, Settled::Recorded, "the work is done");
    assert_eq!(bench.claim(&bench.ticket("a")).await, Claim::Committed);
}

async fn a_window_ends<D: Dedup>(bench: &Bench<D>) {
    let ticket = bench.ticket("a");
    assert_eq!(bench.claim(&ticket).await, Claim::Granted);
    assert_eq!(bench.commit(&ticket).await, Settled::Recorded);
    bench.pass(WINDOW / 2).await;
    assert_eq!(bench.claim(&bench.ticket("a")).await, Claim::Committed, "inside the window");
    // A store may count in whole seconds, and remember for up to one longer.
    bench.pass(WINDOW / 2 + Duration::from_secs(1)).await;
    assert_eq!(bench.claim(&bench.ticket("a")).await, Claim::Granted, "after it");
}
