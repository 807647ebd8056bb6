//! What the stores keep, count, drop and refuse while all is well.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inhook::clock::Clock;
use inhook::inbox::{
    Filter, Inbox, InboxError, LeaseOptions, Ledger, LedgerError, OnDeadDuplicate, Outcome, Put,
    REVIVAL_INTERVAL, Record, State,
};
use inhook::sign::{Message, Signer};
use inhook::testing::FakeClock;
use inhook::{MemoryInbox, SqliteInbox, Verifier, presets};
use rusqlite::Connection;

mod common;
use common::set;
use common::store::{LEASE, SECRET, delivery, delivery_at, jobs, request};

#[tokio::test]
async fn a_dead_letter_can_be_left_to_the_operator() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new());
    let sqlite =
        SqliteInbox::options().clock(clock.clone()).on_dead_duplicate(OnDeadDuplicate::Ignore);
    let sqlite = sqlite.open(directory.path().join("inbox.db")).await.unwrap();
    let memory = MemoryInbox::new().clock(clock.clone()).on_dead_duplicate(OnDeadDuplicate::Ignore);
    for inbox in [&sqlite as &dyn Inbox, &memory] {
        inbox.put(delivery_at(&clock, "1")).await.unwrap();
        let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
        let dead = Outcome::Dead { error: "broken".into() };
        let _ = inbox.settle(batch.jobs[0].lease(), dead).await.unwrap();
        clock.advance(REVIVAL_INTERVAL * 2);
        assert_eq!(inbox.put(delivery_at(&clock, "1")).await.unwrap(), Put::Duplicate);
    }
}

