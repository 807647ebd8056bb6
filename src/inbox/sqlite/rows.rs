//! The steps of a delivery's life as SQL, inside whatever transaction the writer has open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock::Clock;
use crate::delivery::Key;
use crate::inbox::record::{
    decode_headers, duration_millis, encode_headers, from_millis, to_millis,
};
use crate::inbox::{
    Batch, Job, LAPSED, Lease, LeaseOptions, LedgerError, OnDeadDuplicate, Outcome, Put,
    REVIVAL_INTERVAL, Record, Settled, State, log_changed,
};

/// The columns of a record, in the order in which [`record`] reads them.
pub(super) const RECORD: &str =
    "key, source, id, event, secret, signed_at, received_at, ttl, freshness, headers, body";

/// How many lapsed leases one call looks at.
const LAPSED_AT_ONCE: i64 = 1_024;
/// How many rows one sweep touches, so that it never stalls accepts.
const SWEPT_AT_ONCE: i64 = 256;

/// Beside the states in the table of counts: duplicates with another body.
pub(super) const CHANGED: i64 = 5;

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
    /// What the open transaction changes in the table of counts, by state.
    deltas: [i64; 6],
}

impl Rows {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        retain_done: Duration,
        on_dead_duplicate: OnDeadDuplicate,
    ) -> Self {
        Self { clock, retain_done, on_dead_duplicate, granted: HashMap::new(), deltas: [0; 6] }
    }

    pub(super) fn put(&mut self, db: &Connection, record: &Record) -> rusqlite::Result<Put> {
        let now = self.now();
        if insert(db, record, 0, now)? {
            self.moved(None, Some(State::Pending));
            return Ok(Put::New);
        }
        let (code, fence, started_at, expires_at, changed): (i64, i64, i64, Option<i64>, bool) = db
            .prepare_cached(
                "SELECT state, fence, started_at, expires_at, body IS NOT NULL AND body IS NOT ?2
                 FROM delivery WHERE key = ?1",
            )?
            .query_row(params![record.key.as_bytes(), &*record.body], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?;
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            db.prepare_cached("DELETE FROM delivery WHERE key = ?")?
                .execute([record.key.as_bytes()])?;
            insert(db, record, fence.saturating_add(1), now)?;
            self.moved(state(code), Some(State::Pending));
            return Ok(Put::New);
        }
        if changed {
            log_changed(&record.key);
            self.add(CHANGED, 1);
        }
        let interval = i64::try_from(REVIVAL_INTERVAL.as_millis()).unwrap_or(i64::MAX);
        let revivable = state(code) == Some(State::Dead)
            && now.saturating_sub(started_at) >= interval
            && self.on_dead_duplicate == OnDeadDuplicate::Revive;
        if !revivable {
            return Ok(Put::Duplicate);
        }
        db.prepare_cached(
            "UPDATE delivery SET state = 0, fence = fence + 1, suspect = 0, attempts = 0,
                revivals = revivals + 1, started_at = ?2, due_at = ?2 WHERE key = ?1",
        )?
        .execute(params![record.key.as_bytes(), now])?;
        self.moved(Some(State::Dead), Some(State::Pending));
        Ok(Put::Revived)
    }

    pub(super) fn lease(
        &mut self,
        db: &Connection,
        options: LeaseOptions,
    ) -> rusqlite::Result<Batch> {
        let now = self.now();
        let lapsed = self.lapsed(db, now)?;
        let mut batch = Batch::default();
        let mut suspects = Vec::new();
        for (position, key, attempts) in lapsed {
            if attempts >= options.max_attempts {
                bury(db, position, LAPSED)?;
                self.moved(Some(State::Leased), Some(State::Dead));
                batch.buried.push(key);
            } else {
                suspects.push(position);
            }
        }
        // The lapsed first, then suspects that were given back.
        let given_back = positions(db, true, now, options.max)?;
        let chosen: Vec<i64> = if options.suspects {
            suspects.iter().chain(&given_back).copied().take(options.max).collect()
        } else {
            positions(db, false, now, options.max)?
        };
        let due = suspects.len().saturating_add(given_back.len());
        let taken = if options.suspects { chosen.len() } else { 0 };
        batch.suspect_due = due > taken;
        for position in &chosen {
            batch.jobs.extend(self.grant(db, *position, now, options)?);
        }
        batch.next_due = next_due(db, now)?;
        Ok(batch)
    }

    /// Leases one row. One that can't be read is a dead letter, so that it does not hold up others.
    fn grant(
        &mut self,
        db: &Connection,
        position: i64,
        now: i64,
        options: LeaseOptions,
    ) -> rusqlite::Result<Option<Job>> {
        // RETURNING shows the row as it is now, so whether it was pending or lapsed is asked first.
        let before: i64 = db
            .prepare_cached("SELECT state FROM delivery WHERE position = ?")?
            .query_row([position], |row| row.get(0))?;
        let until = now.saturating_add(millis(options.lease));
        let sql = format!(
            "UPDATE delivery SET due_at = ?2, fence = fence + 1, attempts = attempts + 1,
                total_attempts = total_attempts + 1, suspect = ?3, state = 1
             WHERE position = ?1 RETURNING {RECORD}, fence, attempts"
        );
        let (record, fence, attempt) = db
            .prepare_cached(&sql)?
            .query_row(params![position, until, options.suspects], |row| {
                Ok((record(row), row.get::<_, i64>(11)?, row.get::<_, u32>(12)?))
            })?;
        match record {
            Ok(record) => {
                self.moved(state(before), Some(State::Leased));
                let lease = Lease::new(record.key, fence.unsigned_abs());
                self.remember(lease, options.lease);
                Ok(Some(Job::new(record, lease, attempt)))
            }
            Err(error) => {
                self.moved(state(before), Some(State::Dead));
                let error = format!("the stored delivery can't be read: {error}");
                tracing::error!(position, error, "dead letter");
                bury(db, position, &error)?;
                Ok(None)
            }
        }
    }

    pub(super) fn extend(
        &mut self,
        db: &Connection,
        leases: &[Lease],
        by: Duration,
    ) -> rusqlite::Result<Vec<Lease>> {
        let until = self.now().saturating_add(millis(by));
        let mut lost = Vec::new();
        for lease in leases {
            let held = db
                .prepare_cached(
                    "UPDATE delivery SET due_at = ?3 WHERE key = ?1 AND fence = ?2 AND state = 1",
                )?
                .execute(params![lease.key().as_bytes(), fence(lease), until])?;
            if held > 0 {
                self.remember(*lease, by);
            } else if fence_of(db, &lease.key())?.is_some_and(|now| now != fence(lease)) {
                lost.push(*lease);
            }
        }
        Ok(lost)
    }

    pub(super) fn settle(
        &mut self,
        db: &Connection,
        lease: Lease,
        outcome: &Outcome,
    ) -> rusqlite::Result<Settled> {
        let now = self.now();
        let (key, fence) = (lease.key(), fence(&lease));
        let (changed, to) = match outcome {
            Outcome::Done => (self.finish(db, &key, fence, State::Done, now)?, State::Done),
            Outcome::Skipped => {
                (self.finish(db, &key, fence, State::Skipped, now)?, State::Skipped)
            }
            Outcome::Retry { after, error } => {
                let due = now.saturating_add(millis(*after));
                let changed = db
                    .prepare_cached(
                        "UPDATE delivery SET state = 0, suspect = 0, due_at = ?3, last_error = ?4
                         WHERE key = ?1 AND fence = ?2 AND state = 1",
                    )?
                    .execute(params![key.as_bytes(), fence, due, error])?;
                (changed, State::Pending)
            }
            Outcome::Dead { error } => {
                let changed = db
                    .prepare_cached(
                        "UPDATE delivery SET state = 4, suspect = 0, due_at = NULL, last_error = ?3
                         WHERE key = ?1 AND fence = ?2 AND state = 1",
                    )?
                    .execute(params![key.as_bytes(), fence, error])?;
                (changed, State::Dead)
            }
            // The suspicion stays: only an attempt that ended clears it.
            Outcome::Released => {
                let changed = db
                    .prepare_cached(
                        "UPDATE delivery SET state = 0, due_at = ?3, attempts = attempts - 1,
                            total_attempts = total_attempts - 1
                         WHERE key = ?1 AND fence = ?2 AND state = 1",
                    )?
                    .execute(params![key.as_bytes(), fence, now])?;
                (changed, State::Pending)
            }
        };
        if changed == 0 {
            return Ok(Settled::Stale);
        }
        self.granted.remove(&key);
        self.moved(Some(State::Leased), Some(to));
        Ok(Settled::Recorded)
    }

    /// Done or Skipped: the key gets its expiry, and the bytes theirs.
    fn finish(
        &self,
        db: &Connection,
        key: &Key,
        fence: i64,
        to: State,
        now: i64,
    ) -> rusqlite::Result<usize> {
        let sql = "UPDATE delivery SET state = ?3, suspect = 0, due_at = NULL,
                headers = CASE WHEN ?5 = 0 THEN NULL ELSE headers END,
                body = CASE WHEN ?5 = 0 THEN NULL ELSE body END,
                expires_at = max(started_at + ttl, ?4 + freshness),
                sweep_at = CASE WHEN ?5 = 0 THEN max(started_at + ttl, ?4 + freshness)
                    ELSE ?4 + ?5 END
             WHERE key = ?1 AND fence = ?2 AND state = 1";
        let retain = millis(self.retain_done);
        db.prepare_cached(sql)?.execute(params![key.as_bytes(), fence, code(to), now, retain])
    }

    pub(super) fn replay(
        &mut self,
        db: &Connection,
        key: Key,
    ) -> rusqlite::Result<Result<(), LedgerError>> {
        let (state, has_bytes) = match self.idle(db, &key)? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        if !has_bytes {
            return Ok(Err(LedgerError::BytesGone));
        }
        db.prepare_cached(
            "UPDATE delivery SET state = 0, fence = fence + 1, suspect = 0, attempts = 0,
                due_at = ?2, expires_at = NULL, sweep_at = NULL WHERE key = ?1",
        )?
        .execute(params![key.as_bytes(), self.now()])?;
        self.moved(Some(state), Some(State::Pending));
        Ok(Ok(()))
    }

    pub(super) fn discard(
        &mut self,
        db: &Connection,
        key: Key,
    ) -> rusqlite::Result<Result<(), LedgerError>> {
        let state = match self.idle(db, &key)? {
            Ok((state, _)) => state,
            Err(error) => return Ok(Err(error)),
        };
        let to = if state == State::Done { State::Done } else { State::Skipped };
        db.prepare_cached(
            "UPDATE delivery SET state = ?2, fence = fence + 1, suspect = 0, due_at = NULL,
                headers = NULL, body = NULL,
                expires_at = coalesce(expires_at, max(started_at + ttl, ?3 + freshness)),
                sweep_at = coalesce(expires_at, max(started_at + ttl, ?3 + freshness))
             WHERE key = ?1",
        )?
        .execute(params![key.as_bytes(), code(to), self.now()])?;
        self.moved(Some(state), Some(to));
        Ok(Ok(()))
    }

    /// The state of a delivery that no worker has, and whether its bytes are there.
    fn idle(
        &self,
        db: &Connection,
        key: &Key,
    ) -> rusqlite::Result<Result<(State, bool), LedgerError>> {
        let now = self.now();
        let found = db
            .prepare_cached(
                "SELECT state, fence, due_at, expires_at, body IS NOT NULL FROM delivery WHERE key = ?",
            )?
            .query_row([key.as_bytes()], |row| {
                let state = state(row.get(0)?);
                let fence: i64 = row.get(1)?;
                let (due_at, expires_at): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
                Ok((state, fence, due_at, expires_at, row.get::<_, bool>(4)?))
            })
            .optional()?;
        Ok(match found {
            Some((Some(State::Leased), fence, due_at, ..))
                if due_at > Some(now) || self.is_granted(key, fence) =>
            {
                Err(LedgerError::Leased)
            }
            Some((Some(state), _, _, expires_at, has_bytes))
                if has_bytes || expires_at.is_none_or(|expires_at| expires_at > now) =>
            {
                Ok((state, has_bytes))
            }
            _ => Err(LedgerError::NotFound),
        })
    }

    /// A write, to see whether the store takes one. One that changes nothing would not reach the log.
    pub(super) fn probe(db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached("UPDATE count SET deliveries = deliveries + 1 WHERE state = 6")?
            .execute([])
            .map(drop)
    }

    /// Drops bytes and keys whose time has come; whether there may be more.
    pub(super) fn sweep(&mut self, db: &Connection) -> rusqlite::Result<bool> {
        let now = self.now();
        let due: Vec<(i64, i64, bool)> = db
            .prepare_cached(
                "SELECT position, state, expires_at <= ?1 FROM delivery
                 WHERE sweep_at <= ?1 ORDER BY sweep_at LIMIT ?2",
            )?
            .query_map([now, SWEPT_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        for (position, code, expired) in &due {
            if *expired {
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
        Ok(i64::try_from(due.len()).unwrap_or(i64::MAX) == SWEPT_AT_ONCE)
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

    fn moved(&mut self, from: Option<State>, to: Option<State>) {
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

    fn remember(&mut self, lease: Lease, length: Duration) {
        let now = self.clock.instant();
        // Leases that were never settled here would stay for ever.
        if self.granted.len() > 4_096 {
            self.granted.retain(|_, (_, until)| *until > now);
        }
        let until = now.checked_add(length).unwrap_or(now);
        self.granted.insert(lease.key(), (lease.fence(), until));
    }

    fn is_granted(&self, key: &Key, fence: i64) -> bool {
        self.granted.get(key).is_some_and(|(granted, until)| {
            *granted == fence.unsigned_abs() && *until > self.clock.instant()
        })
    }

    /// The leases that lapsed: position, key, attempts.
    fn lapsed(&self, db: &Connection, now: i64) -> rusqlite::Result<Vec<(i64, Key, u32)>> {
        let mut statement = db.prepare_cached(
            "SELECT position, key, fence, attempts FROM delivery
             WHERE state = 1 AND due_at <= ? ORDER BY due_at, position LIMIT ?",
        )?;
        let mut rows = statement.query([now, LAPSED_AT_ONCE])?;
        let mut lapsed = Vec::new();
        while let Some(row) = rows.next()? {
            let key = Key::from_bytes(row.get(1)?);
            if !self.is_granted(&key, row.get(2)?) {
                lapsed.push((row.get(0)?, key, row.get(3)?));
            }
        }
        Ok(lapsed)
    }
}

/// Writes a new row, unless the key is there.
fn insert(db: &Connection, record: &Record, min_fence: i64, now: i64) -> rusqlite::Result<bool> {
    // Fences begin with the time, so that a row that was forgotten and comes again is ahead of
    // every lease of its first life.
    let fence = now.saturating_mul(1_000).max(min_fence);
    let inserted = db
        .prepare_cached(
            "INSERT INTO delivery (key, state, fence, due_at, started_at, ttl, freshness, source, id,
                event, secret, signed_at, received_at, headers, body)
             VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?4, ?12, ?13)
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
        ])?;
    Ok(inserted == 1)
}

fn bury(db: &Connection, position: i64, error: &str) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "UPDATE delivery SET state = 4, due_at = NULL, last_error = ?2 WHERE position = ?1",
    )?
    .execute(params![position, error])
}

