//! What a window full of ids costs an accept, beside an empty file, in one run:
//! `cargo bench --bench tombstones [-- MILLIONS]`, 10 million unless it says otherwise. It takes 250 bytes
//! of disk for each.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use inhook::inbox::{Inbox, InboxError};
use inhook::sign::{Message, Signer};
use inhook::{Delivery, SqliteInbox, Verifier, presets};
use rusqlite::{Connection, params};
use tokio::task::JoinSet;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const CALLERS: usize = 256;
const ROWS: usize = CALLERS * 128;
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let millions = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(10);
    let directory = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let full = directory.path().join("full.db");
    let start = Instant::now();
    drop(SqliteInbox::open(&full).await.unwrap());
    fill(&full, millions * 1_000_000);
    let bytes = std::fs::metadata(&full).unwrap().len();
    let megabytes = bytes >> 20;
    println!("{millions} million tombstones: {megabytes} MiB, written in {:.0?}", start.elapsed());
    let (mut on_empty, mut on_full) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let empty = directory.path().join(format!("empty-{round}.db"));
        on_empty.push(accepts(&empty, &format!("empty-{round}")).await);
        on_full.push(accepts(&full, &format!("full-{round}")).await);
    }
    let (empty, full) = (median(on_empty), median(on_full));
    println!(
        "bytes for each                  {:>8.0}",
        bytes as f64 / (millions * 1_000_000) as f64
    );
    println!("empty file                      {empty:>8.0} accepts/s");
    println!("with the tombstones             {full:>8.0} accepts/s");
    println!("ratio                           {:>8.2}                  >= 0.50", full / empty);
}

/// Writes handled deliveries whose bytes are gone, in the order of their keys: anything else takes hours.
fn fill(path: &Path, rows: usize) {
    let mut keys: Vec<[u8; 32]> = Vec::with_capacity(rows);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..rows {
        let mut key = [0; 32];
        for chunk in key.chunks_mut(8) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            chunk.copy_from_slice(&random.to_be_bytes());
        }
        keys.push(key);
    }
    keys.sort_unstable();
    let mut db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144").unwrap();
    let now: i64 = 1_768_469_400_000;
    for (chunk, keys) in keys.chunks(100_000).enumerate() {
        let transaction = db.transaction().unwrap();
        let mut insert = transaction
            .prepare_cached(
                "INSERT INTO delivery (key, state, fence, started_at, expires_at, sweep_at, ttl,
                    freshness, source, id, event, secret, received_at)
                 VALUES (?1, 2, 1, ?2, ?3, ?3, 0, 0, 'acme', ?4, 'user.created', '0', ?2)",
            )
            .unwrap();
        for (n, key) in keys.iter().enumerate() {
            let expires = now + 400 * 24 * 60 * 60 * 1_000 + n as i64;
            insert.execute(params![key, now, expires, format!("msg_{chunk:05}_{n:07}")]).unwrap();
        }
        drop(insert);
        transaction
            .execute(
                "UPDATE count SET deliveries = deliveries + ? WHERE state = 2",
                [keys.len() as i64],
            )
            .unwrap();
        transaction.commit().unwrap();
    }
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

/// Accepts per second of callers who wait for each answer.
async fn accepts(path: &Path, prefix: &str) -> f64 {
    let inbox = Arc::new(SqliteInbox::open(path).await.unwrap());
    let mut tasks = JoinSet::new();
    let deliveries = deliveries(prefix);
    let start = Instant::now();
    for share in deliveries.chunks(ROWS / CALLERS) {
        let (inbox, share) = (inbox.clone(), share.to_vec());
        tasks.spawn(async move {
            for delivery in share {
                // Under overload it refuses, and the partner comes again.
                while let Err(error) = inbox.put(delivery.clone()).await {
                    assert!(matches!(error, InboxError::Busy(_)), "{error}");
                }
            }
        });
    }
    tasks.join_all().await;
    ROWS as f64 / start.elapsed().as_secs_f64()
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

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
