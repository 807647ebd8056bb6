//! What an operator asks for, on a connection of its own that only reads.

use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params_from_iter};

use super::beside::Beside;
use super::rows::{CHANGED, RECORD, attempts, code, key, record, state, text};
use crate::delivery::Key;
use crate::inbox::record::from_millis;
use crate::inbox::{Detail, Entry, Filter, InboxError, LedgerError, State, Stats};

/// A long read would hold up checkpoints, so it is broken off.
const READ_LIMIT: Duration = Duration::from_millis(100);
/// How many steps of SQLite's virtual machine pass between two looks at the clock.
const LOOK_EVERY: i32 = 10_000;

const ENTRY: &str = "position, key, state, source, id, event, received_at, attempts,
    total_attempts, revivals, last_error, expires_at";

#[derive(Debug, Clone)]
pub(super) struct Reader {
    beside: Beside,
}

impl Reader {
    pub(super) fn new(beside: Beside) -> Self {
        Self { beside }
    }

    pub(super) async fn list(&self, filter: Filter) -> Result<Vec<Entry>, LedgerError> {
        self.read(move |db| list(db, &filter)).await
    }

    pub(super) async fn get(&self, key: Key, now: i64) -> Result<Detail, LedgerError> {
        self.read(move |db| get(db, key, now)).await?.ok_or(LedgerError::NotFound)
    }

    pub(super) async fn stats(&self) -> Result<Stats, LedgerError> {
        self.read(stats).await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let beside = self.beside.clone();
        let task = tokio::task::spawn_blocking(move || {
            beside.with(|db| {
                let start = Instant::now();
                db.progress_handler(LOOK_EVERY, Some(move || start.elapsed() > READ_LIMIT))
                    .and_then(|()| read(db))
                    .map_err(inbox_error)
            })
        });
        let read = task.await.unwrap_or_else(|error| Err(InboxError::unavailable(error)));
        read.map_err(LedgerError::Inbox)
    }
}

fn inbox_error(error: rusqlite::Error) -> InboxError {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => InboxError::Busy(
            "the query took more than 100 ms and was broken off; ask for fewer rows, or one state"
                .into(),
        ),
        _ => InboxError::unavailable(error),
    }
}

fn list(db: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Entry>> {
    let mut sql = format!("SELECT {ENTRY} FROM delivery WHERE 1");
    let mut values = Vec::new();
    if let Some(state) = filter.state {
        // As a literal, so that the partial index on that state is used.
        sql.push_str(&format!(" AND state = {}", code(state)));
    }
    if let Some(source) = &filter.source {
        sql.push_str(" AND source = ?");
        values.push(Value::from(source.clone()));
    }
    if let Some(after) = filter.after {
        sql.push_str(" AND position > ?");
        values.push(Value::from(i64::try_from(after).unwrap_or(i64::MAX)));
    }
    sql.push_str(" ORDER BY position LIMIT ?");
    let limit = filter.limit.min(Filter::MAX_LIMIT);
    values.push(Value::from(i64::try_from(limit).unwrap_or(i64::MAX)));
    db.prepare_cached(&sql)?.query_map(params_from_iter(values), |row| entry(row, 0))?.collect()
}

fn get(db: &Connection, key: Key, now: i64) -> rusqlite::Result<Option<Detail>> {
    let sql = format!("SELECT {RECORD}, body IS NOT NULL, {ENTRY} FROM delivery WHERE key = ?");
    let detail = db
        .prepare_cached(&sql)?
        .query_row([key.as_bytes()], |row| {
            let record = if row.get(11)? { Some(record(row)?) } else { None };
            Ok(Detail::new(entry(row, 12)?, record))
        })
        .optional()?;
    let expired =
        |detail: &Detail| detail.entry.expires_at.is_some_and(|at| at <= from_millis(now));
    Ok(detail.filter(|detail| detail.record.is_some() || !expired(detail)))
}

fn stats(db: &Connection) -> rusqlite::Result<Stats> {
    let mut stats = Stats::default();
    let mut statement = db.prepare_cached("SELECT state, deliveries FROM count")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (code, deliveries) = (row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs());
        match state(code) {
            Some(state) => *stats.count_mut(state) = deliveries,
            None if code == CHANGED => stats.changed_duplicates = deliveries,
            None => {}
        }
    }
    Ok(stats)
}

/// An entry from [`ENTRY`]'s columns. A damaged row is listed as well: somebody has to find it.
fn entry(row: &Row<'_>, at: usize) -> rusqlite::Result<Entry> {
    let column = |offset: usize| at.saturating_add(offset);
    Ok(Entry {
        position: row.get::<_, i64>(column(0))?.unsigned_abs(),
        key: key(row, column(1))?,
        state: state(row.get(column(2))?).unwrap_or(State::Dead),
        source: text(row, column(3))?.unwrap_or_default(),
        id: text(row, column(4))?,
        event: text(row, column(5))?,
        received_at: from_millis(row.get(column(6))?),
        attempts: attempts(row, column(7))?,
        total_attempts: attempts(row, column(8))?,
        revivals: attempts(row, column(9))?,
        last_error: text(row, column(10))?,
        expires_at: row.get::<_, Option<i64>>(column(11))?.map(from_millis),
    })
}
