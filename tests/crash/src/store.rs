//! A file that nobody has open, looked at from outside.

use std::collections::HashSet;
use std::path::Path;

use inhook::BoxError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// What is in an inbox's file.
pub struct Contents {
    /// The ids of all deliveries.
    pub ids: HashSet<String>,
    /// What `PRAGMA integrity_check` says, and whether the counts of deliveries are right.
    pub integrity: String,
}

/// Reads a file, its log included.
pub fn contents(path: &Path) -> Result<Contents, BoxError> {
    let db = open(path)?;
    let mut rows = db.prepare("SELECT id FROM delivery WHERE id IS NOT NULL")?;
    let ids = rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
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
    Ok(Contents { ids, integrity })
}

/// What is leased: the ids, and the number of the attempt.
pub fn leased(path: &Path) -> Result<HashSet<(String, u32)>, BoxError> {
    let db = open(path)?;
    let mut rows = db.prepare("SELECT id, total_attempts FROM delivery WHERE state = 1")?;
    let leased = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(leased.collect::<Result<_, _>>()?)
}

/// How many are pending or leased.
pub fn unsettled(path: &Path) -> Result<usize, BoxError> {
    // Each has an index.
    let count = "SELECT (SELECT count(*) FROM delivery WHERE state = 0)
        + (SELECT count(*) FROM delivery WHERE state = 1)";
    let unsettled: i64 = open(path)?.query_row(count, [], |row| row.get(0))?;
    Ok(usize::try_from(unsettled)?)
}

fn open(path: &Path) -> Result<Connection, BoxError> {
    // Not read-only: a log that a crash left behind has to be recovered.
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Closing the last connection would checkpoint the log, which is the receiver's business.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(db)
}
