//! The file of a `SqliteInbox`: how long it gets, which versions it has, whether it is sound.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use inhook::inbox::{
    Filter, Inbox, InboxError, Job, LeaseOptions, Ledger, Outcome, Put, Settled, State,
};
use inhook::testing::FakeClock;
use inhook::{Delivery, SqliteInbox, Verifier, presets};
use rusqlite::Connection;

mod common;
use common::store::{LEASE, SECRET, all, assert_refused, delivery, delivery_at, post, request};

const MAX_BYTES: u64 = 1 << 20;

/// One of 10 KB.
fn large(clock: &Arc<FakeClock>, n: u32) -> Delivery {
    let verifier = Verifier::builder("acme", presets::GITHUB, SECRET).clock(clock.clone());
    let body = format!(r#"{{"filler":"{}"}}"#, "x".repeat(10_000));
    verifier.build().unwrap().verify(request(&format!("large-{n}"), &body)).unwrap()
}

/// Puts what fits, and says how many that are.
async fn fill(inbox: &SqliteInbox, clock: &Arc<FakeClock>, from: u32) -> u32 {
    for n in from.. {
        match inbox.put(large(clock, n)).await {
            Ok(put) => assert_eq!(put, Put::New),
            Err(InboxError::Full(_)) => return n - from,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("it is never full")
}

#[tokio::test]
async fn f6_a_file_at_its_bound_refuses_and_has_room_to_settle_and_to_forget() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let clock = Arc::new(FakeClock::new());
    let options = SqliteInbox::options()
        .max_bytes(MAX_BYTES)
        .retain_done(Duration::from_secs(60))
        .clock(clock.clone());
    let inbox = Arc::new(options.open(&path).await.unwrap());
    let filled = fill(&inbox, &clock, 0).await;
    assert!((60..100).contains(&filled), "{filled} of 10 KB in 90 % of 1 MiB");
    // The rest is filled with small ones.
    let mut small = 0;
    while inbox.health().await.is_ok() {
        small += 1;
        let _ = post(&inbox, &format!("small-{small}")).await;
    }
    assert!(small < 100, "{small}");
    assert!(matches!(inbox.health().await, Err(InboxError::Full(_))), "it says so");
    assert_refused(post(&inbox, "small").await);
    let known = inbox.put(large(&clock, 0)).await.unwrap();
    assert_eq!(known, Put::Duplicate, "a duplicate needs no room");

    // Each is settled, with the longest error that there is, and then handled.
    let error = "e".repeat(8_000);
    let retry = || Outcome::Retry { after: Duration::ZERO, error: error.clone() };
    for outcome in [retry(), Outcome::Done] {
        for _ in 0..inbox.stats().await.unwrap().pending {
            let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
            let _ = inbox.settle(batch.jobs[0].lease(), outcome.clone()).await.unwrap();
        }
        clock.advance(Duration::from_secs(1));
    }
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length <= MAX_BYTES, "{length}");

    // Their bytes go, and there is room again, in the same file.
    clock.advance(Duration::from_secs(60));
    let deadline = Instant::now() + Duration::from_secs(30);
    while inbox.health().await.is_err() {
        assert!(Instant::now() < deadline, "it stays full");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let again = fill(&inbox, &clock, filled).await;
    assert!(again > filled / 2, "{again}");
    assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
    assert!(std::fs::metadata(&path).unwrap().len() <= MAX_BYTES);
}

#[tokio::test]
async fn a_bound_that_holds_nothing_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteInbox::options().max_bytes(MAX_BYTES - 1);
    let error = options.open(directory.path().join("inbox.db")).await.unwrap_err();
    assert_eq!(error.to_string(), "`max_bytes` must be at least 1 MiB");
}

/// How many have expired.
const OLD: u32 = 5_000;

/// Accepts and handles these.
async fn handled(inbox: &SqliteInbox, clock: &Arc<FakeClock>, ids: std::ops::Range<u32>) {
    put_all(inbox, ids.map(|n| delivery_at(clock, &n.to_string()))).await;
    settle_all(inbox).await;
}

/// Puts them, not so many at once that it refuses.
async fn put_all(inbox: &SqliteInbox, mut deliveries: impl Iterator<Item = Delivery>) {
    // What a busy machine refuses comes again, for a while.
    let deadline = Instant::now() + Duration::from_secs(60);
    let put = async |delivery: Delivery| loop {
        match inbox.put(delivery.clone()).await {
            Err(InboxError::Busy(_)) if Instant::now() < deadline => {}
            put => return put.unwrap(),
        }
    };
    loop {
        let puts = all(deliveries.by_ref().take(200).map(&put)).await;
        if puts.is_empty() {
            return;
        }
        assert!(puts.iter().all(|put| *put == Put::New), "{puts:?}");
    }
}

/// Handles all that is pending.
async fn settle_all(inbox: &SqliteInbox) {
    loop {
        let batch = inbox.lease(LeaseOptions::new(500, LEASE, 5)).await.unwrap();
        if batch.jobs.is_empty() {
            return;
        }
        let settles = batch.jobs.iter().map(|job| inbox.settle(job.lease(), Outcome::Done));
        for settled in all(settles).await {
            let _ = settled.unwrap();
        }
    }
}

#[tokio::test]
async fn what_has_expired_is_dropped_as_fast_as_new_ones_come() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new());
    let path = directory.path().join("inbox.db");
    let options = SqliteInbox::options().retain_done(Duration::ZERO).clock(clock.clone());
    let inbox = options.clone().open(&path).await.unwrap();
    handled(&inbox, &clock, 0..OLD).await;
    drop(inbox);
    clock.advance(delivery("any").ttl(true) + Duration::from_secs(1));
    // It looks for what has expired when it is opened, and from then on there is load.
    let inbox = options.open(&path).await.unwrap();
    let mut end = OLD;
    while inbox.stats().await.unwrap().done > u64::from(end - OLD) {
        handled(&inbox, &clock, end..end + 100).await;
        end += 100;
        assert!(end < 2 * OLD, "more came than was dropped: {:?}", inbox.stats().await);
    }
}

