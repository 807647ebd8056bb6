//! How much the file may still grow.

use rusqlite::{Connection, ffi};

use crate::inbox::Record;

/// What a row and its index entries take beside the record's bytes, generously.
const ROW: u64 = 1_024;

/// Accepts stop at 90 % of the file's bound, so that what was accepted can always be settled and
/// what has expired be dropped: both may need a page.
#[derive(Debug)]
pub(in crate::inbox::sqlite) struct Room {
    max_bytes: Option<u64>,
    left: u64,
}

impl Room {
    pub(super) fn new(max_bytes: Option<u64>) -> Self {
        Self { max_bytes, left: u64::MAX }
    }

    /// Looks how full the file is, at the start of a transaction. Pages that were freed count as
    /// room: the file never shrinks, but it fills them again.
    pub(in crate::inbox::sqlite) fn look(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let Some(max) = self.max_bytes else { return Ok(()) };
        let used: i64 = db
            .prepare_cached(
                "SELECT (page_count - freelist_count) * page_size
                 FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
            )?
            .query_row([], |row| row.get(0))?;
        self.left = (max / 10).saturating_mul(9).saturating_sub(used.unsigned_abs());
        Ok(())
    }

    /// Room for one more delivery.
    pub(super) fn take(&mut self, record: &Record) -> rusqlite::Result<()> {
        let bytes = u64::try_from(record.bytes()).unwrap_or(u64::MAX).saturating_add(ROW);
        self.left = self.left.checked_sub(bytes).ok_or_else(full)?;
        Ok(())
    }

    /// The text of an error, if there is room for it: with a long one in each row, settling would
    /// make the file grow without accepts.
    pub(super) fn fit<'e>(&mut self, error: &'e str) -> Option<&'e str> {
        let bytes = u64::try_from(error.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(bytes)?;
        Some(error)
    }

    /// Fails where there is no room for a small delivery.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        if self.is_short() { Err(full()) } else { Ok(()) }
    }

    /// Whether there is no room for a small delivery.
    pub(in crate::inbox::sqlite) fn is_short(&self) -> bool {
        self.left < 2 * ROW
    }
}

fn full() -> rusqlite::Error {
    let code = ffi::Error::new(ffi::SQLITE_FULL);
    rusqlite::Error::SqliteFailure(
        code,
        Some("the file has reached 90 % of its `max_bytes`".into()),
    )
}
