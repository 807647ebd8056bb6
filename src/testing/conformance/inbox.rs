//! The rules of an inbox.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::inbox::{
    Batch, Filter, Inbox, LeaseOptions, Ledger, LedgerError, Outcome, Put, REVIVAL_INTERVAL,
    Settled, State,
};
use crate::testing::FakeClock;

mod bench;

use bench::{ATTEMPTS, Bench, LEASE};

/// What a backend promises beyond the common rules.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "a backend states each of them")]
pub struct Capabilities {
    /// It stores [`Record::new`](crate::inbox::Record::new) with `durable = true`.
    pub durable: bool,
    /// It keeps the bytes of handled deliveries, so that they can be replayed.
    pub retains_done: bool,
}

/// Checks an inbox: `open` makes an empty one on the clock it is given, anew for each rule.
///
/// Run it on a runtime with several threads.
///
/// ```
/// use std::sync::Arc;
/// use inhook::{MemoryInbox, testing::conformance::{self, Capabilities}};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// conformance::inbox(
///     async |clock| Arc::new(MemoryInbox::new().clock(clock)),
///     Capabilities { durable: false, retains_done: false },
/// )
/// .await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// A rule is broken; the message says which.
pub async fn inbox<I, F>(open: F, capabilities: Capabilities)
where
    I: Inbox + Ledger,
    F: AsyncFn(Arc<dyn Clock>) -> Arc<I>,
{
    let fresh = async || {
        let clock = Arc::new(FakeClock::new());
        Bench { inbox: open(clock.clone()).await, clock, capabilities }
    };
    a_delivery_is_accepted_once(&fresh().await).await;
    racing_copies_are_accepted_once(fresh().await).await;
    a_job_is_what_was_delivered(&fresh().await).await;
    sources_have_ids_of_their_own(&fresh().await).await;
    a_duplicate_with_another_body_is_counted(&fresh().await).await;
    oldest_first_and_no_more_than_asked(&fresh().await).await;
    a_handled_delivery_stays_a_duplicate_for_its_window(&fresh().await, Outcome::Done).await;
    a_handled_delivery_stays_a_duplicate_for_its_window(&fresh().await, Outcome::Skipped).await;
    a_late_end_keeps_the_key_while_a_replay_is_fresh(&fresh().await).await;
    an_unsettled_delivery_keeps_its_key(&fresh().await).await;
    what_another_store_accepted_keeps_its_time(&fresh().await).await;
    a_delivery_and_its_record_are_accepted_once(&fresh().await).await;
    an_older_copy_of_a_dead_letter_is_no_resend(&fresh().await).await;
    a_retry_comes_when_it_is_due(&fresh().await).await;
    a_released_attempt_does_not_count(&fresh().await).await;
    retries_and_first_attempts_take_turns(&fresh().await).await;
    retries_are_limited(&fresh().await).await;
    sources_are_limited(&fresh().await).await;
    a_dead_letter_is_revived_by_a_resend(&fresh().await).await;
    a_dead_letter_is_replayed(&fresh().await).await;
    a_leased_delivery_is_not_replayed(&fresh().await).await;
    a_handled_delivery_is_replayed_or_its_bytes_are_gone(&fresh().await).await;
    a_discarded_delivery_keeps_its_key(&fresh().await).await;
    a_lapsed_lease_makes_a_suspect(&fresh().await).await;
    a_suspect_stays_one_until_an_attempt_ends(&fresh().await).await;
    a_suspect_without_attempts_is_buried(&fresh().await).await;
    a_stale_settlement_is_refused(&fresh().await).await;
    a_heartbeat_keeps_a_lease(&fresh().await).await;
    a_clock_that_jumps_ends_no_lease(&fresh().await).await;
    what_is_due_next_is_known(&fresh().await).await;
    a_put_wakes_who_waits(&fresh().await).await;
    the_ledger_counts_and_pages(&fresh().await).await;
}

async fn a_delivery_is_accepted_once<I: Inbox + Ledger>(bench: &Bench<I>) {
    assert_eq!(bench.put("a").await, Put::New);
    assert_eq!(bench.put("a").await, Put::Duplicate, "a pending delivery is known");
    let job = bench.job().await;
    assert_eq!(bench.put("a").await, Put::Duplicate, "a leased delivery is known");
    bench.settle(&job, Outcome::Done).await;
    assert_eq!(bench.put("a").await, Put::Duplicate, "a handled delivery is known");
    assert!(bench.lease(10).await.jobs.is_empty(), "duplicates make no jobs");
}