#[tokio::test]
async fn what_is_kept_for_ever_can_be_settled() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new());
    let options = SqliteInbox::options().retain_done(Duration::MAX).clock(clock.clone());
    let inbox = options.open(directory.path().join("inbox.db")).await.unwrap();
    put_all(&inbox, std::iter::once(delivery("1"))).await;
    let jobs = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap().jobs;
    let settled = inbox.settle(jobs[0].lease(), Outcome::Done).await.unwrap();
    assert_eq!(settled, Settled::Recorded);
    clock.advance(Duration::from_secs(20 * 366 * 86_400));
    inbox.replay(jobs[0].key()).await.unwrap();
}

#[tokio::test]
async fn the_log_does_not_grow_with_leases_that_are_renewed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    put_all(&inbox, (0..1_000).map(|n| delivery(&n.to_string()))).await;
    let lease = Duration::from_secs(60);
    let jobs = inbox.lease(LeaseOptions::new(1_000, lease, 5)).await.unwrap().jobs;
    let leases: Vec<_> = jobs.iter().map(Job::lease).collect();
    assert_eq!(leases.len(), 1_000);
    for _ in 0..400 {
        assert_eq!(inbox.extend(&leases, lease).await.unwrap(), []);
    }
    let log = std::fs::metadata(directory.path().join("inbox.db-wal")).unwrap().len();
    assert!(log < 64 << 20, "{} MiB", log >> 20);
}

