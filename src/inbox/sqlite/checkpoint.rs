//! Copying the write-ahead log into the file, off the path of the accepts.
//!
//! SQLite starts the log afresh when all of it is copied at the moment of a write. Under steady load
//! that never happens by itself, since more is written while a checkpoint runs. So the thread here copies
//! until little is left, and the writer copies the rest between two transactions.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::beside::{Beside, breaks};
use super::schema;
use super::writer::inbox_error;
use crate::error::BoxError;
use crate::inbox::InboxError;

/// How many pages a log may hold without being started afresh: 16 MiB.
const LONG: i64 = 4_096;
/// How many the writer copies itself: a few milliseconds.
const FEW: i64 = 512;
/// How often a log that grows as fast as it is copied is copied in a row.
const PASSES: usize = 8;
/// When the writer has to copy the rest, however much that is: 256 MiB.
const TOO_LONG: i64 = 65_536;

/// A thread that runs checkpoints which wait for nobody.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    beside: Beside,
    told: Arc<Told>,
}

/// What the thread tells the writer.
#[derive(Debug, Default)]
struct Told {
    nearly_done: AtomicBool,
    failed: AtomicBool,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, BoxError> {
        let beside = Beside::new(path, schema::open_checkpointer);
        let told = Arc::new(Told::default());
        let (wake, woken) = sync_channel(1);
        let checkpointer = Self { wake, beside: beside.clone(), told: told.clone() };
        thread::Builder::new().name("inhook-checkpoint".into()).spawn(move || {
            while woken.recv().is_ok() {
                // Before the writer may go on copying where this one failed.
                let tell = |error: &_| {
                    told.failed.fetch_or(breaks(error), Ordering::Relaxed);
                };
                match beside.with(|connection| copy(connection).inspect_err(tell)) {
                    Ok(few_are_left) => told.nearly_done.store(few_are_left, Ordering::Relaxed),
                    Err(error) => {
                        tracing::warn!(%error, "a checkpoint failed; the next one tries again");
                    }
                }
            }
        })?;
        Ok(checkpointer)
    }

    /// Asks for a checkpoint, unless one is asked for already.
    pub(super) fn wake(&self) {
        let _ = self.wake.try_send(());
    }

    /// Whether the log is long and nearly all of it is copied; said once.
    pub(super) fn take_nearly_done(&self) -> bool {
        self.told.nearly_done.swap(false, Ordering::Relaxed)
    }

    /// Keeps the thread from copying for as long as the guard lives; `None` if it is at it, or has
    /// failed and not told yet.
    pub(super) fn pause(&self) -> Option<MutexGuard<'_, Option<Connection>>> {
        let paused = self.beside.try_lock()?;
        (!self.told.failed.load(Ordering::Relaxed)).then_some(paused)
    }

    /// As [`pause`](Self::pause), and waits for so long.
    pub(super) fn pause_within(
        &self,
        time: Duration,
    ) -> Option<MutexGuard<'_, Option<Connection>>> {
        let start = Instant::now();
        loop {
            let paused = self.pause();
            if paused.is_some() || start.elapsed() > time {
                return paused;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its connection, closed for as long as the guard lives.
    pub(super) fn closed(&self) -> MutexGuard<'_, Option<Connection>> {
        self.beside.closed()
    }

    /// Whether a checkpoint failed in a way that [`breaks`] the connections; said once.
    pub(super) fn take_failed(&self) -> bool {
        self.told.failed.swap(false, Ordering::Relaxed)
    }
}

/// Copies what is there; whether the log is long, and little of it is left.
fn copy(connection: &Connection) -> Result<bool, InboxError> {
    let mut last = 0;
    for _ in 0..PASSES {
        let Progress { pages, copied, .. } = checkpoint(connection, "PASSIVE")?;
        if pages < LONG {
            return Ok(false);
        }
        if pages.saturating_sub(copied) <= FEW {
            return Ok(true);
        }
        last = pages;
    }
    Ok(last > TOO_LONG)
}

/// Copies and syncs what is left, without waiting for anybody.
pub(super) fn finish(connection: &Connection) -> Result<(), InboxError> {
    checkpoint(connection, "PASSIVE").map(drop)
}

/// Copies and syncs all of the log and starts it afresh; false if a reader is in the way.
pub(super) fn truncate(connection: &Connection) -> Result<bool, InboxError> {
    checkpoint(connection, "TRUNCATE").map(|progress| !progress.blocked)
}

pub(super) fn log_path(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// How far a checkpoint got.
struct Progress {
    blocked: bool,
    /// In the log, and copied of these.
    pages: i64,
    copied: i64,
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Progress, InboxError> {
    let progress = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let blocked = row.get::<_, i64>(0)? != 0;
        Ok(Progress { blocked, pages: row.get(1)?, copied: row.get(2)? })
    });
    progress.map_err(inbox_error)
}