async fn racing_copies_are_accepted_once<I: Inbox + Ledger>(bench: Bench<I>) {
    let bench = Arc::new(bench);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64 {
        let bench = bench.clone();
        tasks.spawn(async move { bench.put(&format!("id-{}", n % 4)).await });
    }
    let puts = tasks.join_all().await;
    assert_eq!(puts.iter().filter(|put| **put == Put::New).count(), 4, "one accept for each id");
    assert_eq!(bench.lease(100).await.jobs.len(), 4, "one job for each id");
}

async fn a_job_is_what_was_delivered<I: Inbox + Ledger>(bench: &Bench<I>) {
    let delivery = bench.delivery("acme", "a");
    bench.inbox.put(delivery.clone()).await.expect("put works");
    let job = bench.job().await;
    assert_eq!(job.key(), delivery.key());
    assert_eq!(job.source(), "acme");
    assert_eq!(job.id(), Some("a"));
    assert_eq!(job.event(), Some("user.created"));
    assert_eq!(job.body(), delivery.body());
    assert_eq!(job.secret(), "0");
    assert_eq!(job.attempt(), 1, "attempts count from 1");
    assert_eq!(job.signed_at(), delivery.signed_at());
    assert_eq!(job.received_at(), delivery.received_at());
    assert_eq!(job.headers().get("x-extra").map(|value| value.as_bytes()), Some(&b"kept"[..]));
    assert!(!job.headers().contains_key("authorization"), "credentials are not stored");
}

async fn sources_have_ids_of_their_own<I: Inbox + Ledger>(bench: &Bench<I>) {
    for source in ["acme", "acme:x"] {
        let put = bench.inbox.put(bench.delivery(source, "x:a")).await.expect("put works");
        assert_eq!(put, Put::New, "{source} has ids of its own");
    }
}

async fn a_duplicate_with_another_body_is_counted<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    bench.put("a").await;
    let changed = bench.delivery_of("acme", "a", "{}".into());
    let put = bench.inbox.put(changed).await.expect("put works");
    assert_eq!(put, Put::Duplicate, "the id is signed, so it is one event");
    let stats = bench.inbox.stats().await.expect("stats work");
    assert_eq!((stats.pending, stats.changed_duplicates), (1, 1));
    assert_ne!(bench.job().await.body(), "{}", "what was accepted first is what runs");
}

async fn oldest_first_and_no_more_than_asked<I: Inbox + Ledger>(bench: &Bench<I>) {
    for id in ["a", "b", "c"] {
        bench.put(id).await;
        bench.clock.advance(Duration::from_millis(5));
    }
    let ids = |batch: &Batch| -> Vec<String> {
        batch.jobs.iter().map(|job| job.id().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&bench.lease(2).await), ["a", "b"]);
    assert_eq!(ids(&bench.lease(2).await), ["c"], "what is leased is not leased again");
}

async fn a_handled_delivery_stays_a_duplicate_for_its_window<I: Inbox + Ledger>(
    bench: &Bench<I>,
    outcome: Outcome,
) {
    bench.put("a").await;
    let job = bench.job().await;
    bench.settle(&job, outcome).await;
    bench.clock.advance(bench.ttl() - Duration::from_secs(1));
    assert_eq!(bench.put("a").await, Put::Duplicate, "a key is kept for the whole window");
    bench.clock.advance(Duration::from_secs(3));
    assert_eq!(bench.put("a").await, Put::New, "an expired key is new, swept or not");
    let again = bench.job().await;
    assert_eq!(again.attempt(), 1);
    let stale = bench.inbox.settle(job.lease(), Outcome::Done).await.expect("settle works");
    assert_eq!(stale, Settled::Stale, "a lease of an earlier life settles nothing");
    bench.settle(&again, Outcome::Done).await;
}

async fn a_late_end_keeps_the_key_while_a_replay_is_fresh<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    bench.clock.advance(bench.ttl() + Duration::from_secs(3_600));
    let job = bench.job().await;
    bench.settle(&job, Outcome::Done).await;
    let freshness = bench.delivery("acme", "a").freshness();
    bench.clock.advance(freshness - Duration::from_secs(1));
    assert_eq!(bench.put("a").await, Put::Duplicate, "its window is over, a replay still fresh");
    bench.clock.advance(Duration::from_secs(3));
    assert_eq!(bench.put("a").await, Put::New);
}

