//! The way to the one thread that writes. Many callers queue up; the thread runs what has queued in
//! one transaction and answers all of it after COMMIT returned.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::file::File;
use super::queue::Queue;
use super::rows::Rows;
use super::thread::Thread;
use crate::error::BoxError;
use crate::inbox::InboxError;

/// How long a step may wait for its turn.
pub(super) const QUEUE_WAIT: Duration = Duration::from_millis(500);
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

/// Whether a step accepts a delivery. It must not before a checkpoint has shown that all that the
/// log holds is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepts {
    Yes,
    No,
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
        let (sender, answer) = oneshot::channel();
        let work = Box::new(move |turn: Turn<'_>| {
            let result = match turn {
                // Nothing is done for a caller that has gone.
                Turn::Run(..) if sender.is_closed() => Err(stopped()),
                Turn::Run(rows, connection) => step(rows, connection).map_err(inbox_error),
                Turn::Refused(error) => Err(error),
            };
            Ended {
                accepts,
                failed: result.as_ref().err().cloned(),
                reply: Box::new(move |committed| drop(sender.send(committed.and(result)))),
            }
        });
        let step = Step { work, accepts, kib, since: Instant::now(), _room: room };
        self.queue.send(step).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// How many transactions accepted deliveries.
    pub(super) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Waits until something may be due, for this process or by the doing of another one.
    pub(super) async fn ready(&self) {
        self.shared.ready.notified().await;
    }

    /// Whether an accept in the last second shows that the store works.
    pub(super) fn accepted_just_now(&self) -> bool {
        self.shared.last_accept().is_some_and(|last| last.elapsed() < FRESH)
    }
}

/// What the thread tells the outside.
#[derive(Debug, Default)]
pub(super) struct Shared {
    commits: AtomicU64,
    last_accept: Mutex<Option<Instant>>,
    /// Something may be due.
    ready: Notify,
}

impl Shared {
    /// Wakes all who wait, since some may not take what is due, or else the next one who will.
    pub(super) fn wake(&self) {
        self.ready.notify_waiters();
        self.ready.notify_one();
    }

    pub(super) fn committed_accepts(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_last_accept(&self, last: Option<Instant>) {
        *self.last_accept.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    fn last_accept(&self) -> Option<Instant> {
        *self.last_accept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queued step. Its room in the queue is given back when it has run.
pub(super) struct Step {
    work: Box<dyn FnOnce(Turn<'_>) -> Ended + Send>,
    pub(super) accepts: Accepts,
    kib: u32,
    pub(super) since: Instant,
    _room: OwnedSemaphorePermit,
}

impl Step {
    /// What it adds to a transaction, and at least to the log.
    pub(super) fn kib(&self) -> u32 {
        self.kib.saturating_add(1)
    }

    pub(super) fn run(self, rows: &mut Rows, connection: &Connection) -> Ended {
        (self.work)(Turn::Run(rows, connection))
    }

    pub(super) fn refuse(self, error: InboxError) -> Ended {
        (self.work)(Turn::Refused(error))
    }
}

/// A step that ran or was refused. Its caller learns of it once the transaction has ended.
pub(super) struct Ended {
    pub(super) accepts: Accepts,
    /// Why, if it did not do its work.
    pub(super) failed: Option<InboxError>,
    reply: Box<dyn FnOnce(Result<(), InboxError>) + Send>,
}

impl Ended {
    /// Answers, with the end of the transaction.
    pub(super) fn reply(self, committed: Result<(), InboxError>) {
        (self.reply)(committed);
    }
}

/// What a step gets when it is its turn.
enum Turn<'t> {
    Run(&'t mut Rows, &'t Connection),
    Refused(InboxError),
}

pub(super) fn inbox_error(error: rusqlite::Error) -> InboxError {
    match (error.sqlite_error_code(), &error) {
        (Some(ErrorCode::DatabaseBusy), _) => {
            InboxError::Busy("another process holds the file's write lock".into())
        }
        (Some(ErrorCode::DiskFull), rusqlite::Error::SqliteFailure(_, Some(message))) => {
            InboxError::Full(message.as_str().into())
        }
        (Some(ErrorCode::DiskFull), _) => InboxError::Full("the disk is full".into()),
        _ => InboxError::unavailable(error),
    }
}

fn stopped() -> InboxError {
    InboxError::unavailable("the inbox is closed, or the caller has gone")
}
