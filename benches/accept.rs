//! What accepting into SQLite costs beside a bare loop that writes the same rows, and beside the disk,
//! in one run: `cargo bench --bench accept`.
//!
//! The second half does not only put: a worker handles what is accepted, expired deliveries are
//! dropped, and the log is checkpointed meanwhile.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use inhook::events::Handled;
use inhook::inbox::{Inbox, Job, LeaseOptions, Ledger, Outcome};
use inhook::sign::{Message, Signer};
use inhook::testing::FakeClock;
use inhook::{Delivery, Failure, SqliteInbox, Verifier, Worker, presets};
use rusqlite::{Connection, params};
use tokio::task::JoinSet;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const CALLERS: usize = 256;
const ROWS: usize = CALLERS * 512;
const ROUNDS: usize = 3;
/// Deliveries that have expired before the second half begins.
const EXPIRED: usize = 60_000;

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let path = |name: &str, round| directory.path().join(format!("{name}-{round}.db"));
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let deliveries = deliveries(&format!("{round}"), ROWS);
        let probe = Probe::start(&path("bare-disk", round));
        let bare = bare_loop(&path("bare", round), &deliveries);
        drop(probe.end());
        let inbox = Arc::new(SqliteInbox::open(path("put", round)).await.unwrap());
        let probe = Probe::start(&path("put-disk", round));
        let (puts, _) = callers(&inbox, deliveries).await;
        drop(probe.end());
        let per_commit = ROWS as f64 / inbox.commits() as f64;
        let busy = busy(&path("busy", round), round).await;
        rounds.push(Round { bare, puts, per_commit, busy });
    }
    let figure = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of).collect());
    println!("{ROWS} rows of 1 KB, {CALLERS} callers, median of {ROUNDS} rounds");
    println!("                                                               target");
    println!("bare loop, transactions of 128   {:>8.0} rows/s", figure(&|r| r.bare));
    println!("SqliteInbox::put                 {:>8.0} accepts/s", figure(&|r| r.puts));
    println!(
        "ratio                            {:>8.2}                      >= 0.60",
        figure(&|r| r.puts / r.bare)
    );
    println!(
        "accepts per commit               {:>8.0}                      >= 32",
        figure(&|r| r.per_commit)
    );
    println!("with a worker and retention      {:>8.0} accepts/s", figure(&|r| r.busy.accepts));
    println!(
        "ratio                            {:>8.2}                      >= 0.60",
        figure(&|r| r.busy.accepts / r.bare)
    );
    println!("handled meanwhile                {:>8.0} jobs/s", figure(&|r| r.busy.handled));
    println!("dropped meanwhile                {:>8.0} a second", figure(&|r| r.busy.dropped));
    println!("the log's longest                {:>8.0} MiB", figure(&|r| r.busy.log));
    println!("p99 of an accept                 {:>8.1} ms", figure(&|r| r.busy.p99));
    println!("p99 of fdatasync under this load {:>8.1} ms", figure(&|r| r.busy.sync_p99));
    println!(
        "ratio                            {:>8.2}                      <= 3",
        figure(&|r| r.busy.p99 / r.busy.sync_p99)
    );
    lone(directory.path()).await;
}

struct Round {
    bare: f64,
    puts: f64,
    per_commit: f64,
    busy: Busy,
}

/// While everything runs.
struct Busy {
    accepts: f64,
    handled: f64,
    dropped: f64,
    p99: f64,
    sync_p99: f64,
    log: f64,
}

