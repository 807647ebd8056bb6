//! What may be leased now, and in which order.
//!
//! Only retries wait for a time. What was never tried is due from its accept on, and a suspect that
//! was given back at once; neither is held up by a wall clock that was set back.

use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params};

use crate::inbox::LeaseOptions;
use crate::inbox::lanes::Lanes;

/// The lanes of pending deliveries.
const FIRST: i64 = 0;
const RETRY: i64 = 1;
const SUSPECT: i64 = 2;

/// The positions of ordinary deliveries.
pub(super) fn ordinary(
    db: &Connection,
    now: i64,
    options: &LeaseOptions,
    retry_next: bool,
) -> rusqlite::Result<Vec<i64>> {
    let lane = |lane, until, max| match options.sources.is_limited() {
        false => oldest(db, lane, until, max),
        true => oldest_of_each(db, lane, until, max, options),
    };
    let first = lane(FIRST, i64::MAX, options.max)?.into_iter();
    let retries = lane(RETRY, now, options.max.min(options.max_retries))?.into_iter();
    Ok(Lanes { first, retries }.take(options, retry_next))
}

/// The positions of suspects that were given back.
pub(super) fn suspects(db: &Connection, max: usize) -> rusqlite::Result<Vec<i64>> {
    let suspects = oldest(db, SUSPECT, i64::MAX, max)?;
    Ok(suspects.into_iter().map(|(_, position)| position).collect())
}

/// How long until something that is not due now becomes due.
pub(super) fn next(db: &Connection, now: i64) -> rusqlite::Result<Option<Duration>> {
    let next: Option<i64> = db
        .prepare_cached(
            "SELECT min(due) FROM (
                SELECT min(due_at) AS due FROM delivery WHERE state = 0 AND lane = 1 AND due_at > ?1
                UNION ALL
                SELECT min(due_at) FROM delivery WHERE state = 1 AND due_at > ?1)",
        )?
        .query_row([now], |row| row.get(0))?;
    Ok(next.map(|next| Duration::from_millis(next.saturating_sub(now).unsigned_abs())))
}

/// Positions; the sources are not asked for where they are not limited.
fn oldest(
    db: &Connection,
    lane: i64,
    until: i64,
    max: usize,
) -> rusqlite::Result<Vec<(String, i64)>> {
    db.prepare_cached(
        "SELECT position FROM delivery WHERE state = 0 AND lane = ? AND due_at <= ?
         ORDER BY due_at, position LIMIT ?",
    )?
    .query_map(params![lane, until, limit(max)], |row| Ok((String::new(), row.get(0)?)))?
    .collect()
}

/// Sources and positions, as many of each as it may have: behind a source that has no room there may be
/// a million of its deliveries, which are not looked at.
fn oldest_of_each(
    db: &Connection,
    lane: i64,
    until: i64,
    max: usize,
    options: &LeaseOptions,
) -> rusqlite::Result<Vec<(String, i64)>> {
    let mut next_source = db.prepare_cached(
        "SELECT min(source) FROM delivery WHERE state = 0 AND lane = ? AND source > ?",
    )?;
    let mut of_source = db.prepare_cached(
        "SELECT due_at, position FROM delivery
         WHERE state = 0 AND lane = ? AND source = ? AND due_at <= ?
         ORDER BY due_at, position LIMIT ?",
    )?;
    let mut candidates = Vec::new();
    // As bytes: in a damaged row they may be no text, and it must not hold up the others.
    let mut last = Vec::new();
    let next = |row: &Row<'_>| {
        let source = row.get_ref(0)?.as_bytes_or_null().unwrap_or_default();
        Ok(source.map(<[u8]>::to_vec))
    };
    while let Some(bytes) = next_source.query_row(params![lane, as_text(&last)], next)? {
        let source = String::from_utf8_lossy(&bytes).into_owned();
        let max = limit(max.min(options.sources.of(&source)));
        let mut rows = of_source.query(params![lane, as_text(&bytes), until, max])?;
        while let Some(row) = rows.next()? {
            candidates.push((row.get::<_, i64>(0)?, row.get(1)?, source.clone()));
        }
        drop(rows);
        last = bytes;
    }
    candidates.sort_unstable();
    Ok(candidates.into_iter().map(|(_, position, source)| (source, position)).collect())
}

fn as_text(bytes: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(bytes))
}

fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
