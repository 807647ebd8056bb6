//! Copying the write-ahead log into the file, off the path of the accepts.
//!
//! SQLite starts the log afresh when all of it is copied at the moment of a write. Under steady load
//! that never happens by itself, since more is written while a checkpoint runs. So the thread here copies
//! until little is left, and the writer copies the rest between two transactions.
//!
//! SQLite syncs the file only when it has copied the log to its end. The writer would then wait until
//! all that was copied here is on disk too, so the thread syncs it before.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};

use super::beside::{Beside, Harm};
use super::disk::Disk;
use super::schema;
use super::writer::inbox_error;
use crate::error::BoxError;
use crate::inbox::InboxError;

/// How many pages a log may hold without being started afresh: 32 MiB.
const LONG: i64 = 8_192;
/// How many the writer copies itself: a few milliseconds.
const FEW: i64 = 256;
/// How often a log that grows as fast as it is copied is copied in a row.
const PASSES: usize = 8;
/// When the writer has to copy the rest, however much that is: 256 MiB.
const TOO_LONG: i64 = 65_536;

/// A thread that runs checkpoints which wait for nobody.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    beside: Beside,
    disk: Arc<Disk>,
    told: Arc<Told>,
}

/// What the thread and the writer tell each other.
#[derive(Debug)]
struct Told {
    nearly_done: AtomicBool,
    /// What errors have done to the connections. With any harm, nothing is copied.
    harm: Mutex<Harm>,
}

impl Told {
    fn harmed(&self, harm: Harm) {
        let mut told = self.lock();
        *told = harm.max(*told);
    }

    fn lock(&self) -> MutexGuard<'_, Harm> {
        self.harm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, BoxError> {
        let beside = Beside::new(path, schema::open_checkpointer);
        let told = Told { nearly_done: AtomicBool::new(false), harm: Mutex::new(Harm::None) };
        let told = Arc::new(told);
        let (wake, woken) = sync_channel(1);
        let disk = Arc::new(Disk::open(path)?);
        let checkpointer =
            Self { wake, beside: beside.clone(), disk: disk.clone(), told: told.clone() };
        thread::Builder::new().name("inhook-checkpoint".into()).spawn(move || {
            while woken.recv().is_ok() {
                let copied = beside.with(|connection| {
                    // The system tells of a failed sync only once.
                    if *told.lock() != Harm::None {
                        return Ok(false);
                    }
                    // Told before anybody goes on copying where this failed.
                    copy(connection, &disk).inspect_err(|error| told.harmed(Harm::of(error)))
                });
                match copied {
                    Ok(few_are_left) => told.nearly_done.store(few_are_left, Ordering::Relaxed),
                    Err(error) => {
                        tracing::warn!(%error, "a checkpoint failed; the next one tries again");
                    }
                }
            }
        })?;
        Ok(checkpointer)
    }

    /// Asks for a checkpoint, unless one is asked for already. With any harm, not even a connection is
    /// opened.
    pub(super) fn wake(&self) {
        if self.harm() == Harm::None {
            let _ = self.wake.try_send(());
        }
    }

    /// Whether the log is long and nearly all of it is copied; said once.
    pub(super) fn take_nearly_done(&self) -> bool {
        self.told.nearly_done.swap(false, Ordering::Relaxed)
    }

    /// Keeps the thread from copying for as long as the guard lives; `None` if it is at it, or has
    /// failed and not told yet.
    pub(super) fn pause(&self) -> Option<MutexGuard<'_, Option<Connection>>> {
        let paused = self.beside.try_lock()?;
        (self.harm() == Harm::None).then_some(paused)
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
        let closed = self.beside.closed();
        // The system tells each handle of a failed sync once. The connections' are gone, or just opened.
        if let Err(error) = sync(&self.disk) {
            self.harmed(Harm::of(&error));
        }
        closed
    }

    /// What errors have done to the connections.
    pub(super) fn harm(&self) -> Harm {
        *self.told.lock()
    }

    /// An error has done this as well.
    pub(super) fn harmed(&self, harm: Harm) {
        self.told.harmed(harm);
    }

    /// The connections were opened again, and this is left.
    pub(super) fn set_harm(&self, harm: Harm) {
        *self.told.lock() = harm;
    }
}

/// Copies what is there; whether the log is long, and little of it is left.
fn copy(connection: &Connection, disk: &Disk) -> Result<bool, InboxError> {
    // Another process may have copied what this one goes on from. If the sync of that failed, SQLite's
    // handles know it only if they were open then, and the connection may be new.
    sync(disk)?;
    let mut last = 0;
    for _ in 0..PASSES {
        if checkpoint(connection, "PASSIVE")?.pages < LONG {
            return Ok(false);
        }
        sync(disk)?;
        // With what was written meanwhile.
        let Progress { pages, copied, .. } = checkpoint(connection, "NOOP")?;
        if pages.saturating_sub(copied) <= FEW {
            return Ok(true);
        }
        last = pages;
    }
    Ok(last > TOO_LONG)
}

/// Copies and syncs what is left of a long log, without waiting for anybody.
pub(super) fn finish(connection: &Connection) -> Result<(), InboxError> {
    // A write may have started it afresh by now.
    if checkpoint(connection, "NOOP")?.pages >= LONG {
        checkpoint(connection, "PASSIVE")?;
    }
    Ok(())
}

/// Copies and syncs all of the log and starts it afresh; false if a reader is in the way.
pub(super) fn truncate(connection: &Connection) -> Result<bool, InboxError> {
    checkpoint(connection, "TRUNCATE").map(|progress| !progress.blocked)
}

/// How many pages of the log SQLite takes for copied.
pub(super) fn copied(connection: &Connection) -> Result<i64, InboxError> {
    checkpoint(connection, "NOOP").map(|progress| progress.copied)
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

fn sync(disk: &Disk) -> Result<(), InboxError> {
    disk.sync().map_err(|error| {
        let code = ffi::Error::new(ffi::SQLITE_IOERR_FSYNC);
        inbox_error(rusqlite::Error::SqliteFailure(code, Some(error.to_string())))
    })
}