/// One accept at a time on an idle receiver, beside one sync at a time.
async fn lone(directory: &Path) {
    const TIMES: usize = 300;
    let inbox = SqliteInbox::open(directory.join("lone.db")).await.unwrap();
    let mut disk = Disk::create(&directory.join("lone"), 4_096);
    let (mut accepts, mut syncs) = (Vec::new(), Vec::new());
    // The first accept comes after a checkpoint.
    for delivery in deliveries("lone", TIMES + 1) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        syncs.push(disk.sync());
        tokio::time::sleep(Duration::from_millis(5)).await;
        let start = Instant::now();
        inbox.put(delivery).await.unwrap();
        accepts.push(millis(start.elapsed()));
    }
    let (accept, sync) = (median(accepts.split_off(1)), median(syncs.split_off(1)));
    println!(
        "a lone accept                    {accept:>8.2} ms, and {} commits for {TIMES}",
        inbox.commits() - 1
    );
    println!("a lone fdatasync                 {sync:>8.2} ms");
    println!(
        "the accept beyond 1.3 syncs      {:>8.2} ms                   <= 1",
        accept - 1.3 * sync
    );
}

fn deliveries(prefix: &str, count: usize) -> Vec<Delivery> {
    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    signed(&verifier, prefix, count, None)
}

fn signed(
    verifier: &Verifier,
    prefix: &str,
    count: usize,
    at: Option<std::time::SystemTime>,
) -> Vec<Delivery> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let body = format!(r#"{{"type":"user.created","data":"{}"}}"#, "x".repeat(990));
    let deliver = |n| {
        let message = Message::new(body.clone()).id(format!("msg_{prefix}_{n}"));
        let message = match at {
            Some(at) => message.sent_at(at),
            None => message,
        };
        let delivery = verifier.verify(signer.request(&message).unwrap()).unwrap();
        // Key and event type are computed at their first use, which is not what is measured.
        let _ = (delivery.key(), delivery.event());
        delivery
    };
    (0..count).map(deliver).collect()
}

/// Rows per second of a loop that does nothing else.
fn bare_loop(path: &Path, deliveries: &[Delivery]) -> f64 {
    // The same table with the same indexes.
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| drop(runtime.block_on(SqliteInbox::open(path)).unwrap()));
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -8192").unwrap();
    let start = Instant::now();
    for batch in deliveries.chunks(128) {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut insert = db
            .prepare_cached(
                "INSERT INTO delivery (key, state, fence, due_at, started_at, ttl, freshness, source,
                    id, event, secret, received_at, headers, body)
                 VALUES (?1, 0, 1, ?2, ?2, 0, 0, 'acme', ?3, 'user.created', '0', ?2, ?4, ?5)",
            )
            .unwrap();
        for delivery in batch {
            let headers: Vec<u8> = delivery
                .headers()
                .iter()
                .flat_map(|(name, value)| {
                    [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat()
                })
                .collect();
            let now = 1_768_469_400_000_i64;
            let (key, body) = (delivery.key(), delivery.body());
            insert
                .execute(params![key.as_bytes(), now, delivery.id(), headers, &body[..]])
                .unwrap();
        }
        drop(insert);
        db.execute_batch("COMMIT").unwrap();
    }
    deliveries.len() as f64 / start.elapsed().as_secs_f64()
}

/// Accepts per second of callers who wait for each answer, and how long each waited.
async fn callers(inbox: &Arc<SqliteInbox>, deliveries: Vec<Delivery>) -> (f64, Vec<f64>) {
    let mut shares: Vec<Vec<Delivery>> = (0..CALLERS).map(|_| Vec::new()).collect();
    let rows = deliveries.len() as f64;
    for (n, delivery) in deliveries.into_iter().enumerate() {
        shares[n % CALLERS].push(delivery);
    }
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for share in shares {
        let inbox = inbox.clone();
        tasks.spawn(async move {
            let mut waits = Vec::with_capacity(share.len());
            for delivery in share {
                let start = Instant::now();
                inbox.put(delivery).await.unwrap();
                waits.push(millis(start.elapsed()));
            }
            waits
        });
    }
    let waits = tasks.join_all().await.concat();
    (rows / start.elapsed().as_secs_f64(), waits)
}

