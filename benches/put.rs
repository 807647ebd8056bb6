//! What accepting into SQLite costs beside a bare loop that writes the same rows, in one run:
//! `cargo bench --bench put`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inhook::inbox::Inbox;
use inhook::sign::{Message, Signer};
use inhook::{Delivery, SqliteInbox, Verifier, presets};
use rusqlite::{Connection, params};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const CALLERS: usize = 256;
const ROWS: usize = CALLERS * 128;
const ROUNDS: usize = 7;

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let (mut bare, mut accepts, mut per_commit) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let deliveries = deliveries(&format!("{round}"));
        bare.push(bare_loop(&directory.path().join(format!("bare-{round}.db")), &deliveries).await);
        let path = directory.path().join(format!("inbox-{round}.db"));
        let (rate, commits) = callers(&path, deliveries).await;
        accepts.push(rate);
        per_commit.push(ROWS as f64 / commits as f64);
    }
    let (bare, accepts, per_commit) = (median(bare), median(accepts), median(per_commit));
    println!("{ROWS} rows of 1 KB, median of {ROUNDS} rounds                    target");
    println!("bare loop, transactions of 128      {bare:>8.0} rows/s");
    println!("SqliteInbox::put, {CALLERS} callers       {accepts:>8.0} accepts/s");
    println!("ratio                               {:>8.2}               >= 0.50", accepts / bare);
    println!("accepts per commit                  {per_commit:>8.0}               >= 32");

    let inbox = SqliteInbox::open(directory.path().join("lone.db")).await.unwrap();
    let lone = deliveries("lone").into_iter().take(500);
    let start = Instant::now();
    for delivery in lone {
        inbox.put(delivery.clone()).await.unwrap();
    }
    let each = start.elapsed() / 500;
    println!("one caller: {} commits for 500 puts, {each:.0?} each", inbox.commits());
}

fn deliveries(prefix: &str) -> Vec<Delivery> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let body = format!(r#"{{"type":"user.created","data":"{}"}}"#, "x".repeat(990));
    let deliver = |n| {
        let message = Message::new(body.clone()).id(format!("msg_{prefix}_{n}"));
        let delivery = verifier.verify(signer.request(&message).unwrap()).unwrap();
        // Key and event type are computed at their first use, which is not what is measured.
        let _ = (delivery.key(), delivery.event());
        delivery
    };
    (0..ROWS).map(deliver).collect()
}

/// Rows per second of a loop that does nothing else.
async fn bare_loop(path: &Path, deliveries: &[Delivery]) -> f64 {
    // The same table with the same indexes.
    drop(SqliteInbox::open(path).await.unwrap());
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
            insert
                .execute(params![
                    delivery.key().as_bytes(),
                    now,
                    delivery.id(),
                    headers,
                    &delivery.body()[..]
                ])
                .unwrap();
        }
        drop(insert);
        db.execute_batch("COMMIT").unwrap();
    }
    rate(start.elapsed())
}

/// Accepts per second of callers who wait for each answer, and how many commits they took.
async fn callers(path: &Path, deliveries: Vec<Delivery>) -> (f64, u64) {
    let inbox = Arc::new(SqliteInbox::open(path).await.unwrap());
    let mut shares: Vec<Vec<Delivery>> = (0..CALLERS).map(|_| Vec::new()).collect();
    for (n, delivery) in deliveries.into_iter().enumerate() {
        shares[n % CALLERS].push(delivery);
    }
    let mut tasks = tokio::task::JoinSet::new();
    let start = Instant::now();
    for share in shares {
        let inbox = inbox.clone();
        tasks.spawn(async move {
            for delivery in share {
                inbox.put(delivery.clone()).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    (rate(start.elapsed()), inbox.commits())
}

fn rate(time: Duration) -> f64 {
    ROWS as f64 / time.as_secs_f64()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