#[tokio::test]
async fn a_resend_runs_the_stored_bytes_and_not_its_own() {
    use inhook::scheme::{Field, Identity, Scheme, Signature};
    let scheme = Scheme {
        signature: Signature { field: Field::header("x-signature"), ..Signature::BASE },
        identity: Identity::Fields(vec![Field::pointer("/id")].into()),
        ..Scheme::BASE
    };
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new());
    let inbox = SqliteInbox::options().clock(clock.clone());
    let inbox = inbox.open(directory.path().join("inbox.db")).await.unwrap();
    let deliver = |body: &'static str| {
        let request =
            Signer::new(scheme.clone(), SECRET).unwrap().request(&Message::new(body)).unwrap();
        let verifier = Verifier::builder("acme", scheme.clone(), SECRET).clock(clock.clone());
        verifier.build().unwrap().verify(request).unwrap()
    };
    inbox.put(deliver(r#"{"id":"1","n":"first"}"#)).await.unwrap();
    let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
    let dead = Outcome::Dead { error: "broken".into() };
    let _ = inbox.settle(batch.jobs[0].lease(), dead).await.unwrap();
    clock.advance(REVIVAL_INTERVAL);
    assert_eq!(inbox.put(deliver(r#"{"id":"1","n":"resent"}"#)).await.unwrap(), Put::Revived);
    let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
    assert_eq!(batch.jobs[0].body(), r#"{"id":"1","n":"first"}"#);
}

/// Nobody signs GitHub's type of the event: whoever captured a request may have sent it first, with another one.
#[tokio::test]
async fn a_duplicate_with_another_event_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = SqliteInbox::options().retain_done(Duration::ZERO);
    let sqlite = sqlite.open(directory.path().join("inbox.db")).await.unwrap();
    let memory = MemoryInbox::new();
    let verifier = Verifier::new("acme", presets::GITHUB, SECRET).unwrap();
    let deliver = |event: &'static str| {
        let mut request = request("1", "{}");
        set(&mut request, "x-github-event", event);
        verifier.verify(request).unwrap()
    };
    let inboxes: [(&dyn Inbox, &dyn Ledger, u64); 2] =
        [(&sqlite, &sqlite, 2), (&memory, &memory, 1)];
    for (inbox, ledger, when_settled) in inboxes {
        for (event, changed) in [("none", 0), ("push", 1), ("none", 1)] {
            let _ = inbox.put(deliver(event)).await.unwrap();
            assert_eq!(ledger.stats().await.unwrap().changed_duplicates, changed, "{event}");
        }
        let job = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap().jobs.remove(0);
        let _ = inbox.settle(job.lease(), Outcome::Done).await.unwrap();
        // In a file the type is known for as long as the key.
        assert_eq!(inbox.put(deliver("push")).await.unwrap(), Put::Duplicate);
        assert_eq!(ledger.stats().await.unwrap().changed_duplicates, when_settled);
    }
}

#[tokio::test]
async fn bytes_are_dropped_after_their_retention_and_keys_after_their_window() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let clock = Arc::new(FakeClock::new());
    let hour = Duration::from_secs(3_600);
    let open = async || {
        let options = SqliteInbox::options().clock(clock.clone()).retain_done(hour);
        options.open(&path).await.unwrap()
    };
    let inbox = open().await;
    inbox.put(delivery_at(&clock, "1")).await.unwrap();
    let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
    let key = batch.jobs[0].key();
    let _ = inbox.settle(batch.jobs[0].lease(), Outcome::Done).await.unwrap();
    assert!(inbox.get(key).await.unwrap().record.is_some());
    drop(inbox);

    // An inbox that is opened sweeps before it does anything else.
    clock.advance(hour);
    let inbox = open().await;
    inbox.health().await.unwrap();
    assert!(inbox.get(key).await.unwrap().record.is_none(), "the bytes are gone");
    assert!(matches!(inbox.replay(key).await, Err(LedgerError::BytesGone)));
    assert_eq!(inbox.put(delivery_at(&clock, "1")).await.unwrap(), Put::Duplicate);
    drop(inbox);

    clock.advance(delivery("any").ttl(true));
    let inbox = open().await;
    inbox.health().await.unwrap();
    assert!(matches!(inbox.get(key).await, Err(LedgerError::NotFound)));
    assert_eq!(inbox.stats().await.unwrap(), Default::default());
    assert_counts(&path);
}

#[tokio::test]
async fn bytes_are_kept_for_a_week_unless_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let clock = Arc::new(FakeClock::new());
    let inbox = SqliteInbox::options().clock(clock.clone()).open(&path).await.unwrap();
    inbox.put(delivery_at(&clock, "1")).await.unwrap();
    let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
    let key = batch.jobs[0].key();
    let _ = inbox.settle(batch.jobs[0].lease(), Outcome::Done).await.unwrap();
    drop(inbox);
    let (week, second) = (Duration::from_secs(604_800), Duration::from_secs(1));
    for (later, is_kept) in [(week - second, true), (second, false)] {
        clock.advance(later);
        let inbox = SqliteInbox::options().clock(clock.clone()).open(&path).await.unwrap();
        inbox.health().await.unwrap();
        let has_bytes = inbox.get(key).await.is_ok_and(|entry| entry.record.is_some());
        assert_eq!(has_bytes, is_kept);
    }
}

#[tokio::test]
async fn bytes_are_kept_for_their_retention_though_the_key_expires_before() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new());
    let inbox = SqliteInbox::options().clock(clock.clone());
    let inbox = inbox.open(directory.path().join("inbox.db")).await.unwrap();
    let deliver = || {
        let message = Message::new("{}").id("msg_1").sent_at(clock.now());
        let scheme = presets::STANDARD_WEBHOOKS;
        let request = Signer::new(scheme.clone(), SECRET).unwrap().request(&message).unwrap();
        let verifier = Verifier::builder("acme", scheme, SECRET).clock(clock.clone());
        verifier.build().unwrap().verify(request).unwrap()
    };
    inbox.put(deliver()).await.unwrap();
    let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
    let _ = inbox.settle(batch.jobs[0].lease(), Outcome::Done).await.unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    assert!(deliver().ttl(true) < 5 * day);
    clock.advance(6 * day);
    let key = batch.jobs[0].key();
    assert!(inbox.get(key).await.unwrap().record.is_some());
    inbox.replay(key).await.unwrap();
    let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
    let _ = inbox.settle(batch.jobs[0].lease(), Outcome::Done).await.unwrap();
    assert_eq!(inbox.put(deliver()).await.unwrap(), Put::Duplicate, "fresh for ten minutes");
    clock.advance(day);
    assert_eq!(inbox.put(deliver()).await.unwrap(), Put::New, "though its bytes are there");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_a_dead_letter_and_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    for id in ["1", "bad", "2"] {
        inbox.put(delivery(id)).await.unwrap();
    }
    let damage = "UPDATE delivery SET headers = x'00ff' WHERE id = 'bad'";
    Connection::open(&path).unwrap().execute_batch(damage).unwrap();
    assert_eq!(jobs(&inbox).await, ["1", "2"]);
    let dead = inbox.list(Filter::state(State::Dead)).await.unwrap();
    assert_eq!((dead.len(), dead[0].id.as_deref()), (1, Some("bad")));
    assert!(dead[0].last_error.as_deref().unwrap().contains("can't be read"));
    assert_counts(&path);
}

