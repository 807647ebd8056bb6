//! A file that nobody has open, looked at from outside.

use std::collections::HashSet;
use std::path::Path;

use inhook::BoxError;
use rusqlite::{Connection, OpenFlags};

/// What is in an inbox's file.
pub struct Contents {
    /// The ids of all deliveries.
    pub ids: HashSet<String>,
    /// What is leased: the ids, and the number of the attempt.
    pub leased: HashSet<(String, u32)>,
    /// How many are pending or leased.
    pub unsettled: usize,
    /// What `PRAGMA integrity_check` says, and whether the counts of deliveries are right.
    pub integrity: String,
}

/// Reads a file, its log included.
pub fn contents(path: &Path) -> Result<Contents, BoxError> {
    // Not read-only: a log that a crash left behind has to be recovered.
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Closing the last connection would checkpoint the log, which is the receiver's business.
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let mut rows = db.prepare("SELECT id FROM delivery WHERE id IS NOT NULL")?;
    let ids = rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut rows = db.prepare("SELECT id, total_attempts FROM delivery WHERE state = 1")?;
    let leased = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let leased = leased.collect::<Result<_, _>>()?;
    let unsettled: i64 =
        db.query_row("SELECT count(*) FROM delivery WHERE state < 2", [], |row| row.get(0))?;
    let mut integrity: String = db.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    let miscounted: i64 = db.query_row(
        "SELECT count(*) FROM count WHERE state < 5
         AND deliveries != (SELECT count(*) FROM delivery WHERE delivery.state = count.state)",
        [],
        |row| row.get(0),
    )?;
    if miscounted > 0 {
        integrity.push_str(", but deliveries are miscounted");
    }
    Ok(Contents { ids, leased, unsettled: usize::try_from(unsettled)?, integrity })
}
