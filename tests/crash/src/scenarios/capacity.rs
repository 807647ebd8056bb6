//! S13: ten times as many ids as fit are offered, and then all of them once more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inhook::inbox::{Inbox, InboxError, LeaseOptions, Ledger, Outcome, Put};
use inhook::{BoxError, MemoryInbox, SqliteInbox, Verifier, presets};
use tokio::task::JoinSet;

use super::Run;
use crate::client::{delivery, id};
use crate::receiver::SECRET;
use crate::table::Figure;

/// How many times what fits is offered.
const TIMES: usize = 10;
/// How many are offered at once.
const AT_ONCE: usize = 256;
/// How large the stores are: the file, and the keys in memory at 48 bytes each.
const FILE: u64 = 1 << 20;
const KEYS: usize = 48 * 2_000;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let file = SqliteInbox::options().retain_done(Duration::ZERO).max_bytes(FILE);
    let file = fill(Arc::new(file.open(run.directory.join("inbox.db")).await?)).await?;
    let memory = fill(Arc::new(MemoryInbox::new().max_key_bytes(KEYS))).await?;
    let forgotten = tiny_lfu(file.fit);
    let figure = |what: &str, filled: &Filled| {
        let Filled { fit, offered, odd, replayed } = filled;
        Figure {
            case: "S13",
            what: format!("{what}: {offered} ids offered and handled, {fit} fit, all replayed"),
            target: "0 replays accepted, what does not fit is refused as full".into(),
            measured: format!("{replayed} replays accepted, {odd} other answers"),
            control: format!("a TinyLFU cache accepts {forgotten} of {} again", file.fit),
            met: (*replayed, *odd) == (0, 0)
                && *fit > 0
                && *offered >= TIMES * fit
                && forgotten > 0,
        }
    };
    Ok(vec![
        figure(&format!("a file of {} MiB", FILE >> 20), &file),
        figure(&format!("{} KB of keys in memory", KEYS / 1_000), &memory),
    ])
}

struct Filled {
    /// How many were accepted.
    fit: usize,
    offered: usize,
    /// Answers that are neither an accept nor "full".
    odd: usize,
    /// How many were accepted a second time.
    replayed: usize,
}

async fn fill<I: Inbox + Ledger>(inbox: Arc<I>) -> Result<Filled, BoxError> {
    let verifier = Verifier::new("capacity", presets::STANDARD_WEBHOOKS, SECRET)?;
    let (mut accepted, mut odd, mut all) = (HashSet::new(), 0, Vec::new());
    while all.len() < TIMES * accepted.len().max(AT_ONCE) {
        let ids: Vec<String> = (0..AT_ONCE).map(|_| id()).collect();
        for (id, put) in offer(&inbox, &verifier, &ids).await? {
            match put {
                Ok(Put::New) => drop(accepted.insert(id)),
                Err(InboxError::Full(_)) => {}
                _ => odd += 1,
            }
        }
        all.extend(ids);
        handle(&inbox).await?;
    }
    let mut replayed = 0;
    for ids in all.chunks(AT_ONCE) {
        for (id, put) in offer(&inbox, &verifier, ids).await? {
            match (put, accepted.contains(&id)) {
                (Ok(Put::New), true) => replayed += 1,
                (Ok(Put::Duplicate), true) | (Err(InboxError::Full(_)), false) => {}
                // There may be room again, for what never had any.
                (Ok(Put::New), false) => {}
                _ => odd += 1,
            }
        }
    }
    Ok(Filled { fit: accepted.len(), offered: all.len(), odd, replayed })
}

/// Puts all of these at once.
async fn offer<I: Inbox>(
    inbox: &Arc<I>,
    verifier: &Verifier,
    ids: &[String],
) -> Result<Vec<(String, Result<Put, InboxError>)>, BoxError> {
    let mut puts = JoinSet::new();
    for id in ids {
        let (inbox, id) = (inbox.clone(), id.clone());
        let delivery = delivery(verifier, &id, SystemTime::now())?;
        puts.spawn(async move { (id, inbox.put(delivery).await) });
    }
    Ok(puts.join_all().await)
}

/// Handles all that is pending.
async fn handle<I: Inbox>(inbox: &Arc<I>) -> Result<(), BoxError> {
    loop {
        let options = LeaseOptions::new(AT_ONCE, Duration::from_secs(60), 5);
        let jobs = inbox.lease(options).await?.jobs;
        if jobs.is_empty() {
            return Ok(());
        }
        let mut settles = JoinSet::new();
        for job in jobs {
            let inbox = inbox.clone();
            settles.spawn(async move { inbox.settle(job.lease(), Outcome::Done).await.map(drop) });
        }
        settles.join_all().await.into_iter().collect::<Result<(), _>>()?;
    }
}

/// The control: how many of the ids that it was given last a cache with the usual policy forgets at once,
/// while the first ones come again and again.
fn tiny_lfu(fits: usize) -> usize {
    let cache = moka::sync::Cache::<usize, ()>::new(fits as u64);
    let offered = 0..TIMES * fits;
    for id in offered.clone() {
        cache.insert(id, ());
        cache.get(&(id % fits));
    }
    cache.run_pending_tasks();
    offered.rev().take(fits).filter(|id| !cache.contains_key(id)).count()
}