/// The same with a worker, with deliveries to drop, and with a look at the disk.
async fn busy(path: &Path, round: usize) -> Busy {
    expired(path, round).await;
    let inbox =
        Arc::new(SqliteInbox::options().retain_done(Duration::ZERO).open(path).await.unwrap());
    let probe = Probe::start(&path.with_extension("disk"));
    let (stopped, wait) = tokio::sync::oneshot::channel::<()>();
    let handler = tower::service_fn(async |_: Job| Ok::<_, Failure>(Handled::Done));
    let worker = Worker::new(inbox.clone(), handler).run(async { drop(wait.await) });
    let worker = tokio::spawn(worker);
    // The first accept comes after a checkpoint.
    callers(&inbox, deliveries(&format!("first-{round}"), 1)).await;
    let before = inbox.stats().await.unwrap();
    let start = Instant::now();
    let (accepts, waits) = callers(&inbox, deliveries(&format!("busy-{round}"), ROWS)).await;
    let (time, after) = (start.elapsed().as_secs_f64(), inbox.stats().await.unwrap());
    let sync_p99 = percentile(probe.end(), 0.99);
    // It is written anew from its start, and keeps its length.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = std::fs::metadata(log).unwrap().len() as f64 / f64::from(1 << 20);
    drop(stopped);
    worker.await.unwrap().unwrap();
    let pending = (after.pending + after.leased) as f64;
    let handled = ROWS as f64 - pending;
    let dropped = before.done as f64 + handled - after.done as f64;
    Busy {
        accepts,
        handled: handled / time,
        dropped: dropped / time,
        p99: percentile(waits, 0.99),
        sync_p99,
        log,
    }
}

/// Handles deliveries of long ago.
async fn expired(path: &Path, round: usize) {
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(90 * 24 * 60 * 60);
    let clock = Arc::new(FakeClock::at(long_ago));
    let options = SqliteInbox::options().retain_done(Duration::ZERO).clock(clock.clone());
    let inbox = Arc::new(options.open(path).await.unwrap());
    let verifier = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, SECRET).clock(clock);
    let old = signed(&verifier.build().unwrap(), &format!("old-{round}"), EXPIRED, Some(long_ago));
    callers(&inbox, old).await;
    loop {
        let options = LeaseOptions::new(256, Duration::from_secs(60), 5);
        let jobs = inbox.lease(options).await.unwrap().jobs;
        if jobs.is_empty() {
            return;
        }
        let mut settles = JoinSet::new();
        for job in jobs {
            let inbox = inbox.clone();
            settles.spawn(async move { inbox.settle(job.lease(), Outcome::Done).await.unwrap() });
        }
        settles.join_all().await;
    }
}

/// Syncs a file all the time, to see what that takes under a load.
struct Probe {
    stop: Arc<AtomicBool>,
    syncs: std::thread::JoinHandle<Vec<f64>>,
}

impl Probe {
    fn start(path: &Path) -> Self {
        let (stop, mut disk) = (Arc::new(AtomicBool::new(false)), Disk::create(path, 128 << 10));
        let stopped = stop.clone();
        let syncs = std::thread::spawn(move || {
            let mut syncs = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                syncs.push(disk.sync());
                std::thread::sleep(Duration::from_millis(5));
            }
            syncs
        });
        Self { stop, syncs }
    }

    /// How long each took, in ms.
    fn end(self) -> Vec<f64> {
        self.stop.store(true, Ordering::Relaxed);
        self.syncs.join().unwrap()
    }
}

/// A file beside the inbox, to see what the disk is worth at the moment.
struct Disk {
    file: std::fs::File,
    bytes: Vec<u8>,
}

impl Disk {
    fn create(path: &Path, bytes: usize) -> Self {
        Self { file: std::fs::File::create(path).unwrap(), bytes: vec![7; bytes] }
    }

    /// Writes, and returns how long the sync took in ms.
    fn sync(&mut self) -> f64 {
        self.file.write_all(&self.bytes).unwrap();
        let start = Instant::now();
        self.file.sync_data().unwrap();
        millis(start.elapsed())
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn median(figures: Vec<f64>) -> f64 {
    percentile(figures, 0.5)
}

fn percentile(mut figures: Vec<f64>, part: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[((figures.len() - 1) as f64 * part) as usize]
}