async fn an_unsettled_delivery_keeps_its_key<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("pending").await;
    bench.clock.advance(bench.ttl() * 2);
    assert_eq!(bench.put("pending").await, Put::Duplicate, "a pending key does not expire");
    let job = bench.job().await;
    bench.clock.advance(bench.ttl() * 2);
    assert_eq!(bench.put("pending").await, Put::Duplicate, "a leased key does not expire");
    let job = if bench.state(&job).await == State::Leased { bench.suspect().await } else { job };
    bench.kill(&job).await;
    bench.clock.advance(bench.ttl() * 2);
    assert_eq!(bench.put("pending").await, Put::Revived, "a dead key does not expire");
}

async fn what_another_store_accepted_keeps_its_time<I: Inbox + Ledger>(bench: &Bench<I>) {
    let record = bench.record("a");
    let hour = Duration::from_secs(3_600);
    bench.clock.advance(hour);
    assert_eq!(bench.put_record(&record).await, Put::New);
    assert_eq!(bench.put_record(&record).await, Put::Duplicate);
    let job = bench.job().await;
    assert_eq!(job.received_at(), record.received_at(), "when the other store accepted it");
    assert_eq!((job.key(), job.body()), (record.key(), record.body()));
    bench.settle(&job, Outcome::Done).await;
    bench.clock.advance(bench.ttl() - hour - Duration::from_secs(1));
    assert_eq!(bench.put("a").await, Put::Duplicate, "a key is kept for the whole window");
    bench.clock.advance(Duration::from_secs(3));
    assert_eq!(bench.put("a").await, Put::New, "the window began at the original accept");
}

async fn a_delivery_and_its_record_are_accepted_once<I: Inbox + Ledger>(bench: &Bench<I>) {
    let (first, second) = (bench.record("a"), bench.record("b"));
    assert_eq!(bench.put("a").await, Put::New);
    assert_eq!(bench.put_record(&first).await, Put::Duplicate, "it was delivered here");
    assert_eq!(bench.put_record(&second).await, Put::New);
    assert_eq!(bench.put("b").await, Put::Duplicate, "it was taken over");
    for job in bench.lease(10).await.jobs {
        bench.settle(&job, Outcome::Done).await;
    }
    assert_eq!(bench.put_record(&first).await, Put::Duplicate, "it is handled");
    assert!(bench.lease(10).await.jobs.is_empty(), "duplicates make no jobs");
}

async fn an_older_copy_of_a_dead_letter_is_no_resend<I: Inbox + Ledger>(bench: &Bench<I>) {
    let copy = bench.record("a");
    bench.put("a").await;
    let job = bench.job().await;
    bench.kill(&job).await;
    bench.clock.advance(REVIVAL_INTERVAL);
    assert_eq!(bench.put_record(&copy).await, Put::Duplicate, "it came before the accept");
    let resend = bench.record("a");
    bench.clock.advance(REVIVAL_INTERVAL);
    assert_eq!(bench.put_record(&resend).await, Put::Revived, "it came a minute after it");
    assert_eq!(bench.put_record(&resend).await, Put::Duplicate, "it is pending");
}

async fn a_retry_comes_when_it_is_due<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let job = bench.job().await;
    let retry = Outcome::Retry { after: Duration::from_secs(10), error: "not yet".into() };
    bench.settle(&job, retry).await;
    assert!(bench.lease(10).await.jobs.is_empty(), "it is not due");
    let entry = bench.inbox.get(job.key()).await.expect("it is in the ledger").entry;
    assert_eq!((entry.state, entry.attempts), (State::Pending, 1));
    assert_eq!(entry.last_error.as_deref(), Some("not yet"));
    bench.clock.advance(Duration::from_secs(11));
    let job = bench.job().await;
    assert_eq!(job.attempt(), 2);
}

/// Makes retries of these that are due, all of them before anything that comes later.
async fn retries<I: Inbox + Ledger>(bench: &Bench<I>, ids: &[&str]) {
    for id in ids {
        bench.put(id).await;
        let job = bench.job().await;
        let error = "not yet".to_owned();
        bench.settle(&job, Outcome::Retry { after: Duration::from_secs(1), error }).await;
        bench.clock.advance(Duration::from_millis(1));
    }
    bench.clock.advance(Duration::from_secs(1));
}

fn ids(batch: &Batch) -> Vec<&str> {
    batch.jobs.iter().map(|job| job.id().expect("each has an id")).collect()
}

