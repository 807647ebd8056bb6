//! The file and its log as the writer knows them, and the connection to them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction};

use super::beside::Beside;
use super::checkpoint::{self, Checkpointer};
use super::disk::FileId;
use super::error::{Harm, inbox_error};
use super::rows::touch;
use super::schema;
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
    /// `None` after an error, until it can be opened again.
    connection: Option<Connection>,
    reader: Beside,
    checkpointer: Checkpointer,
    /// Whether the log goes on, behind what counts, with a transaction whose sync failed.
    torn: bool,
    /// Whether the log may hold transactions that were never synced: a crash in the middle of a
    /// commit can leave one that readers see. Answering a duplicate of it would be a false 200.
    log_is_unsynced: bool,
    /// SQLite's mark of what others have committed.
    data_version: i64,
}

impl File {
    pub(super) fn open(
        path: PathBuf,
        max_bytes: Option<u64>,
        reader: Beside,
    ) -> Result<Self, BoxError> {
        let checkpointer = Checkpointer::start(&path)?;
        drop(checkpointer.closed());
        checkpointer.recover(&path);
        Ok(Self {
            connection: Some(schema::open(&path, max_bytes)?),
            checkpointer,
            reader,
            torn: false,
            id: FileId::of(&path)?,
            log: checkpoint::log_path(&path),
            log_id: None,
            path,
            max_bytes,
            log_is_unsynced: true,
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
            self.connection = None;
            return gone(&self.path);
        }
        if self.log_id.is_some() && FileId::of(&self.log).ok() != self.log_id {
            self.connection = None;
            // Not even with a new log: other processes' connections would mix both up in the file.
            return gone(&self.log);
        }
        self.mend()?;
        self.give_up();
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.open_again().map_err(InboxError::unavailable),
        }
    }

    /// A transaction whose sync failed is in the log, but this connection goes on in its place. One that
    /// is opened, here or after a crash, would take it for committed and copy it, and what never got to
    /// the disk of the log would be in the file. So something is written over it before anything else is
    /// done.
    fn mend(&mut self) -> Result<(), InboxError> {
        if let (true, Some(connection)) = (self.torn, &self.connection) {
            touch(connection).map_err(inbox_error)?;
            // Its handle of the log would be told of the failure as well, which is mended.
            drop(self.checkpointer.closed());
        }
        self.torn = false;
        Ok(())
    }

    fn open_again(&mut self) -> Result<Connection, BoxError> {
        let _closed = (self.reader.closed(), self.checkpointer.closed());
        self.log_is_unsynced = true;
        // It counts anew for each connection.
        self.data_version = 0;
        self.checkpointer.recover(&self.path);
        schema::open(&self.path, self.max_bytes)
    }

    pub(super) fn commit(&mut self, transaction: Transaction<'_>) -> Result<(), InboxError> {
        transaction.commit().map_err(inbox_error).inspect_err(|error| {
            self.torn = Harm::of(error) == Harm::Unsynced;
        })
    }

    /// Keeps the connection, unless the error may have left it in an unknown state.
    pub(super) fn keep(&mut self, connection: Connection, result: &Result<(), InboxError>) {
        if let (false, Err(error)) = (self.torn, result) {
            self.checkpointer.harmed(Harm::of(error));
        }
        self.connection = Some(connection);
        if self.log_id.is_none() {
            self.log_id = FileId::of(&self.log).ok();
        }
        self.give_up();
    }

    /// After any harm, here or in another process, closes all connections, so that whoever wants to have the
    /// file alone may find nobody.
    pub(super) fn give_up(&mut self) {
        if self.checkpointer.harm() == Harm::None || self.torn {
            return;
        }
        // Whoever closes the file last may remove the log, from now on.
        if self.connection.is_some() && self.log_id == FileId::of(&self.log).ok() {
            self.log_id = None;
        }
        self.connection = None;
        drop((self.reader.closed(), self.checkpointer.closed()));
    }

    /// Whether something is to be made good in the next turn.
    pub(super) fn is_harmed(&self) -> bool {
        self.connection.is_none() || self.torn
    }

    /// Before the first accept: everything in the log goes into the file and is synced. Returns why
    /// nothing can be accepted yet.
    pub(super) fn sync(&mut self, connection: &Connection) -> Option<InboxError> {
        if !self.log_is_unsynced {
            return None;
        }
        let blocked = self.copy_all(connection).err();
        self.log_is_unsynced = blocked.is_some();
        blocked
    }

    fn copy_all(&mut self, connection: &Connection) -> Result<(), InboxError> {
        if self.checkpointer.harm() == Harm::Unsynced {
            let path = self.path.display();
            return Err(InboxError::unavailable(format!(
                "a sync of {path} failed, so all of its log has to be copied once more, which can't be \
                 done while something else has the file open; close the tool that reads it, for a \
                 moment at least, or see the log for what else is in the way"
            )));
        }
        let Some(_paused) = self.checkpointer.pause_within(PAUSE) else {
            return Err(InboxError::Busy("a checkpoint is under way, or has failed".into()));
        };
        match checkpoint::truncate(connection) {
            Ok(true) => Ok(()),
            Ok(false) => Err(InboxError::Busy(
                "another process reads the file or checkpoints it, and a checkpoint comes first"
                    .into(),
            )),
            Err(error) => {
                self.checkpointer.harmed(Harm::of(&error));
                Err(error)
            }
        }
    }

    /// Whether another process has committed since this was last asked.
    pub(super) fn changed_by_others(&mut self) -> bool {
        let Some(connection) = &self.connection else { return false };
        let version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)));
        version.is_ok_and(|version| std::mem::replace(&mut self.data_version, version) != version)
    }

    /// Copies the log into the file, on another thread.
    pub(super) fn checkpoint(&self) {
        // That one would be told of the failed sync of the log as well, which will be mended.
        if !self.torn {
            self.checkpointer.wake();
        }
    }

    /// If nearly all of a long log is copied, copies the rest, so that the log starts afresh.
    pub(super) fn finish_checkpoint(&mut self) {
        if self.checkpointer.take_nearly_done()
            && let Some(_paused) = self.checkpointer.pause()
            && let Some(connection) = &self.connection
            && let Err(error) = checkpoint::finish(connection)
        {
            tracing::warn!(%error, "a checkpoint failed; the next one tries again");
            self.checkpointer.harmed(Harm::of(&error));
        }
    }

    /// The end: whoever closes the file last copies the log into it and removes the log.
    pub(super) fn close(&mut self) {
        let _ = self.mend();
        let _closed = (self.reader.closed(), self.checkpointer.closed());
        let harm = self.checkpointer.harm();
        // It may have been asked for another checkpoint, which comes too late.
        self.checkpointer.harmed(Harm::Unknown);
        if let Some(connection) = self.connection.take()
            && harm == Harm::None
        {
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }
}
