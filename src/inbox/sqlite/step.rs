//! A piece of work for the thread that writes, and its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::error::inbox_error;
use super::rows::Rows;
use crate::inbox::InboxError;

/// How long a step may wait for its turn.
pub(super) const QUEUE_WAIT: Duration = Duration::from_millis(500);

/// Whether a step accepts a delivery. It must not before a checkpoint has shown that all that the
/// log holds is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepts {
    Yes,
    No,
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
    /// A step, and where its answer will come.
    pub(super) fn new<T: Send + 'static>(
        accepts: Accepts,
        kib: u32,
        room: OwnedSemaphorePermit,
        step: impl FnOnce(&mut Rows, &Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, InboxError>>) {
        let (sender, answer) = oneshot::channel();
        let work = Box::new(move |turn: Turn<'_>| {
            let result = match turn {
                // Nothing is done for a caller that has gone.
                Turn::Run(..) if sender.is_closed() => Err(stopped()),
                Turn::Run(rows, connection) => {
                    caught(|| step(rows, connection)).map_err(inbox_error)
                }
                Turn::Refused(error) => Err(error),
            };
            Ended {
                accepts,
                failed: result.as_ref().err().cloned(),
                reply: Box::new(move |committed| drop(sender.send(committed.and(result)))),
            }
        });
        (Self { work, accepts, kib, since: Instant::now(), _room: room }, answer)
    }

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

/// A panic, as of a clock of the user's, fails what it is in, and not the thread that all others need.
pub(super) fn caught<T>(work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(rusqlite::Error::UnwindingPanic))
}

pub(super) fn behind() -> InboxError {
    InboxError::Busy("the writer is behind".into())
}

pub(super) fn stopped() -> InboxError {
    InboxError::unavailable("the inbox is closed, or the caller has gone")
}