/// Whatever is wrong with a row, the others are leased, and an operator finds it.
#[tokio::test]
async fn a_damaged_row_holds_up_no_other_and_is_listed() {
    let many = (0..40_000).map(|n| format!("h{n}: \r\n")).collect::<String>();
    let many = format!("headers = CAST('{many}' AS BLOB)");
    let lapsed = "state = 1, due_at = 1, started_at = 1";
    let last = format!("attempts = {0}, total_attempts = {0}, fence = {0}", i64::MAX);
    let no_key = format!("key = x'01', {lapsed}");
    let tried = format!("attempts = 9000000000, {lapsed}");
    let damages = [
        ("attempts = -5", true),
        ("total_attempts = 9000000000", true),
        (last.as_str(), true),
        (many.as_str(), false),
        ("source = CAST(x'ff' AS TEXT)", false),
        ("key = x'01'", false),
        (no_key.as_str(), false),
        (tried.as_str(), false),
    ];
    for ((damage, is_leased), is_limited) in
        damages.into_iter().flat_map(|damage| [(damage, false), (damage, true)])
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("inbox.db");
        let inbox = SqliteInbox::open(&path).await.unwrap();
        for id in ["1", "bad", "2"] {
            inbox.put(delivery(id)).await.unwrap();
        }
        let is_lapsed = damage.contains(lapsed);
        let db = Connection::open(&path).unwrap();
        if is_lapsed {
            let moved =
                "UPDATE count SET deliveries = deliveries + iif(state, 1, -1) WHERE state < 2";
            db.execute_batch(moved).unwrap();
        }
        db.execute_batch(&format!("UPDATE delivery SET {damage} WHERE id = 'bad'")).unwrap();
        let mut options = LeaseOptions::new(100, LEASE, 5);
        if is_limited {
            options.sources.set_each(10);
        }
        let batch = inbox.lease(options).await.unwrap();
        let leased: Vec<_> = batch.jobs.iter().map(|job| job.id().unwrap()).collect();
        let all: &[&str] = if is_leased { &["1", "bad", "2"] } else { &["1", "2"] };
        assert_eq!(leased, all, "{:.60}", damage);
        if is_lapsed {
            // It is a suspect, if it is not dead yet.
            let suspects = inbox.lease(LeaseOptions::suspect(LEASE, 5)).await.unwrap();
            assert!(suspects.jobs.is_empty(), "{damage}: {suspects:?}");
        }
        let state = if is_leased { State::Leased } else { State::Dead };
        let listed = inbox.list(Filter::state(state)).await.unwrap();
        assert!(listed.iter().any(|entry| entry.id.as_deref() == Some("bad")), "{:.60}", damage);
        assert_counts(&path);
        inbox.put(delivery("3")).await.unwrap();
    }
}

#[test]
fn a_record_of_more_headers_than_there_can_be_is_none() {
    let record = Record::new(delivery("1"), true).to_bytes();
    let end = record.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 2;
    let more = (0..40_000).map(|n| format!("h{n}: \r\n")).collect::<String>();
    let bytes = [&record[..end], more.as_bytes(), &record[end..]].concat();
    Record::from_bytes(&bytes.into()).unwrap_err();
}

/// The counts that are kept are the counts that there are.
fn assert_counts(path: &Path) {
    let db = Connection::open(path).unwrap();
    let wrong: i64 = db
        .query_row(
            "SELECT count(*) FROM count WHERE state < 5 AND deliveries !=
                (SELECT count(*) FROM delivery WHERE delivery.state = count.state)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(wrong, 0);
}

#[tokio::test]
async fn the_counts_follow_every_step() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let clock = Arc::new(FakeClock::new());
    let inbox = SqliteInbox::options().clock(clock.clone()).open(&path).await.unwrap();
    let outcomes = [
        Outcome::Done,
        Outcome::Skipped,
        Outcome::Released,
        Outcome::Retry { after: LEASE, error: "again".into() },
        Outcome::Dead { error: "broken".into() },
    ];
    for (n, outcome) in outcomes.iter().cycle().take(20).enumerate() {
        inbox.put(delivery_at(&clock, &n.to_string())).await.unwrap();
        let batch = inbox.lease(LeaseOptions::new(1, LEASE, 2)).await.unwrap();
        for job in &batch.jobs {
            let _ = inbox.settle(job.lease(), outcome.clone()).await.unwrap();
            assert_counts(&path);
        }
        clock.advance(Duration::from_secs(25));
    }
    for state in [State::Done, State::Dead, State::Skipped] {
        let entry = inbox.list(Filter::state(state)).await.unwrap().remove(0);
        inbox.replay(entry.key).await.unwrap();
        assert_counts(&path);
    }
    let entry = inbox.list(Filter::state(State::Dead)).await.unwrap().remove(0);
    inbox.discard(entry.key).await.unwrap();
    let done = inbox.list(Filter::state(State::Done)).await.unwrap().remove(0).id.unwrap();
    clock.advance(delivery("any").ttl(true) * 2);
    assert_eq!(
        inbox.put(delivery_at(&clock, &done)).await.unwrap(),
        Put::New,
        "over an expired row"
    );
    assert_counts(&path);
}

