//! The steps of a delivery's life as SQL, inside whatever transaction the writer has open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::SqliteOptions;
use crate::clock::Clock;
use crate::delivery::Key;
use crate::inbox::record::{
    decode_headers, duration_millis, encode_headers, from_millis, to_millis,
};
use crate::inbox::{OnDeadDuplicate, Put, REVIVAL_INTERVAL, Record, State, log_changed};

mod due;
mod leases;
mod ledger;
mod room;

use room::Room;

/// The columns of a record, in the order in which [`record`] reads them.
pub(super) const RECORD: &str =
    "key, source, id, event, secret, signed_at, received_at, ttl, freshness, headers, body";

/// Beside the states in the table of counts: duplicates with another body or event type.
pub(super) const CHANGED: i64 = 5;
/// The highest number to which one can be added: whatever is in a damaged row, more must not fail.
const LAST: i64 = i64::MAX - 1;
/// No count: the highest fence of a row that was dropped.
const DROPPED_FENCE: i64 = 7;

pub(super) const fn code(state: State) -> i64 {
    match state {
        State::Pending => 0,
        State::Leased => 1,
        State::Done => 2,
        State::Skipped => 3,
        State::Dead => 4,
    }
}

pub(super) const fn state(code: i64) -> Option<State> {
    Some(match code {
        0 => State::Pending,
        1 => State::Leased,
        2 => State::Done,
        3 => State::Skipped,
        4 => State::Dead,
        _ => return None,
    })
}

/// What the writer keeps between transactions.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) retain_done: Duration,
    pub(super) on_dead_duplicate: OnDeadDuplicate,
    /// The leases that this process granted, by a clock that never jumps: if the wall clock leaps
    /// ahead its own workers' jobs are not taken for lapsed.
    granted: HashMap<Key, (u64, Instant)>,
    /// What the file may still grow by for accepts.
    pub(super) room: Room,
    /// What the open transaction changes in the table of counts, by state.
    deltas: [i64; 6],
    /// Whether the open transaction made something due, or left something due unleased.
    wakes: bool,
    /// Whether it is the turn of a retry: they alternate with what was never tried.
    retry_next: bool,
}

impl Rows {
    pub(super) fn new(options: &SqliteOptions) -> Self {
        Self {
            clock: options.clock.clone(),
            retain_done: options.retain_done,
            on_dead_duplicate: options.on_dead_duplicate,
            granted: HashMap::new(),
            room: Room::new(options.max_bytes),
            deltas: [0; 6],
            wakes: false,
            retry_next: false,
        }
    }

