//! What becomes of an accepted delivery: attempts, dead letters, suspects, drain.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use inhook::inbox::{Filter, Inbox, LeaseOptions, Ledger, Put, State};
use inhook::{ConfigError, Event, Events, Failure, MemoryInbox, SqliteInbox, Worker};
use tokio::sync::{mpsc, watch};

mod common;
use common::worker::{delivery, fast, put, settled, sqlite, start};

#[tokio::test]
async fn a_job_fails_twice_and_is_done_at_the_third_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    put(&*inbox, "1", "push").await;
    let (seen, mut attempts) = mpsc::unbounded_channel();
    let events = Events::builder().on("push", move |event: Event<serde_json::Value>| {
        seen.send((event.attempt(), event.key())).unwrap();
        async move { if event.attempt() < 3 { Err(Failure::retry("not yet")) } else { Ok(()) } }
    });
    let worker = start(&inbox, events.build().unwrap(), |worker| worker.backoff(fast(5)));
    settled(&*inbox, State::Done, 1).await;
    worker.stop().await;
    let (first, key) = attempts.recv().await.unwrap();
    assert_eq!(first, 1);
    for attempt in 2..=3 {
        assert_eq!(attempts.recv().await.unwrap(), (attempt, key), "the key is the same each time");
    }
    assert!(attempts.try_recv().is_err());
}

#[tokio::test]
async fn d10_a_job_that_always_fails_is_a_dead_letter_and_replayable() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    put(&*inbox, "1", "push").await;
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let handler = broken.clone();
    let events = Events::builder().on("push", move |_: Event<serde_json::Value>| {
        let broken = handler.load(Ordering::SeqCst);
        async move { if broken { Err(Failure::retry("it is broken")) } else { Ok(()) } }
    });
    let worker = start(&inbox, events.build().unwrap(), |worker| worker.backoff(fast(4)));
    settled(&*inbox, State::Dead, 1).await;
    let entry = inbox.list(Filter::state(State::Dead)).await.unwrap().remove(0);
    assert_eq!((entry.attempts, entry.last_error.as_deref()), (4, Some("it is broken")));
    broken.store(false, Ordering::SeqCst);
    inbox.replay(entry.key).await.unwrap();
    settled(&*inbox, State::Done, 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_permanent_failure_is_a_dead_letter_at_once() {
    let inbox = Arc::new(MemoryInbox::new());
    put(&*inbox, "1", "push").await;
    let events = Events::builder().on("push", async |_: Event<serde_json::Value>| {
        Err::<(), _>(Failure::permanent("it will never work"))
    });
    let worker = start(&inbox, events.build().unwrap(), |worker| worker.backoff(fast(5)));
    settled(&*inbox, State::Dead, 1).await;
    worker.stop().await;
    assert_eq!(inbox.list(Filter::all()).await.unwrap()[0].attempts, 1);
}

#[tokio::test]
async fn f7_panics_and_timeouts_count_as_attempts_and_hurt_nobody_else() {
    let inbox = Arc::new(MemoryInbox::new());
    put(&*inbox, "1", "panics").await;
    put(&*inbox, "2", "hangs").await;
    put(&*inbox, "3", "works").await;
    let (done, mut works) = mpsc::unbounded_channel();
    let events = Events::builder()
        .on("panics", async |event: Event<serde_json::Value>| -> Result<(), Failure> {
            panic!("attempt {}", event.attempt())
        })
        .on("hangs", async |_: Event<serde_json::Value>| -> Result<(), Failure> {
            std::future::pending().await
        })
        .on("works", move |_: Event<serde_json::Value>| {
            done.send(()).unwrap();
            async { Ok::<_, Failure>(()) }
        });
    let worker = start(&inbox, events.build().unwrap(), |worker| {
        worker.backoff(fast(2)).timeout(Duration::from_millis(50))
    });
    works.recv().await.unwrap();
    settled(&*inbox, State::Dead, 2).await;
    worker.stop().await;
    let errors: Vec<String> = inbox
        .list(Filter::state(State::Dead))
        .await
        .unwrap()
        .into_iter()
        .map(|entry| {
            assert_eq!(entry.attempts, 2);
            entry.last_error.unwrap()
        })
        .collect();
    assert_eq!(errors[0], "the handler panicked: attempt 2");
    assert!(errors[1].contains("50ms"), "{errors:?}");
}

#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("it can't be said")
    }
}

impl std::error::Error for Unspeakable {}

