//! The file and its log as the writer knows them, and the connection to them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::beside::{Beside, breaks, close};
use super::checkpoint::{self, Checkpointer};
use super::schema::{self, Purpose};
use crate::error::BoxError;
use crate::inbox::InboxError;

/// How long the first accept waits for a checkpoint that is under way.
const PAUSE: Duration = Duration::from_millis(400);

pub(super) struct File {
    path: PathBuf,
    log: PathBuf,
    max_bytes: Option<u64>,
    id: FileId,
    /// The log that the connection writes to, once it has.
    log_id: Option<FileId>,
    /// `None` after an I/O error, until it can be opened again.
    connection: Option<Connection>,
    reader: Beside,
    checkpointer: Checkpointer,
    /// Whether a checkpoint has failed.
    failed: bool,
    /// Whether the log may hold transactions that were never synced: a crash in the middle of a
    /// commit can leave one that readers see. Answering a duplicate of it would be a false 200.
    unsynced: bool,
    /// SQLite's mark of what others have committed.
    data_version: i64,
}

impl File {
    /// Creates it if it is missing.
    pub(super) fn open(
        path: PathBuf,
        max_bytes: Option<u64>,
        purpose: Purpose,
        reader: Beside,
    ) -> Result<Self, BoxError> {
        schema::create(&path, purpose)?;
        Ok(Self {
            connection: Some(schema::open(&path, max_bytes)?),
            checkpointer: Checkpointer::start(&path)?,
            reader,
            failed: false,
            id: FileId::of(&path)?,
            log: checkpoint::log_path(&path),
            log_id: None,
            path,
            max_bytes,
            unsynced: true,
            data_version: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection to the file that is at the path.
    pub(super) fn connect(&mut self) -> Result<Connection, InboxError> {
        let gone = |path: &Path| {
            let path = path.display();
            Err(InboxError::unavailable(format!(
                "{path} was moved or deleted while it was open; put it back, or restart"
            )))
        };
        // Whatever is written to a file that has lost its name would be gone after a restart.
        if FileId::of(&self.path).ok() != Some(self.id) {
            self.connection.take().into_iter().for_each(close);
            return gone(&self.path);
        }
        if self.log_id.is_some() && FileId::of(&self.log).ok() != self.log_id {
            self.connection.take().into_iter().for_each(close);
            // For good: with a new log, the other connections would mix both up in the file.
            return gone(&self.log);
        }
        if self.checkpointer.take_failed() {
            self.connection.take().into_iter().for_each(close);
        }
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.open_again().map_err(InboxError::unavailable),
        }
    }

    /// What a sync that failed was to write may never be on disk, although the system takes it for
    /// written, and SQLite would go on copying the log where it was. Only when nobody has the file
    /// open does it forget how far that was, and copies all of it again.
    fn open_again(&mut self) -> Result<Connection, BoxError> {
        let _others = (self.reader.closed(), self.checkpointer.closed());
        self.unsynced = true;
        self.failed = false;
        self.log_id = None;
        // It counts anew for each connection.
        self.data_version = 0;
        schema::open(&self.path, self.max_bytes)
    }

    /// Keeps the connection, unless the error may have left it in an unknown state.
    pub(super) fn keep(&mut self, connection: Connection, result: &Result<(), InboxError>) {
        if self.failed || result.as_ref().is_err_and(breaks) {
            return close(connection);
        }
        self.connection = Some(connection);
        if self.log_id.is_none() {
            self.log_id = FileId::of(&self.log).ok();
        }
    }

    /// Before the first accept: everything in the log goes into the file and is synced. Returns why
    /// nothing can be accepted yet.
    pub(super) fn sync(&mut self, connection: &Connection) -> Option<InboxError> {
        if !self.unsynced {
            return None;
        }
        let Some(_paused) = self.checkpointer.pause_within(PAUSE) else {
            return Some(InboxError::Busy("a checkpoint is under way, or has failed".into()));
        };
        match checkpoint::truncate(connection) {
            Ok(true) => {
                self.unsynced = false;
                None
            }
            Ok(false) => Some(InboxError::Busy(
                "another process reads the file or checkpoints it, and a checkpoint comes first"
                    .into(),
            )),
            Err(error) => {
                self.failed = breaks(&error);
                Some(error)
            }
        }
    }

    /// Whether another process has committed since this was last asked.
    pub(super) fn changed_by_others(&mut self) -> bool {
        let Some(connection) = &self.connection else { return false };
        let version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)));
        // What goes wrong here goes wrong in the next transaction, and is reported there.
        version.is_ok_and(|version| std::mem::replace(&mut self.data_version, version) != version)
    }

    /// Copies the log into the file, on another thread.
    pub(super) fn checkpoint(&self) {
        self.checkpointer.wake();
    }

    /// If nearly all of a long log is copied, copies the rest, so that the log starts afresh.
    pub(super) fn finish_checkpoint(&mut self) {
        if self.checkpointer.take_nearly_done()
            && let Some(_paused) = self.checkpointer.pause()
            && let Some(connection) = &self.connection
            && let Err(error) = checkpoint::finish(connection)
        {
            tracing::warn!(%error, "a checkpoint failed; the next one tries again");
            if breaks(&error) {
                self.connection.take().into_iter().for_each(close);
            }
        }
    }
}

/// Which file is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path)?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|_| Self(0, 0))
    }
}
