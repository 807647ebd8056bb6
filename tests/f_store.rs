//! The stores when things go wrong around them: full, locked, moved, cancelled, reopened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http_body_util::Full;
use inhook::inbox::{Inbox, InboxError, LeaseOptions, Ledger, Outcome, Put};
use inhook::testing::FakeClock;
use inhook::{Intake, MemoryInbox, SqliteInbox, Verifier, VerifyLayer, WhenFull, presets};
use rusqlite::Connection;
use tower::{ServiceBuilder, ServiceExt};

mod common;
use common::store::{LEASE, SECRET, assert_refused, delivery, delivery_at, jobs, post, request};

#[tokio::test]
async fn f1_what_is_accepted_is_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    assert_eq!(post(&inbox, "1").await.0, StatusCode::OK);
    // Another connection sees it as soon as the answer is there.
    let other = Connection::open(&path).unwrap();
    let (id, body): (String, Vec<u8>) = other
        .query_row("SELECT id, body FROM delivery", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((id.as_str(), &*body), ("1", &b"{}"[..]));
}

#[tokio::test]
async fn f1_an_inbox_that_is_opened_again_knows_all_it_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let clock = Arc::new(FakeClock::new());
    let open = async || SqliteInbox::options().clock(clock.clone()).open(&path).await.unwrap();
    let inbox = open().await;
    for id in ["pending", "done", "dead", "leased"] {
        assert_eq!(inbox.put(delivery_at(&clock, id)).await.unwrap(), Put::New);
        clock.advance(Duration::from_millis(1));
    }
    let batch = inbox.lease(LeaseOptions::new(4, LEASE, 5)).await.unwrap();
    let [pending, done, dead, leased] = &batch.jobs[..] else { panic!("{batch:?}") };
    let retry = Outcome::Retry { after: Duration::ZERO, error: "again".into() };
    let _ = inbox.settle(pending.lease(), retry).await.unwrap();
    let _ = inbox.settle(done.lease(), Outcome::Done).await.unwrap();
    let _ = inbox.settle(dead.lease(), Outcome::Dead { error: "broken".into() }).await.unwrap();
    drop(inbox);

    let inbox = open().await;
    for id in ["pending", "done", "dead", "leased"] {
        assert_eq!(inbox.put(delivery_at(&clock, id)).await.unwrap(), Put::Duplicate, "{id}");
    }
    // A lease of the process that is gone lapses by the wall clock.
    clock.advance(LEASE);
    assert_eq!(jobs(&inbox).await, ["pending"]);
    let batch = inbox.lease(LeaseOptions::suspect(LEASE, 5)).await.unwrap();
    assert_eq!(batch.jobs[0].key(), leased.key());
    assert_eq!(batch.jobs[0].headers().get("x-github-event").unwrap(), "push");
}

#[tokio::test]
async fn f2_a_locked_store_is_a_503_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    assert_eq!(post(&inbox, "1").await.0, StatusCode::OK);
    let blocker = Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_refused(post(&inbox, "2").await);
    assert!(matches!(inbox.put(delivery("2")).await, Err(InboxError::Busy(_))));
    blocker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(post(&inbox, "2").await.0, StatusCode::OK);
    assert_eq!(jobs(&*inbox).await, ["1", "2"]);
}

/// It can be read and locked, and that is not enough.
#[tokio::test]
async fn f2_health_fails_where_nothing_can_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    inbox.health().await.unwrap();
    let other = Connection::open(&path).unwrap();
    let refuse =
        "CREATE TRIGGER refuse BEFORE UPDATE ON count BEGIN SELECT RAISE(ABORT, 'worn out'); END";
    other.execute_batch(refuse).unwrap();
    assert_refused(post(&inbox, "1").await);
    let error = inbox.health().await.unwrap_err().to_string();
    assert!(error.contains("worn out"), "{error}");
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    inbox.health().await.unwrap();
    assert_eq!(post(&inbox, "1").await.0, StatusCode::OK);
}

