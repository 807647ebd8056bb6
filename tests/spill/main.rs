//! What the primary can't take is spilled to a second file and handed over later: never lost, never twice.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use axum::Router;
use http::StatusCode;
use inhook::events::Handled;
use inhook::inbox::{
    Batch, Inbox, InboxError, Job, Lease, LeaseOptions, Ledger, Outcome, Put, Record, Settled,
    State,
};
use inhook::scheme::Scheme;
use inhook::sign::Message;
use inhook::testing::{Failing, FakeClock, Mode, Partner};
use inhook::{
    Delivery, Failure, Intake, MemoryInbox, Spill, SqliteInbox, Verifier, VerifyLayer, Worker,
    presets,
};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::watch;
use tower::{ServiceBuilder, ServiceExt};

#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
#[path = "../common/device.rs"]
mod device;
#[path = "../common/log.rs"]
mod log;
mod places;

use log::Log;

use common::store::{LEASE, SECRET, assert_refused, delivery, delivery_at, jobs, post, request};

type Broken = Failing<SqliteInbox>;

/// A primary and its spill, in files of their own.
struct Files {
    directory: TempDir,
}

/// What is logged by all tests of this program.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    log
});

impl Files {
    fn new() -> Self {
        let _ = &*LOG;
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn primary_path(&self) -> PathBuf {
        self.directory.path().join("primary.db")
    }

    fn spill_path(&self) -> PathBuf {
        self.directory.path().join("spill.db")
    }

    async fn primary(&self) -> Arc<SqliteInbox> {
        Arc::new(SqliteInbox::open(self.primary_path()).await.unwrap())
    }

    async fn open(&self) -> Arc<Spill<SqliteInbox>> {
        Arc::new(Spill::open(self.primary().await, self.spill_path()).await.unwrap())
    }

    /// With a primary that the test can break.
    async fn breakable(&self) -> Arc<Spill<Broken>> {
        let primary = SqliteInbox::open(self.primary_path()).await.unwrap();
        let primary = Arc::new(Failing::new(primary));
        Arc::new(Spill::open(primary, self.spill_path()).await.unwrap())
    }

    async fn breakable_at(&self, clock: &Arc<FakeClock>) -> Spill<Broken> {
        let primary = SqliteInbox::options().clock(clock.clone()).open(self.primary_path());
        let primary = Arc::new(Failing::new(primary.await.unwrap()));
        Spill::options(primary).clock(clock.clone()).open(self.spill_path()).await.unwrap()
    }
}

/// Another connection that keeps the file's write lock until it is dropped.
fn lock(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

async fn waiting<I: Inbox>(spill: &Spill<I>) -> u64 {
    spill.waiting().await.unwrap()
}

/// Waits until so many are left in the spill; it has to be soon.
async fn drained_to<I: Inbox>(spill: &Spill<I>, left: u64, within: Duration) {
    let deadline = Instant::now() + within;
    while waiting(spill).await != left {
        assert!(Instant::now() < deadline, "{} are left", waiting(spill).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn drained<I: Inbox>(spill: &Spill<I>) {
    drained_to(spill, 0, Duration::from_secs(5)).await;
}

/// Handles the one job that is due.
async fn handle(inbox: &impl Inbox) -> Job {
    let mut batch = inbox.lease(LeaseOptions::new(10, LEASE, 5)).await.unwrap();
    assert_eq!(batch.jobs.len(), 1, "{batch:?}");
    let job = batch.jobs.remove(0);
    let _ = inbox.settle(job.lease(), Outcome::Done).await.unwrap();
    job
}

/// Whatever a delivery of this scheme is answered, and in what time.
async fn timed<I: Inbox>(inbox: &Arc<I>, scheme: Scheme, id: &str) -> (StatusCode, Duration) {
    let verify = VerifyLayer::new(Verifier::new("acme", scheme.clone(), common::SECRET).unwrap());
    let service = ServiceBuilder::new().layer(verify).service(Intake::new(inbox.clone()));
    let message = Message::new(format!(r#"{{"id":"{id}","type":"ping"}}"#)).id(id);
    let request = Partner::new(scheme, common::SECRET).valid(&message);
    let start = Instant::now();
    (service.oneshot(request).await.unwrap().status(), start.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_a_primary_that_is_moved_away_is_no_503_for_github() {
    let files = Files::new();
    let spill = files.open().await;
    // A real server, and a worker on the spill as on any other inbox.
    let verify = VerifyLayer::new(Verifier::new("acme", presets::GITHUB, SECRET).unwrap());
    let intake = ServiceBuilder::new().layer(verify).service(Intake::new(spill.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = inhook::serve(listener, Router::new().route_service("/", intake));
    tokio::spawn(server.run(std::future::pending()));
    let (handled, mut jobs) = tokio::sync::mpsc::unbounded_channel();
    let handler = tower::service_fn(move |job: Job| {
        handled.send(job).unwrap();
        async { Ok::<_, Failure>(Handled::Done) }
    });
    tokio::spawn(Worker::new(spill.clone(), handler).run(std::future::pending()));
    let send = async |id: &str| {
        let (url, request) = (url.clone(), request(id, "{}"));
        let answer = tokio::task::spawn_blocking(move || {
            let post = request.headers().iter().fold(ureq::post(&url), |post, (name, value)| {
                post.header(name.as_str(), value.to_str().unwrap())
            });
            post.send(&request.body()[..]).map(|answer| answer.status().as_u16())
        });
        answer.await.unwrap().unwrap()
    };

    assert_eq!(send("before").await, 200);
    assert_eq!(jobs.recv().await.unwrap().id(), Some("before"));
    let away = files.directory.path().join("away.db");
    std::fs::rename(files.primary_path(), &away).unwrap();
    let start = SystemTime::now();
    assert_eq!(send("spilled").await, 200);
    assert_eq!(waiting(&spill).await, 1);
    let error = spill.health().await.unwrap_err().to_string();
    assert!(
        error.contains("moved or deleted"),
        "the primary's, for those who have to mend it: {error}"
    );
    spill.store().health().await.unwrap();
    let accepted = SystemTime::now();
    std::fs::rename(&away, files.primary_path()).unwrap();

    let job = tokio::time::timeout(Duration::from_secs(5), jobs.recv()).await.unwrap().unwrap();
    assert_eq!((job.id(), job.event()), (Some("spilled"), Some("push")));
    assert_eq!(job.body(), "{}");
    let whole = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let received = whole(job.received_at());
    assert!((whole(start)..=whole(accepted)).contains(&received), "when it was accepted");
    drained(&spill).await;
    spill.health().await.unwrap();
    assert_eq!(send("spilled").await, 200, "a duplicate");
    assert_eq!(send("after").await, 200);
    assert_eq!(jobs.recv().await.unwrap().id(), Some("after"));
}

#[tokio::test]
async fn f2_a_locked_primary_is_no_503_for_github() {
    let files = Files::new();
    let spill = files.open().await;
    let blocker = lock(&files.primary_path());
    for id in ["1", "2", "1"] {
        assert_eq!(post(&spill, id).await.0, StatusCode::OK);
    }
    assert_eq!(waiting(&spill).await, 2);
    drop(blocker);
    drained(&spill).await;
    let mut ids = jobs(&*spill).await;
    ids.sort();
    assert_eq!(ids, ["1", "2"]);
}

#[tokio::test]
async fn f2_a_partner_that_retries_gets_the_503() {
    let files = Files::new();
    let primary = Arc::new(Failing::new(MemoryInbox::new()));
    primary.set(Mode::Fails);
    let spill = Arc::new(Spill::open(primary.clone(), files.spill_path()).await.unwrap());
    let retrying = [
        presets::SHOPIFY,
        presets::SLACK,
        presets::STANDARD_WEBHOOKS,
        presets::STRIPE,
        presets::SVIX,
    ];
    for scheme in retrying.clone() {
        let (status, _) = timed(&spill, scheme.clone(), "1").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{}", scheme.name);
    }
    assert_eq!(waiting(&spill).await, 0);
    assert_eq!(timed(&spill, presets::GITHUB, "1").await.0, StatusCode::OK);
    assert_eq!(waiting(&spill).await, 1);
    drop(spill);

    let spill = Spill::options(primary.clone()).all_sources().open(files.spill_path());
    let spill = Arc::new(spill.await.unwrap());
    for scheme in retrying {
        assert_eq!(timed(&spill, scheme.clone(), "2").await.0, StatusCode::OK, "{}", scheme.name);
    }
}

#[tokio::test]
async fn f2_when_both_are_broken_the_answer_is_the_primarys_503() {
    let files = Files::new();
    let spill = files.breakable().await;
    spill.primary().set(Mode::Fails);
    let blocker = lock(&files.spill_path());
    assert_refused(post(&spill, "1").await);
    let error = spill.put(delivery("1")).await.unwrap_err().to_string();
    assert!(error.contains("the test broke it"), "{error}");
    drop(blocker);
    spill.primary().set(Mode::Works);
    assert_eq!(waiting(&spill).await, 0);
    assert_eq!(jobs(&*spill).await, [""; 0]);
    assert_eq!(post(&spill, "1").await.0, StatusCode::OK);
}

#[tokio::test]
async fn f4_a_primary_that_hangs_holds_up_neither_the_answer_nor_the_drain() {
    let files = Files::new();
    let spill = files.breakable().await;
    spill.primary().set(Mode::Hangs);
    let hasty = Scheme { deadline: Duration::from_millis(1_500), ..presets::GITHUB };
    for (scheme, limit) in [(presets::GITHUB, 2_000), (hasty, 1_500)] {
        let (status, time) = timed(&spill, scheme.clone(), &limit.to_string()).await;
        assert_eq!(status, StatusCode::OK);
        assert!(time < Duration::from_millis(limit), "{time:?}");
    }
    let patient = Scheme { retry_horizon: Duration::from_secs(1), ..presets::GITHUB };
    let (status, time) = timed(&spill, patient, "3").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{time:?}");
    assert_eq!(waiting(&spill).await, 2);
    spill.primary().set(Mode::Works);
    drained(&spill).await;
    assert_eq!(jobs(&*spill).await.len(), 2);
}

/// A primary that takes nothing, and counts what it is asked to take over.
struct Refusing(MemoryInbox, watch::Sender<u32>);

#[async_trait]
impl Inbox for Refusing {
    async fn put(&self, _: Delivery) -> Result<Put, InboxError> {
        Err(InboxError::unavailable("it takes nothing"))
    }

    async fn put_record(&self, _: Record) -> Result<Put, InboxError> {
        self.1.send_modify(|asked| *asked += 1);
        Err(InboxError::unavailable("it takes nothing"))
    }

    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError> {
        self.0.lease(options).await
    }

    async fn extend(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>, InboxError> {
        self.0.extend(leases, lease).await
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<Settled, InboxError> {
        self.0.settle(lease, outcome).await
    }

    async fn ready(&self) {
        self.0.ready().await;
    }

    async fn health(&self) -> Result<(), InboxError> {
        self.0.health().await
    }
}

#[tokio::test]
async fn a_primary_that_fails_is_left_alone_for_a_while() {
    let files = Files::new();
    let (asks, mut asked) = watch::channel(0);
    let primary = Arc::new(Refusing(MemoryInbox::new(), asks));
    let spill = Spill::open(primary, files.spill_path()).await.unwrap();
    assert_eq!(spill.put(delivery("1")).await.unwrap(), Put::New);
    asked.wait_for(|asked| *asked >= 1).await.unwrap();
    let start = Instant::now();
    asked.wait_for(|asked| *asked >= 4).await.unwrap();
    // For a tenth of a second, for two and for four.
    assert!(start.elapsed() >= Duration::from_millis(650), "{:?}", start.elapsed());
    assert_eq!(waiting(&spill).await, 1);
}

#[tokio::test]
async fn f6_a_primary_that_is_full_for_a_while_gets_all_of_it_in_the_end() {
    let files = Files::new();
    let primary = Arc::new(MemoryInbox::new().max_deliveries(3));
    let spill = Arc::new(Spill::open(primary, files.spill_path()).await.unwrap());
    for n in 0..40 {
        assert_eq!(post(&spill, &n.to_string()).await.0, StatusCode::OK);
    }
    // It is refused again and again meanwhile, and that is no reason to give up. Each lease raises a
    // fence, which began with three zeros.
    let connection = Connection::open(files.spill_path()).unwrap();
    let leases = || -> u32 {
        let sum = "SELECT sum(fence % 1000) FROM delivery";
        connection.query_row(sum, [], |row| row.get(0)).unwrap()
    };
    let before = leases();
    while leases() < before + 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stats = spill.store().stats().await.unwrap();
    assert_eq!((stats.pending + stats.leased, stats.dead), (37, 0));
    let mut handled = Vec::new();
    while handled.len() < 40 {
        let batch = spill.lease(LeaseOptions::new(100, LEASE, 5)).await.unwrap();
        for job in batch.jobs {
            let _ = spill.settle(job.lease(), Outcome::Done).await.unwrap();
            handled.push(job.id().unwrap().parse::<u32>().unwrap());
        }
        let ready = tokio::time::timeout(Duration::from_secs(5), spill.ready());
        assert!(handled.len() == 40 || ready.await.is_ok(), "{handled:?}");
    }
    handled.sort();
    assert_eq!(handled, (0..40).collect::<Vec<_>>());
    drained(&spill).await;
}

#[tokio::test]
async fn d12_copies_in_both_stores_are_one_delivery_whichever_came_first() {
    let files = Files::new();
    let spill = files.breakable().await;
    let (primary, put) = (spill.primary(), async |id| spill.put(delivery(id)).await.unwrap());

    // Both in the spill.
    primary.set(Mode::Fails);
    assert_eq!([put("a").await, put("a").await], [Put::New, Put::Duplicate]);
    primary.set(Mode::Works);
    drained(&spill).await;
    assert_eq!(put("a").await, Put::Duplicate, "it was handed over");
    assert_eq!(handle(&*spill).await.id(), Some("a"));

    // In the primary, handled, and then in the spill.
    for id in ["a", "b"] {
        put(id).await;
    }
    assert_eq!(handle(&*spill).await.id(), Some("b"));
    primary.set(Mode::Fails);
    for id in ["a", "b"] {
        put(id).await;
    }
    assert_eq!(waiting(&spill).await, 2);
    primary.set(Mode::Works);
    drained(&spill).await;
    assert_eq!(jobs(&*spill).await, [""; 0]);

    // In the spill, and then in the primary, which handles it before it is handed over.
    primary.set(Mode::Fails);
    put("c").await;
    let blocker = lock(&files.spill_path());
    primary.set(Mode::Works);
    assert_eq!(put("c").await, Put::New);
    assert_eq!(handle(&*spill).await.id(), Some("c"));
    drop(blocker);
    // What the drain had leased when the spill was locked is due when that lease ends.
    drained_to(&spill, 0, Duration::from_secs(15)).await;
    assert_eq!(jobs(&*spill).await, [""; 0]);

    // In the primary without an answer, and therefore in the spill.
    primary.set(Mode::LosesAnswers);
    assert_eq!(put("d").await, Put::New);
    assert_eq!(waiting(&spill).await, 1);
    assert_eq!(handle(primary.inner()).await.id(), Some("d"));
    primary.set(Mode::Works);
    drained(&spill).await;
    assert_eq!(jobs(&*spill).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_racing_copies_are_accepted_once_while_the_primary_fails_and_recovers() {
    const IDS: usize = 8;
    let files = Files::new();
    let spill = files.breakable().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 * IDS {
        let spill = spill.clone();
        tasks.spawn(async move {
            // Each copy meets the primary in another mood.
            let modes = [Mode::Works, Mode::Fails, Mode::LosesAnswers];
            spill.primary().set(modes[n % 3]);
            spill.put(delivery(&(n % IDS).to_string())).await.unwrap();
        });
    }
    tasks.join_all().await;
    spill.primary().set(Mode::Works);
    drained(&spill).await;
    let mut ids = jobs(&*spill).await;
    ids.sort();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[tokio::test]
async fn d13_the_window_begins_at_the_original_accept() {
    let (files, clock) = (Files::new(), Arc::new(FakeClock::new()));
    let spill = files.breakable_at(&clock).await;
    spill.primary().set(Mode::Fails);
    let spilled = delivery_at(&clock, "1");
    let (ttl, hour) = (spilled.ttl(true), Duration::from_secs(3_600));
    let put = async || spill.put(delivery_at(&clock, "1")).await.unwrap();
    spill.put(spilled.clone()).await.unwrap();
    clock.advance(hour);
    spill.primary().set(Mode::Works);
    drained(&spill).await;
    assert_eq!(handle(&spill).await.received_at(), spilled.received_at());

    clock.advance(ttl - hour - Duration::from_secs(1));
    assert_eq!(put().await, Put::Duplicate);
    // A copy that is spilled in the window's last second is one, though it is handed over later.
    spill.primary().set(Mode::Fails);
    put().await;
    clock.advance(hour);
    spill.primary().set(Mode::Works);
    drained(&spill).await;
    assert_eq!(jobs(&spill).await, [""; 0]);
    assert_eq!(put().await, Put::New, "the window has ended");
}

#[tokio::test]
async fn d13_what_waits_longer_than_its_window_is_handed_over_all_the_same() {
    let (files, clock) = (Files::new(), Arc::new(FakeClock::new()));
    let spill = files.breakable_at(&clock).await;
    spill.primary().set(Mode::Fails);
    let delivery = delivery_at(&clock, "1");
    spill.put(delivery.clone()).await.unwrap();
    clock.advance(delivery.ttl(true) * 2);
    assert_eq!(spill.put(delivery.clone()).await.unwrap(), Put::Duplicate);
    spill.primary().set(Mode::Works);
    drained(&spill).await;
    assert_eq!(handle(&spill).await.received_at(), delivery.received_at());
}

#[tokio::test]
async fn d10_a_spilled_resend_revives_a_dead_letter_and_an_older_copy_does_not() {
    let (files, clock) = (Files::new(), Arc::new(FakeClock::new()));
    let spill = files.breakable_at(&clock).await;
    let primary = spill.primary();
    let minute = Duration::from_secs(60);
    // The answer is lost, so there is a copy in the spill, which waits until the first one is dead.
    primary.set(Mode::LosesAnswers);
    spill.put(delivery_at(&clock, "1")).await.unwrap();
    let batch = primary.inner().lease(LeaseOptions::new(1, LEASE, 5)).await.unwrap();
    let dead = Outcome::Dead { error: "it is broken".into() };
    let _ = primary.inner().settle(batch.jobs[0].lease(), dead).await.unwrap();
    clock.advance(minute);
    primary.set(Mode::Works);
    drained(&spill).await;
    let key = delivery_at(&clock, "1").key();
    let state = async || primary.inner().get(key).await.unwrap().entry.state;
    assert_eq!(state().await, State::Dead);

    primary.set(Mode::Fails);
    assert_eq!(spill.put(delivery_at(&clock, "1")).await.unwrap(), Put::New);
    primary.set(Mode::Works);
    drained(&spill).await;
    assert_eq!(state().await, State::Pending, "somebody has sent it again");
}

#[tokio::test]
async fn f3_what_is_spilled_survives_a_restart_and_so_does_what_was_being_handed_over() {
    let files = Files::new();
    let spill = files.breakable().await;
    spill.primary().set(Mode::Hangs);
    for id in ["1", "2", "3"] {
        spill.put(delivery(id)).await.unwrap();
    }
    let leased = async || spill.store().stats().await.unwrap().leased;
    while leased().await == 0 {
        tokio::task::yield_now().await;
    }
    drop(spill);

    let spill = files.open().await;
    // A lease of the first life has to end.
    drained_to(&spill, 0, Duration::from_secs(15)).await;
    let mut ids = jobs(&*spill).await;
    ids.sort();
    assert_eq!(ids, ["1", "2", "3"]);
}

#[tokio::test]
async fn f3_a_row_that_cannot_be_read_holds_up_no_other_and_is_shown() {
    let files = Files::new();
    let spill = files.breakable().await;
    spill.primary().set(Mode::Fails);
    for id in ["1", "2", "3"] {
        spill.put(delivery(id)).await.unwrap();
    }
    let connection = Connection::open(files.spill_path()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    // Not while it is being tried, with its bytes in memory.
    let damage = "UPDATE delivery SET headers = x'ff' WHERE id = '2' AND state = 0";
    while connection.execute(damage, []).unwrap() == 0 {}
    spill.primary().set(Mode::Works);
    drained_to(&spill, 1, Duration::from_secs(15)).await;
    let mut ids = jobs(&*spill).await;
    ids.sort();
    assert_eq!(ids, ["1", "3"]);
    let detail = spill.store().get(delivery("2").key()).await;
    assert!(detail.is_err(), "its bytes can't be read: {detail:?}");
    assert_eq!(spill.store().stats().await.unwrap().dead, 1);
    // Sent again, it is new to the primary.
    assert_eq!(spill.put(delivery("2")).await.unwrap(), Put::New);
}

#[tokio::test]
async fn a_delivery_without_an_identity_is_one_though_it_is_in_both() {
    let files = Files::new();
    let spill = files.breakable().await;
    let scheme = Scheme { identity: inhook::scheme::Identity::None, ..presets::GITHUB };
    let verifier = Verifier::new("acme", scheme, SECRET).unwrap();
    let delivery: Delivery = verifier.verify(request("1", "{}")).unwrap();
    spill.primary().set(Mode::LosesAnswers);
    spill.put(delivery).await.unwrap();
    spill.primary().set(Mode::Works);
    drained(&spill).await;
    assert_eq!(jobs(&*spill).await, ["1"]);
}

#[tokio::test]
async fn f5_a_put_that_is_dropped_at_any_point_is_accepted_once_or_not_at_all() {
    let files = Files::new();
    let spill = files.breakable().await;
    for (n, mode) in [Mode::Works, Mode::Fails, Mode::LosesAnswers, Mode::Hangs].iter().enumerate()
    {
        for wait in [0, 1, 5, 20] {
            spill.primary().set(*mode);
            let id = format!("{n}-{wait}");
            let put = spill.put(delivery(&id));
            let _ = tokio::time::timeout(Duration::from_millis(wait), put).await;
            spill.primary().set(Mode::Works);
            let again: Result<Put, InboxError> = spill.put(delivery(&id)).await;
            assert!(matches!(again, Ok(Put::New | Put::Duplicate)), "{again:?}");
        }
    }
    drained_to(&spill, 0, Duration::from_secs(15)).await;
    let ids = jobs(&*spill).await;
    let once: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), once.len()), (16, 16));
}
