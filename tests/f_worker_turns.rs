//! Which jobs run when there are too many, and who has them when something stalls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use inhook::inbox::{
    Batch, Filter, Inbox, InboxError, Lease, LeaseOptions, Ledger, Outcome, Put, Record, Settled,
    State,
};
use inhook::{Delivery, Event, Events, Failure, MemoryInbox};
use tokio::sync::{mpsc, watch};

mod common;
use common::worker::{delivery, fast, put, settled, sqlite, start};

#[tokio::test]
async fn f8_a_runtime_that_is_blocked_keeps_the_leases_of_its_jobs() {
    const LEASE: Duration = Duration::from_millis(300);
    let directory = tempfile::tempdir().unwrap();
    let (here, elsewhere) = (sqlite(directory.path()).await, sqlite(directory.path()).await);
    put(&*here, "1", "push").await;
    let runs = Arc::new(AtomicU32::new(0));
    let handler = runs.clone();
    let events = Events::builder().on("push", move |_: Event<serde_json::Value>| {
        handler.fetch_add(1, Ordering::SeqCst);
        // Nothing else of this runtime moves meanwhile.
        std::thread::sleep(4 * LEASE);
        async { Ok::<_, Failure>(()) }
    });
    let events = events.build().unwrap();
    // Another process would take the job as soon as its lease ends.
    let other = {
        let (inbox, events) = (elsewhere.clone(), events.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                // The first one has it by then.
                while inbox.stats().await.unwrap().leased == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let worker =
                    start(&inbox, events, |worker| worker.lease(LEASE).heartbeat(LEASE / 4));
                settled(&*inbox, State::Done, 1).await;
                worker.stop().await;
            });
        })
    };
    let worker = start(&here, events, |worker| worker.lease(LEASE).heartbeat(LEASE / 4));
    settled(&*here, State::Done, 1).await;
    worker.stop().await;
    other.join().unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(here.list(Filter::all()).await.unwrap()[0].total_attempts, 1);
}

#[tokio::test]
async fn f10_retries_that_hang_leave_room_for_what_is_new() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    for n in 0..20 {
        put(&*inbox, &n.to_string(), "hangs").await;
    }
    let (done, mut works) = mpsc::unbounded_channel();
    let hanging = Arc::new(AtomicU32::new(0));
    let handler = hanging.clone();
    let events = Events::builder()
        .on("hangs", move |event: Event<serde_json::Value>| {
            let retry = event.attempt() > 1;
            if retry {
                handler.fetch_add(1, Ordering::SeqCst);
            }
            async move {
                if retry {
                    std::future::pending::<()>().await;
                }
                Err::<(), _>(Failure::retry("not yet"))
            }
        })
        .on("works", move |event: Event<serde_json::Value>| {
            done.send(event.id().map(str::to_owned)).unwrap();
            async { Ok::<_, Failure>(()) }
        });
    let worker = start(&inbox, events.build().unwrap(), |worker| {
        worker.concurrency(4).backoff(fast(5)).drain(Duration::from_millis(100))
    });
    // As many retries hang as there may be.
    while hanging.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for n in 0..10 {
        let id = format!("new-{n}");
        put(&*inbox, &id, "works").await;
        let next = tokio::time::timeout(Duration::from_secs(10), works.recv()).await;
        assert_eq!(next.expect("new work is not held up").unwrap(), Some(id));
    }
    assert_eq!(hanging.load(Ordering::SeqCst), 2, "half of the jobs at a time");
    worker.stop().await;
}

/// A suspect runs alone, but what runs beside it may never end.
#[tokio::test]
async fn f10_a_suspect_has_its_turn_beside_a_job_that_hangs() {
    const LEASE: Duration = Duration::from_millis(200);
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    put(&*inbox, "suspect", "works").await;
    let vanished = LeaseOptions::new(1, Duration::from_millis(1), 5);
    assert_eq!(inbox.lease(vanished).await.unwrap().jobs.len(), 1);
    put(&*inbox, "hangs", "hangs").await;
    let (began, mut begins) = mpsc::unbounded_channel();
    let events = Events::builder()
        .on("hangs", move |_: Event<serde_json::Value>| {
            began.send(Instant::now()).unwrap();
            std::future::pending::<Result<(), Failure>>()
        })
        .on("works", async |_: Event<serde_json::Value>| Ok::<_, Failure>(()));
    let worker = start(&inbox, events.build().unwrap(), |worker| {
        worker.lease(LEASE).heartbeat(LEASE / 4).drain(Duration::from_millis(100))
    });
    let began = begins.recv().await.unwrap();
    settled(&*inbox, State::Done, 1).await;
    // Until then it could have ended.
    assert!(began.elapsed() >= 5 * LEASE, "{:?}", began.elapsed());
    put(&*inbox, "new", "works").await;
    settled(&*inbox, State::Done, 2).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_source_has_no_more_jobs_at_a_time_than_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    for n in 0..40 {
        let id = n.to_string();
        inbox.put(delivery("slow", &id, "push", "{}")).await.unwrap();
        inbox.put(delivery("limited", &id, "push", "{}")).await.unwrap();
    }
    let (release, released) = watch::channel(false);
    let (began, mut begins) = mpsc::unbounded_channel();
    let events = Events::builder().on("push", move |event: Event<serde_json::Value>| {
        let (source, mut released) = (event.source().to_owned(), released.clone());
        began.send(source.clone()).unwrap();
        async move {
            if source != "free" {
                let _ = released.wait_for(|released| *released).await;
            }
            Ok::<_, Failure>(())
        }
    });
    let worker = start(&inbox, events.build().unwrap(), |worker| {
        worker.concurrency(8).concurrency_per_source(3).concurrency_of("limited", 1)
    });
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(begins.recv().await.unwrap());
    }
    seen.sort();
    assert_eq!(seen, ["limited", "slow", "slow", "slow"]);
    // Behind eighty of theirs, another source has room.
    for n in 0..10 {
        inbox.put(delivery("free", &n.to_string(), "push", "{}")).await.unwrap();
        let next = tokio::time::timeout(Duration::from_secs(10), begins.recv()).await;
        assert_eq!(next.expect("it has room").unwrap(), "free");
    }
    release.send_replace(true);
    settled(&*inbox, State::Done, 90).await;
    worker.stop().await;
}

