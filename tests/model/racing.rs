//! Many tasks at once on one file, as two processes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inhook::SqliteInbox;
use inhook::delivery::Key;
use inhook::inbox::{Filter, Inbox, LeaseOptions, Ledger, Outcome, Put, Settled};
use inhook::testing::FakeClock;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::op::{BODIES, IDS, MINUTE, Name, PROCESSES, SOURCES, millis};
use super::partner::Partners;
use super::rules::same;
use super::search::Search;
use super::world::{PATIENCE, inbox_error, patiently};

/// A put of one copy by one process.
type Copy = (usize, Name, usize);

fn copies() -> impl Strategy<Value = Vec<Copy>> {
    let name = (0..SOURCES, 0..IDS).prop_map(|(source, id)| Name(source, id));
    vec((0..PROCESSES, name, 0..BODIES), 1..100)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

async fn open(directory: &Path, clock: &Arc<FakeClock>) -> Vec<Arc<SqliteInbox>> {
    let mut inboxes = Vec::new();
    for _ in 0..PROCESSES {
        let options = SqliteInbox::options().clock(clock.clone());
        inboxes.push(Arc::new(options.open(directory.join("inbox.db")).await.unwrap()));
    }
    inboxes
}

/// All copies at once; how often each delivery was new.
async fn put(
    copies: &[Copy],
    inboxes: &[Arc<SqliteInbox>],
    partners: &Partners,
) -> BTreeMap<Name, usize> {
    let mut tasks = JoinSet::new();
    for (by, name, body) in copies.iter().copied() {
        let (inbox, delivery) = (inboxes[by].clone(), partners.deliver(name, body).unwrap());
        tasks
            .spawn(async move { (name, patiently(|| inbox.put(delivery.clone())).await.unwrap()) });
    }
    let mut new = BTreeMap::new();
    for (name, put) in tasks.join_all().await {
        *new.entry(name).or_default() += usize::from(put == Put::New);
    }
    new
}

#[test]
fn d12_racing_copies_are_accepted_once() {
    let runtime = runtime();
    Search::new(12).finds_none(copies(), |copies| {
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let clock = Arc::new(FakeClock::new());
            let inboxes = open(directory.path(), &clock).await;
            let new = put(copies, &inboxes, &Partners::new(&clock)).await;
            if let Some((name, times)) = new.iter().find(|(_, times)| **times != 1) {
                return Err(format!("{name:?} was new {times} times"));
            }
            let listed =
                patiently(|| async { inboxes[0].list(Filter::all()).await.map_err(inbox_error) });
            let listed = listed.await?;
            same("listed", new.len(), listed.len())
        })
    });
}

/// Who runs what at this moment, and how it went.
#[derive(Default)]
struct Log {
    runs: HashSet<Key>,
    fences: BTreeSet<(Key, u64)>,
    done: Vec<Key>,
    wrong: Option<String>,
}

/// Leases and settles until so many are handled, handling every `nth` job at once and trying the
/// others again.
async fn work(inbox: Arc<SqliteInbox>, log: Arc<Mutex<Log>>, max: usize, nth: usize, all: usize) {
    let options = LeaseOptions::new(max, millis(MINUTE), 1_000);
    for n in 0.. {
        let batch = patiently(|| inbox.lease(options.clone())).await.unwrap();
        if log.lock().unwrap().done.len() >= all {
            return;
        }
        if batch.jobs.is_empty() {
            let _ = tokio::time::timeout(Duration::from_millis(20), inbox.ready()).await;
        }
        for job in &batch.jobs {
            let mut log = log.lock().unwrap();
            if !log.runs.insert(job.key()) {
                log.wrong = Some(format!("{} runs twice at once", job.key()));
            }
            if !log.fences.insert((job.key(), job.lease().fence())) {
                log.wrong = Some(format!("{:?} was granted twice", job.lease()));
            }
        }
        for (at, job) in batch.jobs.iter().enumerate() {
            let outcome = match (n + at) % nth {
                0 => Outcome::Done,
                1 => Outcome::Released,
                _ => Outcome::Retry { after: millis(0), error: "again".into() },
            };
            log.lock().unwrap().runs.remove(&job.key());
            let settled = patiently(|| inbox.settle(job.lease(), outcome.clone())).await.unwrap();
            let mut log = log.lock().unwrap();
            if settled != Settled::Recorded {
                log.wrong = Some(format!("{:?} is held, and {settled:?}", job.lease()));
            }
            if outcome == Outcome::Done {
                log.done.push(job.key());
            }
        }
    }
}

#[test]
fn racing_workers_handle_each_delivery_once() {
    let runtime = runtime();
    let workers = vec((0..PROCESSES, 1usize..5, select(vec![1usize, 2, 3])), 2..5);
    Search::new(12).finds_none((copies(), workers), |(copies, workers)| {
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let clock = Arc::new(FakeClock::new());
            let inboxes = open(directory.path(), &clock).await;
            let log = Arc::new(Mutex::new(Log::default()));
            let all = copies.iter().map(|(_, name, _)| name).collect::<HashSet<_>>().len();
            let mut tasks = JoinSet::new();
            for (by, max, nth) in workers {
                tasks.spawn(work(inboxes[*by].clone(), log.clone(), *max, *nth, all));
            }
            let new = put(copies, &inboxes, &Partners::new(&clock)).await;
            let end = tokio::time::timeout(PATIENCE, tasks.join_all()).await;
            let stats =
                patiently(|| async { inboxes[1].stats().await.map_err(inbox_error) }).await?;
            let mut log = log.lock().unwrap();
            if let Some(wrong) = log.wrong.take() {
                return Err(wrong);
            }
            end.map_err(|_| format!("after {PATIENCE:?}: {} of {all} handled", log.done.len()))?;
            let handled = log.done.len();
            let distinct = log.done.iter().collect::<HashSet<_>>().len();
            same("handled, and each once", (all, all), (handled, distinct))?;
            same("new", all, new.values().sum())?;
            let unsettled = stats.pending + stats.leased + stats.dead;
            same("done", (handled as u64, 0), (stats.done, unsettled))
        })
    });
}