/// Pending deliveries that are due, suspects or not.
fn positions(db: &Connection, suspects: bool, now: i64, max: usize) -> rusqlite::Result<Vec<i64>> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    db.prepare_cached(
        "SELECT position FROM delivery WHERE state = 0 AND suspect = ? AND due_at <= ?
         ORDER BY due_at, position LIMIT ?",
    )?
    .query_map(params![suspects, now, max], |row| row.get(0))?
    .collect()
}

/// How long until something that is not due now becomes due.
fn next_due(db: &Connection, now: i64) -> rusqlite::Result<Option<Duration>> {
    let next: Option<i64> = db
        .prepare_cached(
            "SELECT min(due) FROM (
                SELECT min(due_at) AS due FROM delivery WHERE state = 0 AND suspect = 0 AND due_at > ?1
                UNION ALL
                SELECT min(due_at) FROM delivery WHERE state = 0 AND suspect = 1 AND due_at > ?1
                UNION ALL
                SELECT min(due_at) FROM delivery WHERE state = 1 AND due_at > ?1)",
        )?
        .query_row([now], |row| row.get(0))?;
    Ok(next.map(|next| Duration::from_millis(next.saturating_sub(now).unsigned_abs())))
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

/// The fence as it is; a lease that was settled leaves it alone.
fn fence_of(db: &Connection, key: &Key) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT fence FROM delivery WHERE key = ?")?
        .query_row([key.as_bytes()], |row| row.get(0))
        .optional()
}

fn fence(lease: &Lease) -> i64 {
    i64::try_from(lease.fence()).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration_millis(duration)).unwrap_or(i64::MAX)
}