#[tokio::test]
async fn f10_rows_that_cannot_be_read_hold_up_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    for n in 0..34 {
        put(&*inbox, &n.to_string(), "push").await;
    }
    let db = rusqlite::Connection::open(directory.path().join("inbox.db")).unwrap();
    db.execute("UPDATE delivery SET headers = x'00' WHERE position <= 32", []).unwrap();
    let events = Events::builder()
        .on("push", async |_: Event<serde_json::Value>| Ok::<_, Failure>(()))
        .build()
        .unwrap();
    let worker = start(&inbox, events, |worker| worker);
    // Far less than the pause after which a worker looks in any case.
    let done = tokio::time::timeout(Duration::from_secs(3), settled(&*inbox, State::Done, 2));
    done.await.expect("they are behind two batches of dead letters");
    worker.stop().await;
    assert_eq!(inbox.stats().await.unwrap().dead, 32);
}

/// An inbox whose leases take until the test lets them go.
struct SlowToLease {
    inner: Arc<MemoryInbox>,
    asked: mpsc::UnboundedSender<()>,
    go: watch::Receiver<bool>,
}

#[async_trait::async_trait]
impl Inbox for SlowToLease {
    async fn put(&self, delivery: Delivery) -> Result<Put, InboxError> {
        self.inner.put(delivery).await
    }

    async fn put_record(&self, record: Record) -> Result<Put, InboxError> {
        self.inner.put_record(record).await
    }

    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError> {
        let batch = self.inner.lease(options).await;
        self.asked.send(()).unwrap();
        let _ = self.go.clone().wait_for(|go| *go).await;
        batch
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Lease>, InboxError> {
        self.inner.extend(leases, by).await
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<Settled, InboxError> {
        self.inner.settle(lease, outcome).await
    }

    async fn ready(&self) {
        self.inner.ready().await;
    }

    async fn health(&self) -> Result<(), InboxError> {
        self.inner.health().await
    }
}

#[tokio::test]
async fn what_is_leased_to_a_worker_that_stops_is_given_back() {
    for how in ["it is stopped", "it is stopped, and the answer comes too late", "it is dropped"] {
        let inner = Arc::new(MemoryInbox::new());
        put(&*inner, "1", "push").await;
        let (asked, mut asks) = mpsc::unbounded_channel();
        let (go, gone) = watch::channel(false);
        let inbox = Arc::new(SlowToLease { inner: inner.clone(), asked, go: gone });
        let events = Events::builder().on("push", async |_: Event<serde_json::Value>| {
            Err::<(), Failure>(Failure::permanent("it must not run"))
        });
        let worker = start(&inbox, events.build().unwrap(), |worker| {
            worker.drain(Duration::from_millis(if how.ends_with("late") { 50 } else { 10_000 }))
        });
        asks.recv().await.unwrap();
        assert_eq!(inner.stats().await.unwrap().leased, 1, "{how}");
        match how {
            "it is stopped" => {
                worker.stop.send_replace(true);
                go.send_replace(true);
                worker.task.await.unwrap().unwrap();
            }
            "it is dropped" => {
                worker.task.abort();
                assert!(worker.task.await.unwrap_err().is_cancelled());
                go.send_replace(true);
            }
            _ => {
                worker.stop().await;
                go.send_replace(true);
            }
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while inner.stats().await.unwrap().pending == 0 {
            assert!(tokio::time::Instant::now() < deadline, "{how}: {:?}", inner.stats().await);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(inner.list(Filter::all()).await.unwrap()[0].total_attempts, 0, "{how}");
    }
}
