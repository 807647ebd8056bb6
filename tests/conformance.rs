//! Both inboxes keep the rules that every backend keeps.

use std::sync::Arc;

use inhook::testing::conformance::{self, Capabilities};
use inhook::{MemoryInbox, SqliteInbox};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    let capabilities = Capabilities { durable: false, retains_done: false };
    conformance::inbox(async |clock| Arc::new(MemoryInbox::new().clock(clock)), capabilities).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
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
