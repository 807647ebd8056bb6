//! The way to the one thread that writes. Many callers queue up; the thread runs what has queued in
//! one transaction and answers all of it after COMMIT returned.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::file::File;
use super::queue::Queue;
use super::rows::Rows;
use super::step::{Accepts, QUEUE_WAIT, Step, stopped};
use super::thread::{Shared, Thread};
use crate::error::BoxError;
use crate::inbox::InboxError;

/// The queue's bound in KiB; a step counts as one at least, so it bounds their number too.
const QUEUE_KIB: u32 = 64 << 10;
/// A write this recent shows that the store works.
const FRESH: Duration = Duration::from_secs(1);

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Sender<Step>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn start(file: File, rows: Rows, max_batch: usize) -> Result<Self, BoxError> {
        let (queue, steps) = channel();
        let shared = Arc::new(Shared::default());
        let room = Arc::new(Semaphore::new(QUEUE_KIB.try_into()?));
        let mut thread = Thread::new(file, rows, shared.clone());
        std::thread::Builder::new()
            .name("inhook-sqlite".into())
            .spawn(move || thread.run(Queue::new(steps, max_batch)))?;
        Ok(Self { queue, room, shared })
    }

    /// Runs a step in the next transaction and returns once that is on disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        accepts: Accepts,
        step: impl FnOnce(&mut Rows, &Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, InboxError> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(QUEUE_KIB).clamp(1, QUEUE_KIB);
        let room = self.room.clone().acquire_many_owned(kib);
        let room = match tokio::time::timeout(QUEUE_WAIT, room).await {
            Ok(Ok(room)) => room,
            _ => return Err(InboxError::Busy("the writer's queue is full".into())),
        };
        let (step, answer) = Step::new(accepts, kib, room, step);
        self.queue.send(step).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// How many transactions accepted deliveries.
    pub(super) fn commits(&self) -> u64 {
        self.shared.commits()
    }

    /// Waits until something may be due, for this process or by the doing of another one.
    pub(super) async fn ready(&self) {
        self.shared.ready().await;
    }

    /// Whether an accept in the last second shows that the store works.
    pub(super) fn accepted_just_now(&self) -> bool {
        self.shared.last_accept().is_some_and(|last| last.elapsed() < FRESH)
    }
}