#[tokio::test]
async fn files_that_are_not_an_inbox_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE users (id)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = SqliteInbox::open(&path).await.unwrap_err().to_string();
    assert!(error.contains("not an inbox"), "{error}");
    assert!(std::fs::read(&path).unwrap() == before, "somebody else's file was changed");

    let text = directory.path().join("text.db");
    std::fs::write(&text, "this is no database".repeat(100)).unwrap();
    SqliteInbox::open(&text).await.unwrap_err();

    let newer = directory.path().join("newer.db");
    drop(SqliteInbox::open(&newer).await.unwrap());
    Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = SqliteInbox::open(&newer).await.unwrap_err().to_string();
    assert!(error.contains("version 99"), "{error}");

    let missing = directory.path().join("no/such/directory.db");
    let error = SqliteInbox::open(&missing).await.unwrap_err().to_string();
    assert!(error.contains("no/such/directory.db"), "{error}");
}

/// What is remembered is the record, and not all that came with it.
#[tokio::test]
async fn a_memory_inbox_keeps_nothing_of_what_was_read_from_the_network() {
    struct Read(Vec<u8>, #[expect(dead_code, reason = "it is counted")] Arc<()>);
    impl AsRef<[u8]> for Read {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let read = Arc::new(());
    let (inbox, mut request) = (MemoryInbox::new(), request("1", "{}"));
    let bytes =
        Bytes::from_owner(Read(b"{} value of a header, and a cookie".to_vec(), read.clone()));
    *request.body_mut() = bytes.slice(..2);
    let value = http::HeaderValue::from_maybe_shared(bytes.slice(3..8)).unwrap();
    request.headers_mut().insert("x-other", value);
    drop(bytes);
    let verifier = Verifier::new("acme", presets::GITHUB, SECRET).unwrap();
    inbox.put(verifier.verify(request).unwrap()).await.unwrap();
    assert_eq!(Arc::strong_count(&read), 1);
    let batch = inbox.lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
    assert_eq!(batch.jobs[0].headers().get("x-other").unwrap(), "value");
    assert_eq!(batch.jobs[0].headers().get("x-github-event").unwrap(), "push");
    assert_eq!(&**batch.jobs[0].body(), b"{}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let inbox = SqliteInbox::open(directory.path().join("inbox.db")).await.unwrap();
    inbox.put(delivery("1")).await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            file.path()
        );
        files += 1;
    }
    assert_eq!(files, 3, "the file, its log and the log's index");
}

#[tokio::test]
async fn a_backup_taken_while_it_is_in_use_is_a_whole_inbox() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = SqliteInbox::open(directory.path().join("inbox.db")).await.unwrap();
    inbox.put(delivery("1")).await.unwrap();
    let copy = directory.path().join("copy.db");
    let source = Connection::open(directory.path().join("inbox.db")).unwrap();
    source.execute("VACUUM INTO ?", [copy.to_str().unwrap()]).unwrap();
    let copy = SqliteInbox::open(copy).await.unwrap();
    assert_eq!(copy.put(delivery("1")).await.unwrap(), Put::Duplicate);
    assert_eq!(jobs(&copy).await, ["1"]);
}

#[test]
fn a_record_survives_its_own_bytes() {
    let mut request = request("1", "{\r\n\r\n}");
    request.headers_mut().append("x-many", "one: two".parse().unwrap());
    request.headers_mut().append("x-many", http::HeaderValue::from_bytes(b"\xff\tx").unwrap());
    request.headers_mut().insert("x-empty", "".parse().unwrap());
    request.headers_mut().insert("cookie", "secret".parse().unwrap());
    let verifier = Verifier::new("acme", presets::GITHUB, SECRET).unwrap();
    let record = Record::new(verifier.verify(request).unwrap(), true);
    let bytes = record.to_bytes();
    assert_eq!(Record::from_bytes(&bytes).unwrap(), record);
    assert!(!record.headers().contains_key("cookie"));
    for end in 0..bytes.len() - record.body().len() {
        assert!(Record::from_bytes(&bytes.slice(..end)).is_err(), "cut at {end}");
    }
}

#[tokio::test]
async fn two_inboxes_on_one_file_accept_each_delivery_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox.db");
    let inboxes = [
        Arc::new(SqliteInbox::open(&path).await.unwrap()),
        Arc::new(SqliteInbox::open(&path).await.unwrap()),
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let inbox = inboxes[n % 2].clone();
        let id = format!("id-{}", n / 4);
        tasks.spawn(async move {
            // The other one may hold the lock: that is a 503, and the partner comes again.
            loop {
                match inbox.put(delivery(&id)).await {
                    Ok(put) => return put,
                    Err(InboxError::Busy(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    let puts = tasks.join_all().await;
    assert_eq!(puts.iter().filter(|put| **put == Put::New).count(), 50);
    assert_counts(&path);
}