/// Panics when it is dropped, as a handler is that takes too long.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[tokio::test]
async fn f7_a_panic_beside_the_handlers_code_counts_as_an_attempt_too() {
    let inbox = Arc::new(MemoryInbox::new());
    put(&*inbox, "1", "errors").await;
    put(&*inbox, "2", "hangs").await;
    let events = Events::builder()
        .on("errors", async |_: Event<serde_json::Value>| Err::<(), _>(Failure::retry(Unspeakable)))
        .on("hangs", async |_: Event<serde_json::Value>| {
            let _bomb = Bomb;
            std::future::pending::<Result<(), Failure>>().await
        });
    let worker = start(&inbox, events.build().unwrap(), |worker| {
        worker.backoff(fast(2)).timeout(Duration::from_millis(50))
    });
    settled(&*inbox, State::Dead, 2).await;
    worker.stop().await;
    for entry in inbox.list(Filter::state(State::Dead)).await.unwrap() {
        assert_eq!(entry.attempts, 2);
        let error = entry.last_error.unwrap();
        assert!(error.starts_with("the handler panicked"), "{error}");
    }
}

#[tokio::test]
async fn a_put_whose_caller_has_gone_is_run_as_soon_as_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    let (send, mut handled) = mpsc::unbounded_channel();
    let events = Events::builder().on("push", move |event: Event<serde_json::Value>| {
        send.send(event.id().map(str::to_owned)).unwrap();
        async { Ok::<_, Failure>(()) }
    });
    let worker = start(&inbox, events.build().unwrap(), |worker| worker);
    for n in 0..20u32 {
        let id = format!("{n}");
        // It is polled once, so the step is queued, and then dropped.
        let mut put = Box::pin(inbox.put(delivery("acme", &id, "push", "{}")));
        std::future::poll_fn(|cx| Poll::Ready(put.as_mut().poll(cx).is_ready())).await;
        // Whether the writer has begun when the caller goes is a race; both ends are tried.
        if n % 2 == 0 {
            tokio::task::yield_now().await;
        }
        drop(put);
        // What was not stored then is stored now, and what was is a duplicate.
        let put = inbox.put(delivery("acme", &id, "push", "{}")).await.unwrap();
        assert!(matches!(put, Put::New | Put::Duplicate));
        let next = tokio::time::timeout(Duration::from_secs(2), handled.recv()).await;
        assert_eq!(next.expect("it runs soon").unwrap(), Some(id));
    }
    worker.stop().await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_an_error_before_anything_is_leased() {
    let inbox = Arc::new(MemoryInbox::new());
    put(&*inbox, "1", "push").await;
    let worker = || Worker::new(inbox.clone(), Events::builder().build().unwrap());
    let second = Duration::from_secs(1);
    for wrong in [
        worker().concurrency(0),
        worker().heartbeat(Duration::ZERO),
        worker().concurrency_per_source(0),
        worker().concurrency_of("acme", 0),
        worker().lease(second).heartbeat(second),
        worker().timeout(Duration::ZERO),
        worker().lease(Duration::MAX),
    ] {
        let error = wrong.run(std::future::pending()).await.unwrap_err();
        assert!(matches!(error, ConfigError::Worker { .. }), "{error}");
    }
    assert_eq!(inbox.stats().await.unwrap().pending, 1);
}

