//! Whether the file is sound, asked for by an operator.

use std::path::Path;

use rusqlite::Connection;

use super::error::inbox_error;
use super::schema;
use crate::inbox::InboxError;

/// What is wrong with the file.
pub(super) fn check(path: &Path) -> Result<Vec<String>, InboxError> {
    let connection = schema::open_reader(path).map_err(InboxError::unavailable)?;
    problems(&connection).map_err(inbox_error)
}

fn problems(db: &Connection) -> rusqlite::Result<Vec<String>> {
    // All of it is read in one transaction, so that both halves of a comparison are of one moment.
    let snapshot = db.unchecked_transaction()?;
    let mut problems: Vec<String> = snapshot
        .prepare("PRAGMA integrity_check(100)")?
        .query_map([], |row| row.get(0))?
        .filter(|problem| !problem.as_ref().is_ok_and(|problem| problem == "ok"))
        .collect::<Result<_, _>>()?;
    let mut counts = snapshot.prepare(
        "SELECT state, deliveries, coalesce(there, 0) FROM count
         LEFT JOIN (SELECT state, count(*) AS there FROM delivery GROUP BY state) USING (state)
         WHERE state < 5 AND deliveries IS NOT coalesce(there, 0)",
    )?;
    let mut rows = counts.query([])?;
    while let Some(row) = rows.next()? {
        let (state, counted, there): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        problems
            .push(format!("{counted} deliveries are counted in state {state}; {there} are there"));
    }
    Ok(problems)
}