#[tokio::test]
async fn f2_a_file_that_is_gone_is_a_503_and_unhealthy_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    assert_eq!(post(&inbox, "1").await.0, StatusCode::OK);
    let away = directory.path().join("away.db");
    std::fs::rename(&path, &away).unwrap();
    assert_refused(post(&inbox, "2").await);
    let error = inbox.health().await.unwrap_err().to_string();
    assert!(error.contains("moved or deleted"), "{error}");
    std::fs::rename(&away, &path).unwrap();
    inbox.health().await.unwrap();
    assert_eq!(post(&inbox, "1").await.0, StatusCode::OK);
    assert_eq!(post(&inbox, "2").await.0, StatusCode::OK);
    assert_eq!(jobs(&*inbox).await, ["1", "2"], "a duplicate stayed one");
}

#[tokio::test]
async fn f2_health_fails_while_deliveries_are_refused_whatever_else_works() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let first = SqliteInbox::open(&path).await.unwrap();
    first.put(delivery("1")).await.unwrap();
    // A reader that stays blocks the checkpoint that has to come before the first accept.
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM delivery").unwrap();
    first.put(delivery("2")).await.unwrap();

    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    assert_refused(post(&inbox, "3").await);
    // A worker goes on all the same, and does not make it look well.
    assert_eq!(jobs(&*inbox).await, ["1", "2"]);
    let error = inbox.health().await.unwrap_err().to_string();
    assert!(error.contains("another process reads the file"), "{error}");
    reader.execute_batch("COMMIT").unwrap();
    inbox.health().await.unwrap();
    assert_eq!(post(&inbox, "3").await.0, StatusCode::OK);
}

/// Whether this process has locks on a file. The system's list is not read at one moment, so a lock may be
/// missing from it once, but not each time.
#[cfg(target_os = "linux")]
fn is_locked(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", std::fs::metadata(path).unwrap().ino());
    let process = format!(" {} ", std::process::id());
    (0..10).any(|_| {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains(&inode) && line.contains(&process))
    })
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn f1_opening_a_file_again_drops_no_lock_on_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    inbox.put(delivery("1")).await.unwrap();
    assert!(is_locked(&path), "an open file is locked against being tidied up");
    let again = SqliteInbox::open(&path).await.unwrap();
    assert!(is_locked(&path));
    again.put(delivery("2")).await.unwrap();
    assert!(is_locked(&path));
    drop(again);
    // Its threads end soon, and with them all that they have open.
    for _ in 0..50 {
        assert!(is_locked(&path));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Its own process has marked it; what SQLite remembers of the log may be wrong then.
#[tokio::test]
async fn f1_a_failed_sync_is_known_to_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    inbox.put(delivery("before")).await.unwrap();
    let other = Connection::open(&path).unwrap();
    let mark = directory.path().join("inbox.db-unsynced");
    std::fs::write(&mark, "").unwrap();
    other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    drop(inbox);
    let inbox = SqliteInbox::open(&path).await.unwrap();
    for n in 0..3 {
        let error = inbox.put(delivery(&n.to_string())).await.unwrap_err().to_string();
        assert!(error.contains("something else has the file open"), "{error}");
    }
    drop(other);
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while let Err(error) = inbox.put(delivery("after")).await {
        assert!(std::time::Instant::now() < deadline, "{error}");
    }
    assert!(!mark.exists());
    // It is over: another connection is no obstacle any more.
    let other = Connection::open(&path).unwrap();
    other.query_row("SELECT count(*) FROM delivery", [], |_| Ok(())).unwrap();
    drop(inbox);
    let inbox = SqliteInbox::open(&path).await.unwrap();
    inbox.put(delivery("at-last")).await.unwrap();
}

#[tokio::test]
async fn f1_a_file_that_comes_back_without_its_log_is_refused_until_that_is_back_too() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let inbox = Arc::new(SqliteInbox::open(at("inbox.db")).await.unwrap());
    assert_eq!(post(&inbox, "before").await.0, StatusCode::OK);
    std::fs::create_dir(at("away")).unwrap();
    let here = |end: &str| at(&format!("inbox.db{end}"));
    let away = |end: &str| at(&format!("away/inbox.db{end}"));
    for name in ["", "-wal", "-shm"] {
        std::fs::rename(here(name), away(name)).unwrap();
    }
    assert_refused(post(&inbox, "gone").await);
    std::fs::rename(away(""), here("")).unwrap();
    for n in 0..3 {
        assert_refused(post(&inbox, &format!("no-log-{n}")).await);
    }
    assert!(!here("-wal").exists(), "no new log is begun");
    for name in ["-wal", "-shm"] {
        std::fs::rename(away(name), here(name)).unwrap();
    }
    assert_eq!(inbox.put(delivery("before")).await.unwrap(), Put::Duplicate);
    assert_eq!(post(&inbox, "after").await.0, StatusCode::OK);
}

