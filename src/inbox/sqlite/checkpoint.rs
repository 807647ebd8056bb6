//! Copying the write-ahead log into the file, off the path of the accepts.
//!
//! SQLite starts the log afresh when all of it is copied at the moment of a write. Under steady load
//! that never happens by itself, since more is written while a checkpoint runs. So the thread here copies
//! until little is left, and the writer copies the rest between two transactions.
//!
//! SQLite syncs the file only when it has copied the log to its end. The writer would then wait until
//! all that was copied here is on disk too, so the thread syncs it before.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};

use super::beside::Beside;
use super::disk::{self, Unsynced};
use super::error::{Harm, inbox_error};
use super::schema;
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
    told: Arc<Told>,
}

/// What the thread and the writer tell each other.
#[derive(Debug)]
struct Told {
    /// To be synced.
    file: Arc<File>,
    nearly_done: AtomicBool,
    /// The connections may be in an unknown state.
    unknown: AtomicBool,
    unsynced: Unsynced,
}

impl Told {
    /// What errors have done, here or in another process. With any harm, nothing is copied.
    fn harm(&self) -> Harm {
        match self.unknown.load(Ordering::SeqCst) {
            _ if self.unsynced.is_marked() => Harm::Unsynced,
            true => Harm::Unknown,
            false => Harm::None,
        }
    }

    fn harmed(&self, harm: Harm) {
        match harm {
            Harm::None => {}
            Harm::Unknown => self.unknown.store(true, Ordering::SeqCst),
            Harm::Unsynced => self.unsynced.mark(),
        }
    }
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, BoxError> {
        let beside = Beside::new(path, schema::open_checkpointer);
        let told = Arc::new(Told {
            file: disk::open(path)?,
            nearly_done: AtomicBool::new(false),
            unknown: AtomicBool::new(false),
            unsynced: Unsynced::of(path),
        });
        let (wake, woken) = sync_channel(1);
        let checkpointer = Self { wake, beside: beside.clone(), told: told.clone() };
        thread::Builder::new().name("inhook-checkpoint".into()).spawn(move || {
            while woken.recv().is_ok() {
                // Not even a connection is opened then.
                if told.harm() != Harm::None {
                    continue;
                }
                let copied = beside.with(|connection| {
                    // The system tells of a failed sync only once.
                    if told.harm() != Harm::None {
                        return Ok(false);
                    }
                    // Told before anybody goes on copying where this failed.
                    copy(connection, &told.file).inspect_err(|error| told.harmed(Harm::of(error)))
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
        if let Err(error) = sync(&self.told.file) {
            self.harmed(Harm::of(&error));
        }
        closed
    }

    /// What errors have done.
    pub(super) fn harm(&self) -> Harm {
        self.told.harm()
    }

    /// An error has done this as well.
    pub(super) fn harmed(&self, harm: Harm) {
        self.told.harmed(harm);
    }

    /// All connections are closed, and what is opened now is in a known state. A failed sync is made good
    /// if nobody else has the file open: then all of the log is copied once more. If not, it is tried again,
    /// and whatever accepts nothing goes on meanwhile.
    pub(super) fn recover(&self, path: &Path) {
        self.told.unknown.store(false, Ordering::SeqCst);
        if self.harm() != Harm::Unsynced {
            return;
        }
        match copy_alone(path, &self.told.unsynced) {
            Ok(()) | Err(InboxError::Busy(_)) => {}
            Err(error) => {
                let path = path.display();
                tracing::warn!(%error, %path, "a failed sync can't be made good; trying again");
            }
        }
    }
}

/// Copies and syncs all of the log from its beginning, and takes the mark away that says that this has to
/// be done, while nobody else has the file open.
fn copy_alone(path: &Path, unsynced: &Unsynced) -> Result<(), InboxError> {
    let alone = schema::open_alone(path).map_err(inbox_error)?;
    if checkpoint(&alone, "NOOP")?.pages <= 0 {
        let path = path.display();
        tracing::error!(
            %path,
            "a sync failed, and there is no log any more that could be copied: if a tool has \
             checkpointed the file since, `check_integrity` says whether it is damaged"
        );
    }
    if truncate(&alone)? {
        unsynced.clear().map_err(InboxError::unavailable)?;
    }
    Ok(())
}

/// Copies what is there; whether the log is long, and little of it is left.
fn copy(connection: &Connection, file: &File) -> Result<bool, InboxError> {
    let mut last = 0;
    for _ in 0..PASSES {
        if checkpoint(connection, "PASSIVE")?.pages < LONG {
            return Ok(false);
        }
        sync(file)?;
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

fn sync(file: &File) -> Result<(), InboxError> {
    match file.sync_data() {
        // SQLite knows another way, where there is one.
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        Err(error) => {
            let code = ffi::Error::new(ffi::SQLITE_IOERR_FSYNC);
            Err(inbox_error(rusqlite::Error::SqliteFailure(code, Some(error.to_string()))))
        }
        Ok(()) => Ok(()),
    }
}