#[tokio::test]
async fn f8_a_handler_that_takes_longer_than_its_lease_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    put(&*inbox, "1", "push").await;
    let runs = Arc::new(AtomicU32::new(0));
    let handler = runs.clone();
    let events = Events::builder().on("push", move |_: Event<serde_json::Value>| {
        handler.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_millis(900)).await;
            Ok::<_, Failure>(())
        }
    });
    // Two workers, so that a lease that lapsed would be taken.
    let short = |worker: Worker<SqliteInbox, Events>| {
        worker.lease(Duration::from_millis(300)).heartbeat(Duration::from_millis(50))
    };
    let events = events.build().unwrap();
    let (one, other) = (start(&inbox, events.clone(), short), start(&inbox, events, short));
    settled(&*inbox, State::Done, 1).await;
    one.stop().await;
    other.stop().await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_idle_worker_soon_sees_what_another_process_has_stored() {
    let directory = tempfile::tempdir().unwrap();
    let (here, elsewhere) = (sqlite(directory.path()).await, sqlite(directory.path()).await);
    let (send, mut handled) = mpsc::unbounded_channel();
    let events = Events::builder().on("push", move |event: Event<serde_json::Value>| {
        send.send(event.id().map(str::to_owned)).unwrap();
        async { Ok::<_, Failure>(()) }
    });
    let worker = start(&here, events.build().unwrap(), |worker| worker);
    // From here on it waits.
    put(&*here, "here", "push").await;
    assert_eq!(handled.recv().await.unwrap().as_deref(), Some("here"));
    settled(&*here, State::Done, 1).await;
    for n in 0..3 {
        let id = format!("elsewhere-{n}");
        put(&*elsewhere, &id, "push").await;
        // Far less than the pause after which it would look in any case.
        let next = tokio::time::timeout(Duration::from_secs(2), handled.recv()).await;
        assert_eq!(next.expect("it is seen soon").unwrap(), Some(id));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_what_runs_and_leases_nothing_more() {
    let inbox = Arc::new(MemoryInbox::new());
    put(&*inbox, "1", "push").await;
    put(&*inbox, "2", "push").await;
    let (started, mut running) = mpsc::unbounded_channel();
    let (go, gone) = watch::channel(false);
    let events = Events::builder().on("push", move |_: Event<serde_json::Value>| {
        started.send(()).unwrap();
        let mut gone = gone.clone();
        async move {
            gone.wait_for(|go| *go).await.unwrap();
            Ok::<_, Failure>(())
        }
    });
    let worker = start(&inbox, events.build().unwrap(), |worker| worker.concurrency(1));
    running.recv().await.unwrap();
    worker.stop.send_replace(true);
    assert!(!worker.task.is_finished());
    go.send_replace(true);
    worker.task.await.unwrap().unwrap();
    let stats = inbox.stats().await.unwrap();
    assert_eq!((stats.pending, stats.leased), (1, 0), "the first is done, the second not begun");
    assert!(running.try_recv().is_err());
}

#[tokio::test]
async fn what_outlasts_the_drain_is_given_back_uncounted() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    put(&*inbox, "1", "push").await;
    let (started, mut running) = mpsc::unbounded_channel();
    let events = Events::builder().on("push", move |_: Event<serde_json::Value>| {
        started.send(()).unwrap();
        std::future::pending::<Result<(), Failure>>()
    });
    let worker =
        start(&inbox, events.build().unwrap(), |worker| worker.drain(Duration::from_millis(50)));
    running.recv().await.unwrap();
    worker.stop().await;
    let batch = inbox.lease(LeaseOptions::new(1, Duration::from_secs(60), 5)).await.unwrap();
    assert_eq!(batch.jobs[0].attempt(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_never_yields_holds_up_no_other_when_leases_are_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    for (id, event) in [("1", "waits"), ("2", "blocks"), ("3", "waits")] {
        put(&*inbox, id, event).await;
    }
    let (started, mut running) = mpsc::unbounded_channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = Arc::new(std::sync::Mutex::new(gone));
    let waits = started.clone();
    let events = Events::builder()
        .on("waits", move |_: Event<serde_json::Value>| {
            waits.send(()).unwrap();
            std::future::pending::<Result<(), Failure>>()
        })
        .on("blocks", move |_: Event<serde_json::Value>| {
            started.send(()).unwrap();
            let gone = gone.clone();
            async move {
                let _ = gone.lock().unwrap().recv();
                Ok::<_, Failure>(())
            }
        });
    let worker =
        start(&inbox, events.build().unwrap(), |worker| worker.drain(Duration::from_millis(50)));
    for _ in 0..3 {
        running.recv().await.unwrap();
    }
    worker.stop().await;
    let stats = inbox.stats().await.unwrap();
    assert_eq!((stats.pending, stats.leased), (2, 1), "only the one that blocks is not given back");
    for entry in inbox.list(Filter::state(State::Pending)).await.unwrap() {
        assert_eq!(entry.attempts, 0, "what is given back does not count");
    }
    drop(go);
}

#[tokio::test]
async fn if_one_half_fails_the_other_is_drained_and_the_error_returned() {
    let inbox = Arc::new(MemoryInbox::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let worker = Worker::new(inbox, Events::builder().build().unwrap()).concurrency(0);
    let server = inhook::serve(listener, axum::Router::new());
    let error = inhook::run(server, worker, std::future::pending()).await.unwrap_err();
    assert!(error.downcast_ref::<ConfigError>().is_some(), "{error}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the server has stopped");
}

/// The test starts itself as the process that is killed; `INHOOK_TEST_CHILD` tells it so.
#[test]
fn f7_a_job_that_kills_its_process_runs_alone_and_ends_as_a_dead_letter() {
    const CHILD: &str = "INHOOK_TEST_CHILD";
    const LEASE: Duration = Duration::from_millis(400);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(directory) = std::env::var_os(CHILD) {
        // Slow neighbours note each of their attempts and its end; the killer notes its own.
        let log = Path::new(&directory).join("log");
        let note = move |line: String| {
            use std::io::Write;
            let mut file = std::fs::File::options().append(true).create(true).open(&log).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        };
        let (slow, kill) = (note.clone(), note);
        let events = Events::builder()
            .on("slow", move |event: Event<serde_json::Value>| {
                let note = slow.clone();
                async move {
                    note(format!("begin {}\n", event.id().unwrap()));
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    note(format!("end {}\n", event.id().unwrap()));
                    Ok::<_, Failure>(())
                }
            })
            .on("kill", move |_: Event<serde_json::Value>| {
                let note = kill.clone();
                async move {
                    // Beside running neighbours, in the first attempt.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    note("kill\n".into());
                    std::process::abort();
                    #[expect(unreachable_code, reason = "the type of the handler")]
                    Ok::<_, Failure>(())
                }
            });
        runtime.block_on(async {
            let inbox = sqlite(Path::new(&directory)).await;
            let worker = Worker::new(inbox.clone(), events.build().unwrap());
            let worker = worker.lease(LEASE).heartbeat(LEASE / 4).backoff(fast(3));
            let idle = async {
                loop {
                    let stats = inbox.stats().await.unwrap();
                    if stats.pending + stats.leased == 0 {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            worker.run(idle).await.unwrap();
        });
        return;
    }

    let directory = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let inbox = sqlite(directory.path()).await;
        put(&*inbox, "killer", "kill").await;
        for n in 0..4 {
            put(&*inbox, &format!("slow-{n}"), "slow").await;
        }
    });
    let mut aborts = 0;
    loop {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "f7_a_job_that_kills_its_process_runs_alone_and_ends_as_a_dead_letter",
                "--exact",
            ])
            .env(CHILD, directory.path())
            .output()
            .unwrap();
        if child.status.success() {
            break;
        }
        aborts += 1;
        assert!(aborts <= 3, "{}", String::from_utf8_lossy(&child.stderr));
    }
    assert_eq!(aborts, 3, "exactly as many as it has attempts");

    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    let count = |line: &str| log.lines().filter(|other| *other == line).count();
    assert_eq!(count("kill"), 3);
    runtime.block_on(async {
        let inbox = sqlite(directory.path()).await;
        let dead = inbox.list(Filter::state(State::Dead)).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert_eq!((dead[0].id.as_deref(), dead[0].attempts), (Some("killer"), 3));
        for entry in inbox.list(Filter::state(State::Done)).await.unwrap() {
            let id = entry.id.unwrap();
            assert!(entry.total_attempts <= 2, "{id} was charged once at most");
            assert_eq!(count(&format!("end {id}")), 1, "{log}");
        }
        assert_eq!(inbox.stats().await.unwrap().done, 4);
    });
}

#[tokio::test]
async fn a_settlement_waits_for_the_store_to_work_again() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    put(&*inbox, "1", "push").await;
    let (ran, mut runs) = mpsc::unbounded_channel();
    let blocker = rusqlite::Connection::open(directory.path().join("inbox.db")).unwrap();
    let blocker = Arc::new(std::sync::Mutex::new(blocker));
    let events = Events::builder().on("push", {
        let blocker = blocker.clone();
        move |_: Event<serde_json::Value>| {
            // The store is blocked while the job runs, and still when it is to be settled.
            blocker.lock().unwrap().execute_batch("BEGIN IMMEDIATE").unwrap();
            ran.send(()).unwrap();
            async { Ok::<_, Failure>(()) }
        }
    });
    let worker = start(&inbox, events.build().unwrap(), |worker| worker);
    runs.recv().await.unwrap();
    while inbox.health().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    blocker.lock().unwrap().execute_batch("ROLLBACK").unwrap();
    settled(&*inbox, State::Done, 1).await;
    worker.stop().await;
    assert!(runs.try_recv().is_err(), "it ran once");
    let entry = inbox.list(Filter::state(State::Done)).await.unwrap().remove(0);
    assert_eq!(entry.attempts, 1);
}