async fn retries_and_first_attempts_take_turns<I: Inbox + Ledger>(bench: &Bench<I>) {
    retries(bench, &["r1", "r2", "r3"]).await;
    for id in ["f1", "f2", "f3", "f4"] {
        bench.put(id).await;
        bench.clock.advance(Duration::from_millis(1));
    }
    let mut order = Vec::new();
    for max in [1, 1, 2, 1, 10] {
        let batch = bench.lease(max).await;
        order.extend(ids(&batch).into_iter().map(str::to_owned));
    }
    let lane = |lane: char| -> Vec<&str> {
        order.iter().map(String::as_str).filter(|id| id.starts_with(lane)).collect()
    };
    assert_eq!(lane('f'), ["f1", "f2", "f3", "f4"], "oldest first");
    assert_eq!(lane('r'), ["r1", "r2", "r3"], "oldest first");
    let turns: Vec<bool> = order.iter().take(6).map(|id| id.starts_with('r')).collect();
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "they take turns: {order:?}");
}

async fn retries_are_limited<I: Inbox + Ledger>(bench: &Bench<I>) {
    retries(bench, &["r1", "r2", "r3"]).await;
    let lease = async |max_retries| {
        let mut options = LeaseOptions::new(10, LEASE, ATTEMPTS);
        options.max_retries = max_retries;
        bench.inbox.lease(options).await.expect("lease works")
    };
    assert!(lease(0).await.jobs.is_empty(), "no retries are asked for");
    bench.put("f1").await;
    assert_eq!(ids(&lease(0).await), ["f1"], "a first attempt is none");
    assert_eq!(ids(&lease(2).await), ["r1", "r2"], "two of three");
    assert_eq!(ids(&lease(2).await), ["r3"], "the rest");
}

async fn sources_are_limited<I: Inbox + Ledger>(bench: &Bench<I>) {
    retries(bench, &["r1", "r2"]).await;
    for (source, id) in [("acme", "1"), ("acme", "2"), ("acme", "3"), ("beta", "4"), ("gamma", "5")]
    {
        bench.inbox.put(bench.delivery(source, id)).await.expect("put works");
        bench.clock.advance(Duration::from_millis(1));
    }
    let lease = async |max, acme, each| {
        let mut options = LeaseOptions::new(max, LEASE, ATTEMPTS);
        options.sources.set_each(each);
        options.sources.set("acme", acme);
        bench.inbox.lease(options).await.expect("lease works")
    };
    assert_eq!(ids(&lease(1, 0, 1).await), ["4"], "what is behind a source without room");
    let batch = lease(10, 2, 0).await;
    let mut found = ids(&batch);
    found.sort_unstable();
    assert_eq!(found, ["1", "r1"], "retries and first attempts share the room");
    assert_eq!(ids(&lease(10, 0, 7).await), ["5"], "each of the others may have more");
    assert_eq!(lease(10, 9, 0).await.jobs.len(), 3, "all that is left");
}

async fn a_released_attempt_does_not_count<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let job = bench.job().await;
    bench.settle(&job, Outcome::Released).await;
    assert_eq!(bench.job().await.attempt(), 1, "it is due at once, for the same attempt");
}

async fn a_dead_letter_is_revived_by_a_resend<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    bench.clock.advance(REVIVAL_INTERVAL);
    let job = bench.job().await;
    bench.kill(&job).await;
    assert!(bench.lease(10).await.jobs.is_empty(), "a dead letter is not leased");
    assert_eq!(bench.put("a").await, Put::Revived, "a minute after the accept");
    assert_eq!(bench.put("a").await, Put::Duplicate, "it is pending");
    let job = bench.job().await;
    assert_eq!(job.attempt(), 1, "attempts start again");
    bench.kill(&job).await;
    bench.clock.advance(REVIVAL_INTERVAL - Duration::from_secs(1));
    assert_eq!(bench.put("a").await, Put::Duplicate, "once in a minute");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.put("a").await, Put::Revived, "a minute after the last revival");
    let entry = bench.inbox.get(job.key()).await.expect("it is in the ledger").entry;
    assert_eq!((entry.revivals, entry.total_attempts), (2, 2));
    assert_eq!(entry.last_error.as_deref(), Some("it is broken"));
}

