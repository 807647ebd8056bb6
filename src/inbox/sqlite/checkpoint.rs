//! Copying the write-ahead log into the file, off the path of the accepts.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use rusqlite::Connection;

use super::schema;
use crate::error::BoxError;

/// A thread that runs checkpoints which wait for nobody.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, BoxError> {
        let connection = schema::open_checkpointer(path)?;
        let (wake, woken) = sync_channel(1);
        thread::Builder::new().name("inhook-checkpoint".into()).spawn(move || {
            while woken.recv().is_ok() {
                if let Err(error) = checkpoint(&connection, "PASSIVE") {
                    tracing::warn!(%error, "a checkpoint failed; the next one tries again");
                }
            }
        })?;
        Ok(Self { wake })
    }

    /// Asks for a checkpoint, unless one is asked for already.
    pub(super) fn wake(&self) {
        let _ = self.wake.try_send(());
    }
}

/// Copies and syncs all of the log and starts it afresh; false if a reader is in the way.
pub(super) fn truncate(connection: &Connection) -> rusqlite::Result<bool> {
    checkpoint(connection, "TRUNCATE")
}

pub(super) fn log_path(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Whether it was complete.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(row.get::<_, i64>(0)? == 0)
    })
}