#[tokio::test]
async fn the_log_does_not_grow_with_what_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new());
    let path = directory.path().join("inbox.db");
    let retain = Duration::from_secs(60);
    let options = SqliteInbox::options().retain_done(retain).clock(clock.clone());
    let inbox = options.clone().open(&path).await.unwrap();
    let body = format!(r#"{{"filler":"{}"}}"#, "x".repeat(3_000));
    let verifier = Verifier::builder("acme", presets::GITHUB, SECRET).clock(clock.clone());
    let verifier = verifier.build().unwrap();
    let large = |n: u32| verifier.verify(request(&n.to_string(), &body)).unwrap();
    put_all(&inbox, (0..20_000).map(large)).await;
    settle_all(&inbox).await;
    drop(inbox);
    clock.advance(retain);
    let _inbox = options.open(&path).await.unwrap();
    let db = Connection::open(&path).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // A reader keeps the log from starting afresh for as long as it reads: so it looks rarely, and from the
    // end, where it does not have to go through all that is dropped.
    let last = "SELECT 1 FROM delivery WHERE body IS NOT NULL ORDER BY position DESC LIMIT 1";
    let mut last = db.prepare(last).unwrap();
    let log = directory.path().join("inbox.db-wal");
    let mut longest = 0;
    while last.exists([]).unwrap() {
        assert!(Instant::now() < deadline, "it takes too long");
        for _ in 0..20 {
            longest = longest.max(std::fs::metadata(&log).unwrap().len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(longest < 64 << 20, "{} MiB", longest >> 20);
}

/// The first version of the file, with a delivery in each state.
const VERSION_1: &str = "
    PRAGMA journal_mode = wal;
    CREATE TABLE delivery (
        position INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, state INTEGER NOT NULL,
        fence INTEGER NOT NULL, suspect INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0, total_attempts INTEGER NOT NULL DEFAULT 0,
        revivals INTEGER NOT NULL DEFAULT 0, due_at INTEGER, started_at INTEGER NOT NULL,
        expires_at INTEGER, sweep_at INTEGER, ttl INTEGER NOT NULL, freshness INTEGER NOT NULL,
        source TEXT NOT NULL, id TEXT, event TEXT, secret TEXT NOT NULL, signed_at INTEGER,
        received_at INTEGER NOT NULL, last_error TEXT, headers BLOB, body BLOB
    ) STRICT;
    CREATE INDEX delivery_pending ON delivery (suspect, due_at) WHERE state = 0;
    CREATE INDEX delivery_leased ON delivery (due_at) WHERE state = 1;
    CREATE INDEX delivery_skipped ON delivery (position) WHERE state = 3;
    CREATE INDEX delivery_dead ON delivery (position) WHERE state = 4;
    CREATE INDEX delivery_sweep ON delivery (sweep_at) WHERE sweep_at IS NOT NULL;
    CREATE TABLE count (state INTEGER PRIMARY KEY, deliveries INTEGER NOT NULL) STRICT;
    INSERT INTO count VALUES (0, 3), (1, 1), (2, 0), (3, 0), (4, 1), (5, 0), (6, 0);
    PRAGMA application_id = 0x696e686b;
    PRAGMA user_version = 1;
";

fn version_1(path: &Path) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(VERSION_1).unwrap();
    let rows: [(&str, i64, i64, i64); 5] = [
        ("new", 0, 0, 0),
        ("tried", 0, 0, 2),
        ("suspect", 0, 1, 1),
        ("lapsed", 1, 0, 1),
        ("dead", 4, 0, 3),
    ];
    for (id, state, suspect, attempts) in rows {
        let mut key = [0; 32];
        key[..id.len()].copy_from_slice(id.as_bytes());
        db.execute(
            "INSERT INTO delivery (key, state, fence, suspect, attempts, total_attempts, due_at,
                started_at, ttl, freshness, source, id, secret, received_at, headers, body)
             VALUES (?1, ?2, 1, ?3, ?4, ?4, iif(?2 = 4, NULL, 1), 1, 1000, 0, 'acme', ?5, '0', 1,
                x'', CAST(?5 AS BLOB))",
            rusqlite::params![key, state, suspect, attempts, id],
        )
        .unwrap_or_else(|error| panic!("{error}"));
    }
}

fn tables(path: &Path) -> Vec<(String, String)> {
    let db = Connection::open(path).unwrap();
    let mut columns = db
        .prepare(
            "SELECT m.name, group_concat(c.name || c.type || c.\"notnull\" || ifnull(c.dflt_value, ''))
             FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' GROUP BY m.name
             UNION ALL
             SELECT m.name, group_concat(ifnull(i.name, '')) || ifnull(substr(m.sql, instr(m.sql, 'WHERE')), '')
             FROM sqlite_schema m, pragma_index_info(m.name) i WHERE m.type = 'index' GROUP BY m.name
             ORDER BY 1",
        )
        .unwrap();
    let rows = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_file_of_an_older_version_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old.db"), directory.path().join("new.db"));
    version_1(&old);
    let inbox = SqliteInbox::open(&old).await.unwrap();
    drop(SqliteInbox::open(&new).await.unwrap());
    assert_eq!(tables(&old), tables(&new), "as if it had been made today");

    assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
    let ids = |batch: inhook::inbox::Batch| -> Vec<String> {
        batch.jobs.iter().map(|job| job.id().unwrap().to_owned()).collect()
    };
    let ordinary = inbox.lease(LeaseOptions::new(10, LEASE, 5)).await.unwrap();
    assert!(ordinary.suspect_due);
    assert_eq!(ids(ordinary), ["new", "tried"]);
    let mut suspects = ids(inbox.lease(LeaseOptions::suspect(LEASE, 5)).await.unwrap());
    suspects.extend(ids(inbox.lease(LeaseOptions::suspect(LEASE, 5)).await.unwrap()));
    assert_eq!(suspects, ["lapsed", "suspect"]);
    let dead = inbox.list(Filter::state(State::Dead)).await.unwrap();
    assert_eq!(dead[0].id.as_deref(), Some("dead"));
}

#[tokio::test]
async fn a_file_that_a_newer_version_has_changed_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let open = Arc::new(SqliteInbox::open(&path).await.unwrap());
    assert_eq!(post(&open, "1").await.0, StatusCode::OK);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteInbox::open(&path).await.unwrap_err().to_string();
    assert!(error.contains("has version 99, and this Inhook reads version"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    for n in 0..50 {
        inbox.put(delivery(&n.to_string())).await.unwrap();
    }
    assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE count SET deliveries = 7 WHERE state = 0", []).unwrap();
    let problems = inbox.check_integrity().await.unwrap();
    assert_eq!(problems, ["7 deliveries are counted in state 0; 50 are there"]);
    db.execute("UPDATE count SET deliveries = 50 WHERE state = 0", []).unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 512], 5 * 4_096).unwrap();
    let problems = inbox.check_integrity().await;
    assert!(problems.as_ref().map_or(true, |problems| !problems.is_empty()), "{problems:?}");
}