async fn a_dead_letter_is_replayed<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let dead = bench.job().await;
    bench.kill(&dead).await;
    let listed = bench.inbox.list(Filter::state(State::Dead)).await.expect("list works");
    assert_eq!(listed.len(), 1, "a dead letter is listed");
    bench.inbox.replay(listed[0].key).await.expect("a dead letter is replayed");
    let job = bench.job().await;
    assert_eq!(job.attempt(), 1, "attempts start again");
    assert_eq!(job.body(), dead.body());
    assert!(job.lease().fence() > dead.lease().fence(), "the fence rises");
    bench.settle(&job, Outcome::Done).await;
}

async fn a_leased_delivery_is_not_replayed<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let job = bench.job().await;
    let refused = bench.inbox.replay(job.key()).await;
    assert!(matches!(refused, Err(LedgerError::Leased)), "{refused:?}");
    let refused = bench.inbox.discard(job.key()).await;
    assert!(matches!(refused, Err(LedgerError::Leased)), "{refused:?}");
    bench.settle(&job, Outcome::Done).await;
    let unknown = bench.delivery("acme", "never-put").key();
    let refused = bench.inbox.replay(unknown).await;
    assert!(matches!(refused, Err(LedgerError::NotFound)), "{refused:?}");
}

async fn a_handled_delivery_is_replayed_or_its_bytes_are_gone<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let job = bench.job().await;
    bench.settle(&job, Outcome::Done).await;
    let replayed = bench.inbox.replay(job.key()).await;
    if bench.capabilities.retains_done {
        replayed.expect("a handled delivery is replayed");
        assert_eq!(bench.job().await.body(), job.body());
    } else {
        assert!(matches!(replayed, Err(LedgerError::BytesGone)), "{replayed:?}");
    }
}

async fn a_discarded_delivery_keeps_its_key<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let job = bench.job().await;
    bench.kill(&job).await;
    bench.inbox.discard(job.key()).await.expect("a dead letter is discarded");
    bench.clock.advance(REVIVAL_INTERVAL);
    assert_eq!(bench.put("a").await, Put::Duplicate, "it is not accepted again");
    let refused = bench.inbox.replay(job.key()).await;
    assert!(matches!(refused, Err(LedgerError::BytesGone)), "{refused:?}");
    bench.clock.advance(bench.ttl());
    assert_eq!(bench.put("a").await, Put::New, "until its window ends");
}

async fn a_lapsed_lease_makes_a_suspect<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    bench.job().await;
    bench.put("b").await;
    bench.clock.advance(LEASE + Duration::from_millis(1));
    let batch = bench.lease(10).await;
    assert_eq!(batch.jobs.len(), 1, "a suspect is not ordinary work");
    assert_eq!(batch.jobs[0].id(), Some("b"));
    assert!(batch.suspect_due);
    let batch = bench.suspects().await;
    assert_eq!((batch.jobs[0].id(), batch.jobs[0].attempt()), (Some("a"), 2));
    assert!(!batch.suspect_due, "the only one is leased");
}

async fn a_suspect_stays_one_until_an_attempt_ends<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    bench.job().await;
    bench.clock.advance(LEASE + Duration::from_millis(1));
    let job = bench.suspect().await;
    bench.settle(&job, Outcome::Released).await;
    assert!(bench.lease(10).await.jobs.is_empty(), "given back, it is a suspect still");
    let job = bench.suspect().await;
    let retry = Outcome::Retry { after: Duration::ZERO, error: "it failed".into() };
    bench.settle(&job, retry).await;
    assert_eq!(bench.job().await.attempt(), 3, "an attempt that ended clears it");
}

async fn a_suspect_without_attempts_is_buried<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let mut job = bench.job().await;
    for attempt in 2..=ATTEMPTS {
        bench.clock.advance(LEASE + Duration::from_millis(1));
        job = bench.suspect().await;
        assert_eq!(job.attempt(), attempt);
    }
    bench.clock.advance(LEASE + Duration::from_millis(1));
    let batch = bench.lease(10).await;
    assert_eq!(batch.buried, [job.key()]);
    assert!(!batch.suspect_due && batch.jobs.is_empty());
    let entry = bench.inbox.get(job.key()).await.expect("it is in the ledger").entry;
    assert_eq!((entry.state, entry.attempts), (State::Dead, ATTEMPTS), "attempts are exact");
}