    pub(super) fn put(&mut self, db: &Connection, record: &Record) -> rusqlite::Result<Put> {
        // What another store accepted first is judged as of then.
        let (now, received_at) = (self.now(), to_millis(record.received_at));
        if insert(db, record, 0, now)? {
            self.room.take(record)?;
            self.moved(None, Some(State::Pending));
            return Ok(Put::New);
        }
        let (code, fence, started_at, expires_at, changed): (i64, i64, i64, Option<i64>, bool) = db
            .prepare_cached(
                // A body of another length is not read: of `OR`, SQLite computes both sides.
                "SELECT state, fence, started_at, expires_at, CASE
                    WHEN event IS NOT ?3 THEN 1
                    WHEN body IS NULL THEN 0
                    WHEN length(body) != length(?2) THEN 1
                    ELSE body IS NOT ?2 END
                 FROM delivery WHERE key = ?1",
            )?
            .query_row(params![record.key.as_bytes(), &*record.body, record.event], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?;
        if expires_at.is_some_and(|expires_at| expires_at <= received_at) {
            db.prepare_cached("DELETE FROM delivery WHERE key = ?")?
                .execute([record.key.as_bytes()])?;
            insert(db, record, fence.saturating_add(1), now)?;
            self.room.take(record)?;
            self.moved(state(code), Some(State::Pending));
            return Ok(Put::New);
        }
        if changed {
            log_changed(&record.key);
            self.add(CHANGED, 1);
        }
        let interval = i64::try_from(REVIVAL_INTERVAL.as_millis()).unwrap_or(i64::MAX);
        let revivable = state(code) == Some(State::Dead)
            && received_at.saturating_sub(started_at) >= interval
            && self.on_dead_duplicate == OnDeadDuplicate::Revive;
        if !revivable {
            return Ok(Put::Duplicate);
        }
        db.prepare_cached(
            "UPDATE delivery SET state = 0, fence = fence + 1, lane = 1, attempts = 0,
                revivals = revivals + 1, started_at = ?2, due_at = ?2 WHERE key = ?1",
        )?
        .execute(params![record.key.as_bytes(), now])?;
        self.moved(Some(State::Dead), Some(State::Pending));
        Ok(Put::Revived)
    }

    /// A write, to see whether the store takes one.
    pub(super) fn probe(&self, db: &Connection) -> rusqlite::Result<()> {
        self.room.check()?;
        touch(db)
    }

    /// Drops bytes and keys whose time has come, of so many deliveries at most; of how many it did.
    pub(super) fn sweep(&mut self, db: &Connection, max: u32) -> rusqlite::Result<u32> {
        let now = self.now();
        let due: Vec<(i64, i64, i64, bool)> = db
            .prepare_cached(
                "SELECT position, state, fence, expires_at <= ?1 FROM delivery
                 WHERE sweep_at <= ?1 ORDER BY sweep_at LIMIT ?2",
            )?
            .query_map([now, max.into()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<Result<_, _>>()?;
        let mut dropped_fence = None;
        for (position, code, fence, expired) in &due {
            if *expired {
                dropped_fence = dropped_fence.max(Some(*fence));
                db.prepare_cached("DELETE FROM delivery WHERE position = ?")?
                    .execute([position])?;
                self.moved(state(*code), None);
            } else {
                db.prepare_cached(
                    "UPDATE delivery SET headers = NULL, body = NULL, sweep_at = expires_at
                     WHERE position = ?",
                )?
                .execute([position])?;
            }
        }
        if let Some(fence) = dropped_fence {
            db.prepare_cached(
                "INSERT INTO count VALUES (?1, ?2) ON CONFLICT (state)
                 DO UPDATE SET deliveries = max(deliveries, excluded.deliveries)",
            )?
            .execute([DROPPED_FENCE, fence])?;
        }
        Ok(u32::try_from(due.len()).unwrap_or(u32::MAX))
    }

    /// How many deliveries the open transaction settles for good.
    pub(super) fn settled(&self) -> u32 {
        let [_, _, done, skipped, ..] = self.deltas;
        u32::try_from(done.saturating_add(skipped)).unwrap_or(0)
    }

    /// Writes the counts that the open transaction changed.
    pub(super) fn write_counts(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for (state, delta) in (0i64..).zip(std::mem::take(&mut self.deltas)) {
            if delta != 0 {
                db.prepare_cached(
                    "UPDATE count SET deliveries = deliveries + ?2 WHERE state = ?1",
                )?
                .execute([state, delta])?;
            }
        }
        Ok(())
    }

    /// The counts so far, to come back to when a step or the whole transaction is undone.
    pub(super) fn counts(&self) -> [i64; 6] {
        self.deltas
    }

    pub(super) fn reset_counts(&mut self, counts: [i64; 6]) {
        self.deltas = counts;
    }

    fn now(&self) -> i64 {
        to_millis(self.clock.now())
    }

    /// Whether a worker has to look, said once.
    pub(super) fn take_wakes(&mut self) -> bool {
        std::mem::take(&mut self.wakes)
    }

    fn moved(&mut self, from: Option<State>, to: Option<State>) {
        self.wakes |= to == Some(State::Pending);
        for (state, step) in [(from, -1), (to, 1)] {
            if let Some(state) = state {
                self.add(code(state), step);
            }
        }
    }

    fn add(&mut self, count: i64, step: i64) {
        let slot = usize::try_from(count).ok().and_then(|count| self.deltas.get_mut(count));
        if let Some(slot) = slot {
            *slot = slot.saturating_add(step);
        }
    }
}

/// Writes something. What changes nothing would not reach the log.
pub(super) fn touch(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE count SET deliveries = deliveries + 1 WHERE state = 6")?
        .execute([])
        .map(drop)
}

/// Writes a new row, unless the key is there.
fn insert(db: &Connection, record: &Record, min_fence: i64, now: i64) -> rusqlite::Result<bool> {
    // A row that was forgotten and comes again is ahead of every lease of its first life. The time
    // sees to that, unless the clock was set back.
    let fence = now.saturating_mul(1_000).max(min_fence);
    let inserted = db
        .prepare_cached(
            "INSERT INTO delivery (key, state, fence, due_at, started_at, ttl, freshness, source, id,
                event, secret, signed_at, received_at, headers, body)
             VALUES (?1, 0,
                max(?2, coalesce((SELECT min(deliveries, ?15) FROM count WHERE state = ?14) + 1, 0)),
                ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?4, ?12, ?13)
             ON CONFLICT (key) DO NOTHING",
        )?
        .execute(params![
            record.key.as_bytes(),
            fence,
            now,
            to_millis(record.received_at),
            millis(record.ttl),
            millis(record.freshness),
            record.source,
            record.id,
            record.event,
            record.secret,
            record.signed_at.map(to_millis),
            encode_headers(&record.headers),
            &*record.body,
            DROPPED_FENCE,
            LAST,
        ])?;
    Ok(inserted == 1)
}

/// A record from [`RECORD`]'s columns.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let headers = Bytes::from(row.get::<_, Option<Vec<u8>>>(9)?.unwrap_or_default());
    let headers = decode_headers(&headers).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(9, rusqlite::types::Type::Blob, error.into())
    })?;
    Ok(Record {
        key: Key::from_bytes(row.get(0)?),
        source: row.get(1)?,
        id: row.get(2)?,
        event: row.get(3)?,
        secret: row.get(4)?,
        signed_at: row.get::<_, Option<i64>>(5)?.map(from_millis),
        received_at: from_millis(row.get(6)?),
        ttl: Duration::from_millis(row.get::<_, i64>(7)?.unsigned_abs()),
        freshness: Duration::from_millis(row.get::<_, i64>(8)?.unsigned_abs()),
        headers,
        body: row.get::<_, Option<Vec<u8>>>(10)?.unwrap_or_default().into(),
    })
}

/// A count of attempts, of whatever a damaged row has there.
pub(super) fn attempts(row: &Row<'_>, at: usize) -> rusqlite::Result<u32> {
    Ok(u32::try_from(row.get::<_, i64>(at)?.max(0)).unwrap_or(u32::MAX))
}

/// A key; of a damaged row one that no delivery has.
pub(super) fn key(row: &Row<'_>, at: usize) -> rusqlite::Result<Key> {
    let bytes: Vec<u8> = row.get(at)?;
    Ok(Key::from_bytes(bytes.try_into().unwrap_or_default()))
}

/// A text; of a damaged row without what is none.
pub(super) fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    let bytes = row.get_ref(at)?.as_bytes_or_null().unwrap_or_default();
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration_millis(duration)).unwrap_or(i64::MAX)
}