#[tokio::test]
async fn f1_a_log_that_is_deleted_is_noticed() {
    log_deleted(|path| path.to_owned()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn f1_a_log_that_is_deleted_is_noticed_behind_a_link() {
    log_deleted(|path| {
        let link = path.with_file_name("link.db");
        std::fs::write(path, "").unwrap();
        std::os::unix::fs::symlink(path, &link).unwrap();
        link
    })
    .await;
}

async fn log_deleted(name: impl Fn(&Path) -> PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = Arc::new(SqliteInbox::open(name(&path)).await.unwrap());
    for n in 0..100 {
        assert_eq!(post(&inbox, &format!("before-{n}")).await.0, StatusCode::OK);
    }
    // All of it is in the file: nothing is missing, and a new log would do no visible harm at first.
    let other = Connection::open(&path).unwrap();
    other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    std::fs::remove_file(directory.path().join("inbox.db-wal")).unwrap();
    for n in 0..100 {
        assert_refused(post(&inbox, &format!("after-{n}")).await);
    }
    let error = inbox.health().await.unwrap_err().to_string();
    assert!(error.contains("inbox.db-wal was moved or deleted"), "{error}");
    drop((inbox, other));

    let inbox = SqliteInbox::open(&path).await.unwrap();
    assert_eq!(inbox.check_integrity().await.unwrap(), Vec::<String>::new());
    assert_eq!(inbox.stats().await.unwrap().pending, 100);
}

#[tokio::test]
async fn f5_a_put_that_is_dropped_at_any_point_is_accepted_once_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    let mut cx = Context::from_waker(Waker::noop());
    for polls in 0..6 {
        let id = format!("dropped-{polls}");
        let delivery = delivery(&id);
        let mut put = inbox.put(delivery.clone());
        for _ in 0..polls {
            if put.as_mut().poll(&mut cx).is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(put);
        // The partner tries again: the first copy was accepted, or this one is.
        let again = inbox.put(delivery.clone()).await.unwrap();
        assert!(matches!(again, Put::New | Put::Duplicate));
        assert_eq!(inbox.put(delivery.clone()).await.unwrap(), Put::Duplicate);
        assert_eq!(jobs(&*inbox).await, [id], "one job, whoever was accepted");
    }
}

#[tokio::test]
async fn f5_a_client_that_hangs_up_leaves_nothing_half_done() {
    let inbox = Arc::new(MemoryInbox::new());
    let verifier = Verifier::new("acme", presets::GITHUB, SECRET).unwrap();
    let service =
        ServiceBuilder::new().layer(VerifyLayer::new(verifier)).service(Intake::new(inbox.clone()));
    let mut cx = Context::from_waker(Waker::noop());
    for polls in 0..3 {
        let mut future = Box::pin(service.clone().oneshot(request("1", "{}").map(Full::new)));
        for _ in 0..polls {
            if let Poll::Ready(response) = future.as_mut().poll(&mut cx) {
                assert_eq!(response.unwrap().status(), StatusCode::OK);
                break;
            }
        }
    }
    assert_eq!(post(&inbox, "1").await.0, StatusCode::OK);
    assert_eq!(jobs(&*inbox).await, ["1"]);
}

#[tokio::test]
async fn f6_a_full_memory_inbox_is_a_503_until_there_is_room() {
    for (inbox, fits) in
        [(MemoryInbox::new().max_deliveries(3), 3), (MemoryInbox::new().max_bytes(3_000), 2)]
    {
        let inbox = Arc::new(inbox);
        for n in 0..fits {
            assert_eq!(post(&inbox, &n.to_string()).await.0, StatusCode::OK);
        }
        assert_refused(post(&inbox, "more").await);
        assert!(
            inbox.put(delivery("0")).await.unwrap() == Put::Duplicate,
            "a duplicate needs no room"
        );
        let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
        let _ = inbox.settle(batch.jobs[0].lease(), Outcome::Done).await.unwrap();
        assert_eq!(post(&inbox, "more").await.0, StatusCode::OK);
    }
}

/// All of its bytes may be taken.
#[tokio::test]
async fn f6_a_memory_inbox_is_full_at_its_last_byte() {
    let fits = async |bytes: usize, deliveries: u32| {
        let inbox = MemoryInbox::new().max_bytes(bytes);
        for n in 0..deliveries {
            if inbox.put(delivery(&n.to_string())).await.is_err() {
                return false;
            }
        }
        true
    };
    let mut one = 1;
    while !fits(one, 1).await {
        one += 1;
    }
    assert!(fits(2 * one, 2).await);
    assert!(!fits(2 * one - 1, 2).await);
}

/// Puts and handles this many deliveries; how many were accepted.
async fn handle(inbox: &MemoryInbox, clock: &Arc<FakeClock>, ids: std::ops::Range<u32>) -> usize {
    let mut accepted = 0;
    for n in ids {
        if inbox.put(delivery_at(clock, &n.to_string())).await.is_ok_and(|put| put == Put::New) {
            accepted += 1;
            let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
            let _ = inbox.settle(batch.jobs[0].lease(), Outcome::Done).await.unwrap();
        }
    }
    accepted
}

#[tokio::test]
async fn d8_ten_times_too_many_keys_are_refused_and_no_replay_is_accepted() {
    let clock = Arc::new(FakeClock::new());
    let inbox = MemoryInbox::new().max_key_bytes(48 * 100).clock(clock.clone());
    assert_eq!(handle(&inbox, &clock, 0..1_000).await, 100, "what fits");
    assert_eq!(handle(&inbox, &clock, 0..1_000).await, 0, "no replay is accepted");
    assert!(matches!(inbox.health().await, Err(InboxError::Full(_))));
    clock.advance(delivery("any").ttl(false) + Duration::from_secs(2));
    inbox.health().await.unwrap();
    assert_eq!(handle(&inbox, &clock, 500..600).await, 100, "room again once keys expire");
}

#[tokio::test]
async fn a_window_that_is_shortened_on_purpose_says_so() {
    let clock = Arc::new(FakeClock::new());
    let inbox = MemoryInbox::new()
        .max_key_bytes(48 * 100)
        .when_full(WhenFull::ShortenWindow)
        .clock(clock.clone());
    assert_eq!(handle(&inbox, &clock, 0..100).await, 100);
    assert_eq!(inbox.shortened_by(), Duration::ZERO);
    for n in 100..150 {
        clock.advance(Duration::from_secs(1));
        assert_eq!(handle(&inbox, &clock, n..n + 1).await, 1);
        inbox.health().await.unwrap();
    }
    assert_eq!(handle(&inbox, &clock, 100..150).await, 0, "the younger half is known");
    // The first hundred were handled 50 s ago.
    let ttl = delivery("any").ttl(false);
    let missing = ttl - Duration::from_secs(50)..=ttl;
    assert!(missing.contains(&inbox.shortened_by()), "{:?}", inbox.shortened_by());
}

/// In memory, seconds since 1970 end there. A clock may be as wrong as that, which is no reason to accept anything twice.
#[tokio::test]
async fn c9_behind_2106_nothing_is_forgotten() {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(u32::MAX.into());
    for behind in [Duration::ZERO, Duration::from_secs(31_536_000)] {
        let clock = Arc::new(FakeClock::at(end + behind));
        let inbox = MemoryInbox::new().max_key_bytes(48 * 100).clock(clock.clone());
        assert_eq!(handle(&inbox, &clock, 0..200).await, 100, "what fits");
        clock.advance(Duration::from_secs(2));
        assert_eq!(handle(&inbox, &clock, 0..200).await, 0, "{behind:?}");
    }
}
