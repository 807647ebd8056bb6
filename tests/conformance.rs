//! The stores keep the rules that every backend keeps. Redis has a file of its own.

use std::sync::Arc;

use inhook::dedup::cached::CachedDedup;
use inhook::testing::conformance::{self, Capabilities, Time};
use inhook::{MemoryDedup, MemoryInbox, Spill, SqliteInbox, WhenFull};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_inbox() {
    let capabilities = Capabilities { durable: false, retains_done: false };
    conformance::inbox(async |clock| Arc::new(MemoryInbox::new().clock(clock)), capabilities).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_inbox() {
    let directory = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    let open = async |clock| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = directory.path().join(format!("{n}.db"));
        Arc::new(SqliteInbox::options().clock(clock).open(path).await.unwrap())
    };
    let capabilities = Capabilities { durable: true, retains_done: true };
    conformance::inbox(open, capabilities).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spill() {
    let directory = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    let open = async |clock: Arc<dyn inhook::clock::Clock>| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = directory.path().join(format!("{n}.db"));
        let primary = SqliteInbox::options().clock(clock.clone()).open(path).await.unwrap();
        let path = directory.path().join(format!("{n}-spill.db"));
        Arc::new(Spill::options(Arc::new(primary)).clock(clock).open(path).await.unwrap())
    };
    let capabilities = Capabilities { durable: true, retains_done: true };
    conformance::inbox(open, capabilities).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_dedup() {
    for when_full in [WhenFull::Refuse, WhenFull::ShortenWindow] {
        let open = async |clock| Arc::new(MemoryDedup::new().clock(clock).when_full(when_full));
        conformance::dedup(open, Time::Given).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cached_dedup() {
    let open = async |clock: Arc<dyn inhook::clock::Clock>| {
        Arc::new(CachedDedup::new(MemoryDedup::new().clock(clock.clone())).clock(clock))
    };
    conformance::dedup(open, Time::Given).await;
}
