//! Connections beside the writer's, which it can close.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

use crate::error::BoxError;
use crate::inbox::InboxError;

/// A connection that is opened again when it is needed.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    path: PathBuf,
    open: fn(&Path) -> Result<Connection, BoxError>,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Beside {
    pub(super) fn new(path: &Path, open: fn(&Path) -> Result<Connection, BoxError>) -> Self {
        Self { path: path.to_owned(), open, connection: Arc::default() }
    }

    /// Does some work with the connection.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, InboxError>,
    ) -> Result<T, InboxError> {
        let mut slot = self.lock();
        match &mut *slot {
            Some(connection) => work(connection),
            None => {
                let connection = (self.open)(&self.path).map_err(InboxError::unavailable)?;
                work(slot.insert(connection))
            }
        }
    }

    /// Closes it, and keeps it closed for as long as the guard lives.
    pub(super) fn closed(&self) -> MutexGuard<'_, Option<Connection>> {
        let mut slot = self.lock();
        *slot = None;
        slot
    }

    /// Keeps it from being used for as long as the guard lives; `None` while it is.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Option<Connection>>> {
        match self.connection.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