async fn a_stale_settlement_is_refused<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let stalled = bench.job().await;
    bench.clock.advance(LEASE + Duration::from_millis(1));
    let job = bench.suspect().await;
    assert!(job.lease().fence() > stalled.lease().fence(), "the fence rises");
    for outcome in [Outcome::Done, Outcome::Released, Outcome::Dead { error: "late".into() }] {
        let settled = bench.inbox.settle(stalled.lease(), outcome).await.expect("settle works");
        assert_eq!(settled, Settled::Stale);
    }
    assert_eq!(bench.state(&job).await, State::Leased);
    bench.settle(&job, Outcome::Done).await;
    let twice = bench.inbox.settle(job.lease(), Outcome::Done).await.expect("settle works");
    assert_eq!(twice, Settled::Stale, "an attempt ends once");
}

async fn a_heartbeat_keeps_a_lease<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let job = bench.job().await;
    for _ in 0..3 {
        bench.clock.advance(LEASE - Duration::from_secs(1));
        let lost = bench.inbox.extend(&[job.lease()], LEASE).await.expect("extend works");
        assert!(lost.is_empty());
        assert!(!bench.lease(10).await.suspect_due, "a lease that is renewed does not lapse");
    }
    bench.clock.advance(LEASE + Duration::from_secs(1));
    bench.suspect().await;
    let lost = bench.inbox.extend(&[job.lease()], LEASE).await.expect("extend works");
    assert_eq!(lost, [job.lease()], "a lease that was taken over is lost");
}

async fn a_clock_that_jumps_ends_no_lease<I: Inbox + Ledger>(bench: &Bench<I>) {
    bench.put("a").await;
    let job = bench.job().await;
    let hour = Duration::from_secs(3_600);
    bench.clock.jump_to(bench.clock.now() + hour);
    assert!(!bench.lease(10).await.suspect_due, "no time has passed for this process");
    bench.clock.jump_to(bench.clock.now() - 2 * hour);
    assert!(!bench.lease(10).await.suspect_due);
    bench.settle(&job, Outcome::Done).await;
}

async fn what_is_due_next_is_known<I: Inbox + Ledger>(bench: &Bench<I>) {
    assert_eq!(bench.lease(1).await.next_due, None, "an empty inbox has nothing");
    bench.put("a").await;
    let job = bench.job().await;
    let retry = Outcome::Retry { after: Duration::from_secs(10), error: "not yet".into() };
    bench.settle(&job, retry).await;
    let wait = bench.lease(1).await.next_due.expect("something will be due");
    assert!(wait <= Duration::from_secs(10) && wait > Duration::from_secs(9), "{wait:?}");
}

async fn a_put_wakes_who_waits<I: Inbox + Ledger>(bench: &Bench<I>) {
    let wakes = async {
        // It may wake for no reason as well.
        while bench.lease(10).await.jobs.is_empty() {
            bench.inbox.ready().await;
        }
    };
    let puts = async {
        tokio::task::yield_now().await;
        bench.put("a").await;
    };
    let both = async { tokio::join!(wakes, puts) };
    tokio::time::timeout(Duration::from_secs(10), both).await.expect("a put wakes who waits");
}

async fn the_ledger_counts_and_pages<I: Inbox + Ledger>(bench: &Bench<I>) {
    for n in 0..5 {
        bench.put(&format!("dead-{n}")).await;
        let job = bench.job().await;
        bench.kill(&job).await;
    }
    bench.put("leased").await;
    bench.job().await;
    bench.inbox.put(bench.delivery("other", "pending")).await.expect("put works");

    let stats = bench.inbox.stats().await.expect("stats work");
    assert_eq!((stats.pending, stats.leased, stats.dead), (1, 1, 5));
    bench.inbox.health().await.expect("it is well");

    let mut seen = Vec::new();
    let mut filter = Filter::state(State::Dead);
    filter.limit = 2;
    loop {
        let page = bench.inbox.list(filter.clone()).await.expect("list works");
        assert!(page.len() <= 2, "a page has its limit");
        let Some(last) = page.last() else { break };
        filter.after = Some(last.position);
        seen.extend(page.into_iter().map(|entry| entry.id.unwrap()));
    }
    assert_eq!(seen, ["dead-0", "dead-1", "dead-2", "dead-3", "dead-4"]);

    let mut filter = Filter::all();
    filter.source = Some("other".into());
    let page = bench.inbox.list(filter).await.expect("list works");
    assert_eq!(page.len(), 1);
    assert_eq!((page[0].id.as_deref(), page[0].state), (Some("pending"), State::Pending));
}
