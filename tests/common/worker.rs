//! A worker that runs beside the test.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inhook::inbox::{Filter, Inbox, Ledger, Put, State};
use inhook::sign::{Message, Signer};
use inhook::{Backoff, ConfigError, Delivery, Events, SqliteInbox, Verifier, Worker, presets};
use tokio::sync::watch;

pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// A GitHub delivery.
pub(crate) fn delivery(source: &str, id: &str, event: &str, body: &str) -> Delivery {
    let signer = Signer::new(presets::GITHUB, SECRET).unwrap();
    let request = signer.request(&Message::new(body.to_owned()).id(id).event(event)).unwrap();
    Verifier::new(source, presets::GITHUB, SECRET).unwrap().verify(request).unwrap()
}

pub(crate) async fn put(inbox: &impl Inbox, id: &str, event: &str) {
    let put = inbox.put(delivery("acme", id, event, "{}")).await.unwrap();
    assert_eq!(put, Put::New);
}

/// Small times, so that tests take little.
pub(crate) fn fast(attempts: u32) -> Backoff {
    Backoff::new().base(Duration::from_millis(1)).attempts(attempts)
}

/// A worker that runs until the test says stop.
pub(crate) struct Started {
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: tokio::task::JoinHandle<Result<(), ConfigError>>,
}

pub(crate) fn start<I: Inbox>(
    inbox: &Arc<I>,
    events: Events,
    set: impl FnOnce(Worker<I, Events>) -> Worker<I, Events>,
) -> Started {
    let (stop, mut stopped) = watch::channel(false);
    let worker = set(Worker::new(inbox.clone(), events));
    let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
    Started { stop, task: tokio::spawn(worker.run(stopped)) }
}

impl Started {
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap().unwrap();
    }
}

/// Waits until all deliveries are in the state.
pub(crate) async fn settled(inbox: &impl Ledger, state: State, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while inbox.list(Filter::state(state)).await.unwrap().len() < count {
        assert!(Instant::now() < deadline, "{:?}", inbox.stats().await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn sqlite(directory: &Path) -> Arc<SqliteInbox> {
    Arc::new(SqliteInbox::open(directory.join("inbox.db")).await.unwrap())
}
