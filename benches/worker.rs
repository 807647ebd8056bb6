//! What a worker costs that runs handlers which do nothing, beside a bare loop of the same statements,
//! in one run: `cargo bench --bench worker`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use inhook::events::Handled;
use inhook::inbox::{Inbox, Job};
use inhook::sign::{Message, Signer};
use inhook::{Delivery, Failure, SqliteInbox, Verifier, Worker, presets};
use rusqlite::{Connection, Row, params};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const JOBS: usize = 128 * 160;
const CONCURRENCY: usize = 128;
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let (mut bare, mut worker, mut few) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let path = |name: &str| directory.path().join(format!("{name}-{round}.db"));
        fill(&path("bare")).await;
        bare.push(bare_loop(&path("bare")));
        worker.push(run(&path("worker"), CONCURRENCY).await);
        few.push(run(&path("few"), 16).await);
    }
    let (bare, worker, few) = (median(bare), median(worker), median(few));
    println!("{JOBS} jobs of 1 KB, median of {ROUNDS} rounds           target");
    println!("bare loop, 128 at a time        {bare:>8.0} jobs/s");
    println!("Worker, concurrency {CONCURRENCY}         {worker:>8.0} jobs/s");
    println!("ratio                           {:>8.2}        >= 0.40", worker / bare);
    println!("Worker, concurrency 16          {few:>8.0} jobs/s");
}

fn deliveries() -> Vec<Delivery> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let body = format!(r#"{{"type":"user.created","data":"{}"}}"#, "x".repeat(990));
    let deliver = |n| {
        let message = Message::new(body.clone()).id(format!("msg_{n}"));
        verifier.verify(signer.request(&message).unwrap()).unwrap()
    };
    (0..JOBS).map(deliver).collect()
}

async fn fill(path: &Path) -> Arc<SqliteInbox> {
    let inbox = Arc::new(SqliteInbox::open(path).await.unwrap());
    let mut puts = JoinSet::new();
    for share in deliveries().chunks(JOBS / 64) {
        let (inbox, share) = (inbox.clone(), share.to_vec());
        puts.spawn(async move {
            for delivery in share {
                inbox.put(delivery).await.unwrap();
            }
        });
    }
    puts.join_all().await;
    inbox
}

/// Jobs per second of a worker.
async fn run(path: &Path, concurrency: usize) -> f64 {
    let inbox = fill(path).await;
    let (handled, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, end) = (handled.clone(), all.clone());
    let handler = tower::service_fn(move |_: Job| {
        if count.fetch_add(1, Ordering::Relaxed) + 1 == JOBS {
            end.notify_one();
        }
        async { Ok::<_, Failure>(Handled::Done) }
    });
    let start = Instant::now();
    // It is over when the last one is settled.
    Worker::new(inbox, handler).concurrency(concurrency).run(all.notified()).await.unwrap();
    JOBS as f64 / start.elapsed().as_secs_f64()
}

/// Jobs per second of a loop that leases 128, reads them, and settles them.
fn bare_loop(path: &Path) -> f64 {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -8192").unwrap();
    let columns =
        "key, source, id, event, secret, signed_at, received_at, ttl, freshness, headers, body";
    let grant = format!(
        "UPDATE delivery SET due_at = ?2, fence = fence + 1, attempts = attempts + 1,
            total_attempts = total_attempts + 1, state = 1
         WHERE position = ?1 RETURNING {columns}, fence"
    );
    let settle = "UPDATE delivery SET state = 2, due_at = NULL, expires_at = started_at + ttl,
            sweep_at = ?3 WHERE key = ?1 AND fence = ?2 AND state = 1";
    let due = "SELECT position FROM delivery WHERE state = 0 AND lane = 0 ORDER BY due_at, position
        LIMIT 128";
    let now = 1_768_469_400_000_i64;
    let start = Instant::now();
    let mut jobs = 0;
    loop {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut due = db.prepare_cached(due).unwrap();
        let due: Vec<i64> =
            due.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let mut grant = db.prepare_cached(&grant).unwrap();
        let leased: Vec<(Vec<u8>, i64)> = due
            .iter()
            .map(|position| grant.query_row(params![position, now], read).unwrap())
            .collect();
        db.execute_batch("COMMIT").unwrap();
        if leased.is_empty() {
            return jobs as f64 / start.elapsed().as_secs_f64();
        }
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut settle = db.prepare_cached(settle).unwrap();
        for (key, fence) in &leased {
            jobs += settle.execute(params![key, fence, now]).unwrap();
        }
        db.execute_batch("COMMIT").unwrap();
    }
}

/// All that a handler gets.
fn read(row: &Row<'_>) -> rusqlite::Result<(Vec<u8>, i64)> {
    let texts: [Option<String>; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
    let blobs: [Vec<u8>; 2] = [row.get(9)?, row.get(10)?];
    std::hint::black_box((texts, blobs));
    Ok((row.get(0)?, row.get(11)?))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
