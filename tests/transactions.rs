//! The transactions of a `SqliteInbox`: what shares one, what becomes of the rest of one that fails, and
//! who is refused when more comes than is committed.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime};

use inhook::clock::Clock;
use inhook::inbox::{Inbox, InboxError, LeaseOptions, Ledger, Put};
use inhook::scheme::{Identity, Scheme};
use inhook::{SqliteInbox, Verifier, presets};
use rusqlite::Connection;
use tokio::task::JoinSet;

mod common;
use common::store::{LEASE, SECRET, all, delivery, jobs, request};

#[tokio::test]
async fn deliveries_that_arrive_together_share_a_commit_and_a_lone_one_has_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = Arc::new(SqliteInbox::open(directory.path().join("inbox.db")).await.unwrap());
    for n in 0..10 {
        inbox.put(delivery(&format!("lone-{n}"))).await.unwrap();
    }
    assert_eq!(inbox.commits(), 10);
    let mut tasks = JoinSet::new();
    for caller in 0..256 {
        let inbox = inbox.clone();
        let deliveries: Vec<_> = (0..8).map(|n| delivery(&format!("{caller}-{n}"))).collect();
        tasks.spawn(async move {
            for delivery in deliveries {
                inbox.put(delivery.clone()).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let commits = inbox.commits() - 10;
    assert!(256 * 8 / commits >= 32, "{commits} commits for {} accepts", 256 * 8);
}

/// More would make it too long for whoever comes next.
#[tokio::test]
async fn a_transaction_takes_some_megabytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    inbox.put(delivery("small")).await.unwrap();
    let verifier = Verifier::new("acme", presets::GITHUB, SECRET).unwrap();
    let body = format!(r#"{{"filler":"{}"}}"#, "x".repeat(1 << 20));
    let large = |n: u32| verifier.verify(request(&n.to_string(), &body)).unwrap();
    let deliveries: Vec<_> = (0..24).map(large).collect();
    // What a megabyte's key takes is no part of what is to be seen here.
    deliveries.iter().for_each(|delivery| drop(delivery.key().to_string()));
    // The first transaction waits until all the others have queued up.
    let blocker = Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut puts = pin!(all(deliveries.into_iter().map(|delivery| inbox.put(delivery))));
    assert!(puts.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    blocker.execute_batch("ROLLBACK").unwrap();
    let puts = puts.await;
    assert!(puts.iter().all(|put| matches!(put, Ok(Put::New))), "{puts:?}");
    let commits = inbox.commits() - 1;
    assert!((3..=5).contains(&commits), "{commits} commits for 24 MiB");
}

/// Has SQLite fail what is done to a row.
fn fail(path: &Path, when: &str, how: &str) {
    let trigger = format!("CREATE TRIGGER bad {when} BEGIN SELECT raise({how}, 'a bad row'); END");
    Connection::open(path).unwrap().execute_batch(&trigger).unwrap();
}

#[tokio::test]
async fn a_bad_row_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    fail(&path, "BEFORE INSERT ON delivery WHEN NEW.id = 'bad'", "ABORT");
    let put = async |id: &'static str| (id, inbox.put(delivery(id)).await);
    for (id, put) in all(["good-1", "bad", "good-2"].map(put)).await {
        assert_eq!(put.is_ok(), id != "bad", "{id}: {put:?}");
    }
    assert_eq!(inbox.stats().await.unwrap().pending, 2);
    assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
}

/// It stands still, and panics when it is told to.
#[derive(Debug, Default)]
struct Broken(AtomicBool);

impl Clock for Broken {
    fn now(&self) -> SystemTime {
        assert!(!self.0.load(Ordering::SeqCst), "a broken clock");
        SystemTime::UNIX_EPOCH
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// Such as a clock of the user's; all deliveries need the one thread that writes.
#[tokio::test]
async fn what_panics_in_a_transaction_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(Broken::default());
    let inbox = SqliteInbox::options().clock(clock.clone());
    let inbox = inbox.open(directory.path().join("inbox.db")).await.unwrap();
    inbox.put(delivery("1")).await.unwrap();
    clock.0.store(true, Ordering::SeqCst);
    let error = inbox.put(delivery("2")).await.unwrap_err();
    assert!(matches!(error, InboxError::Unavailable(_)), "{error}");
    clock.0.store(false, Ordering::SeqCst);
    assert_eq!(inbox.put(delivery("2")).await.unwrap(), Put::New);
    assert_eq!(jobs(&inbox).await, ["1", "2"]);
    assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
    drop(inbox);

    // The first thing that it does is to look for what has expired.
    clock.0.store(true, Ordering::SeqCst);
    let inbox = SqliteInbox::options().clock(clock.clone());
    let inbox = inbox.open(directory.path().join("inbox.db")).await.unwrap();
    inbox.put(delivery("3")).await.unwrap_err();
    clock.0.store(false, Ordering::SeqCst);
    assert_eq!(inbox.put(delivery("3")).await.unwrap(), Put::New);
}

/// A duplicate of a large delivery is no more work than one of a small one, unless it is as long itself.
#[tokio::test]
async fn a_small_duplicate_is_a_small_step() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = SqliteInbox::open(directory.path().join("inbox.db")).await.unwrap();
    let scheme = Scheme { identity: Identity::UnsignedId, ..presets::GITHUB };
    let verifier = Verifier::new("acme", scheme, SECRET).unwrap();
    let of = |id: &str, length: usize| {
        let body = format!(r#"{{"filler":"{}"}}"#, "x".repeat(length));
        verifier.verify(request(id, &body)).unwrap()
    };
    for (id, length) in [("large", 16 << 20), ("small", 1)] {
        assert_eq!(inbox.put(of(id, length)).await.unwrap(), Put::New);
    }
    let time = async |id: &str| {
        let duplicate = of(id, 2);
        let start = Instant::now();
        for _ in 0..30 {
            assert_eq!(inbox.put(duplicate.clone()).await.unwrap(), Put::Duplicate);
        }
        start.elapsed()
    };
    // Side by side, and the best of three, because of whatever else the machine does.
    let mut ratio = f64::MAX;
    for _ in 0..3 {
        let (large, small) = (time("large").await, time("small").await);
        ratio = ratio.min(large.as_secs_f64() / small.as_secs_f64());
    }
    assert!(ratio < 5.0, "a duplicate of 16 MiB takes {ratio:.1} times as long");
    assert_eq!(inbox.stats().await.unwrap().changed_duplicates, 180);
}

#[tokio::test]
async fn a_step_that_fails_half_way_changes_nothing_and_the_others_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    for id in ["good", "bad"] {
        inbox.put(delivery(id)).await.unwrap();
    }
    fail(&path, "BEFORE UPDATE ON delivery WHEN NEW.id = 'bad'", "ABORT");
    // What comes while a transaction runs shares the next one: sooner or later these do.
    let mut n = 0;
    loop {
        let commits = inbox.commits();
        let put = async |n: u32| inbox.put(delivery(&n.to_string())).await.unwrap();
        let lease = inbox.lease(LeaseOptions::new(2, LEASE, 5));
        let (.., leased, _) = tokio::join!(put(n), put(n + 1), lease, put(n + 2));
        leased.unwrap_err();
        n += 3;
        assert_eq!(inbox.stats().await.unwrap().leased, 0);
        assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
        if inbox.commits() - commits < 3 {
            break;
        }
        assert!(n < 1_000, "they never share a transaction");
    }
    Connection::open(&path).unwrap().execute_batch("DROP TRIGGER bad").unwrap();
    assert_eq!(jobs(&inbox).await[..2], ["good", "bad"]);
    assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_transaction_that_is_undone_accepts_nothing_and_counts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    fail(&path, "BEFORE INSERT ON delivery WHEN NEW.id LIKE 'bad%'", "ROLLBACK");
    let mut accepted = 0;
    for n in 0.. {
        assert!(n < 1_000, "they never share a transaction");
        // Whatever shares a transaction with the bad one is refused as well.
        let put = async |id: &str| (id.to_owned(), inbox.put(delivery(&format!("{id}-{n}"))).await);
        let puts = all(["first", "good", "bad"].map(put)).await;
        let stored = puts.iter().filter(|(_, put)| put.is_ok()).count();
        accepted += stored as u64;
        assert!(puts.iter().all(|(id, put)| id != "bad" || put.is_err()), "{puts:?}");
        let refused = puts.into_iter().find(|(id, put)| id == "good" && put.is_err());
        inbox.put(delivery(&format!("last-{n}"))).await.unwrap();
        accepted += 1;
        assert_eq!(inbox.stats().await.unwrap().pending, accepted);
        assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
        if let Some((id, put)) = refused {
            assert!(matches!(put, Err(InboxError::Unavailable(_))), "{put:?}");
            let again = inbox.put(delivery(&format!("{id}-{n}"))).await.unwrap();
            assert_eq!(again, Put::New, "it was not accepted");
            break;
        }
    }
}

/// An inbox that commits one accept at a time, as if the disk were slow.
struct Slow {
    inbox: Arc<SqliteInbox>,
    /// What keeps it from beginning, until all of a burst has come.
    blocker: Connection,
    next: u32,
}

impl Slow {
    /// So many at once.
    async fn burst(&mut self, length: u32) -> Burst {
        let ids = self.next..self.next + length;
        self.next = ids.end;
        let put = |id: u32| {
            let (inbox, delivery) = (self.inbox.clone(), delivery(&id.to_string()));
            Box::pin(async move { inbox.put(delivery).await })
        };
        let mut puts: Vec<_> = ids.map(put).collect();
        let asked = Instant::now();
        self.blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        for put in &mut puts {
            let polled = put.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        self.blocker.execute_batch("ROLLBACK").unwrap();
        let (start, mut tasks) = (Instant::now(), JoinSet::new());
        puts.into_iter().for_each(|put| drop(tasks.spawn(put)));
        let accepted = tasks.join_all().await.iter().filter(|put| put.is_ok()).count();
        Burst { accepted: accepted as u32, took: start.elapsed(), waited: asked.elapsed() }
    }
}

/// How many were accepted, how long that took, and how long the last of them waited.
#[derive(Debug)]
struct Burst {
    accepted: u32,
    took: Duration,
    waited: Duration,
}

/// How long a burst may take that is still accepted, with some room for a busy machine.
const LONG: Duration = Duration::from_millis(400);
/// A burst at whose end an accept has waited for far longer than where a queue stands.
const LONG_ENOUGH: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_waited_for_and_of_a_queue_that_stands_what_came_last_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = Arc::new(SqliteInbox::options().max_batch(1).open(&path).await.unwrap());
    let mut slow = Slow { inbox, blocker: Connection::open(path).unwrap(), next: 0 };
    slow.inbox.put(delivery("first")).await.unwrap();

    let mut length = 16;
    let took = loop {
        let commits = slow.inbox.commits();
        let Burst { accepted, took, waited } = slow.burst(length).await;
        assert_eq!(slow.inbox.commits() - commits, u64::from(accepted), "one at a time");
        assert!(accepted == length || waited > LONG, "{accepted} of {length} in {waited:?}");
        if took > LONG_ENOUGH {
            // A pause of the machine is no measure of how fast it is.
            let again = slow.burst(length).await;
            if again.took > LONG_ENOUGH {
                break took.min(again.took);
            }
        }
        length *= 2;
        // The queue is empty for a while, so that these are bursts; for longer, where a pause of the machine made
        // one that stands.
        let pause = if waited > LONG { 1_000 } else { 50 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    };

    // As many callers as wait for 400 ms, and each comes again: at once, or later if it was refused.
    let mut callers = (LONG.as_secs_f64() / took.as_secs_f64() * f64::from(length)) as usize;
    let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let call = |caller: usize| {
        let (inbox, answers) = (slow.inbox.clone(), answers.clone());
        async move {
            for n in 0.. {
                let delivery = delivery(&format!("{caller}-{n}"));
                let start = Instant::now();
                let put = inbox.put(delivery).await;
                let refused = put.is_err();
                if answers.send((put, start.elapsed())).is_err() {
                    return;
                }
                if refused {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    let mut tasks: JoinSet<()> = (0..callers).map(&call).collect();
    let most = 8 * callers;
    let soon = || Instant::now() + Duration::from_secs(20);
    let mut next = async |deadline: Instant| {
        assert!(Instant::now() < deadline, "the queue stands, and nobody is refused");
        answered.recv().await.unwrap()
    };
    // Before it is known to stand, those are refused who have waited for half a second.
    let (deadline, mut since) = (soon(), Instant::now());
    loop {
        if since.elapsed() > Duration::from_secs(3) && callers < most {
            // The machine is faster than when it was measured.
            (callers..2 * callers).for_each(|caller| drop(tasks.spawn(call(caller))));
            (callers, since) = (2 * callers, Instant::now());
        }
        let (put, waited) = next(deadline).await;
        if put.is_err() && waited < LONG {
            assert!(matches!(put, Err(InboxError::Busy(_))), "{put:?}");
            break;
        }
    }
    let (deadline, mut waits) = (soon(), Vec::new());
    while waits.len() < 200 {
        let (put, waited) = next(deadline).await;
        match put {
            Ok(put) => {
                assert_eq!(put, Put::New);
                waits.push(waited);
            }
            Err(error) => assert!(matches!(error, InboxError::Busy(_)), "{error}"),
        }
    }
    // Workers are not refused: what they do makes the queue shorter.
    for _ in 0..10 {
        assert_eq!(slow.inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap().jobs.len(), 1);
    }
    waits.sort();
    assert!(waits[100] < LONG / 2, "accepted after {:?}", waits[100]);
    tasks.shutdown().await;

    // It is over as soon as there has been none for a while.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let burst = slow.burst(length).await;
        if burst.accepted == length {
            break;
        }
        assert!(Instant::now() < deadline, "{length}: {burst:?}");
    }
}
