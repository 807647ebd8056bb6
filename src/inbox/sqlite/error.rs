//! What SQLite's errors mean, for the caller and for the file.

use rusqlite::{ErrorCode, ffi};

use crate::inbox::InboxError;

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

/// What an error says about the connections of this process, and about what was synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// Nothing: it was not the time, or there was no room.
    None,
    /// The connections may be in an unknown state.
    Unknown,
    /// What a sync was to write may never be on disk, although the system takes it for written.
    Unsynced,
}

impl Harm {
    pub(super) fn of(error: &InboxError) -> Self {
        match error {
            InboxError::Busy(_) | InboxError::Full(_) => Self::None,
            InboxError::Unavailable(error) => {
                let error = error.downcast_ref().and_then(rusqlite::Error::sqlite_error);
                let unsynced =
                    error.is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_FSYNC);
                if unsynced { Self::Unsynced } else { Self::Unknown }
            }
        }
    }
}
