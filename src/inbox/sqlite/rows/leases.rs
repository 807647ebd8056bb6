//! Leases: who has a delivery, for how long, and how its attempt ended.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{LAST, RECORD, Rows, attempts, code, due, key, millis, record};
use crate::delivery::Key;
use crate::inbox::{Batch, Job, LAPSED, Lease, LeaseOptions, Outcome, Settled, State};

/// How many lapsed leases one call looks at.
const LAPSED_AT_ONCE: i64 = 1_024;

impl Rows {
    pub(in crate::inbox::sqlite) fn lease(
        &mut self,
        db: &Connection,
        options: LeaseOptions,
    ) -> rusqlite::Result<Batch> {
        let now = self.now();
        let mut batch = Batch::default();
        let mut lapsed = Vec::new();
        for Lapsed { position, key, attempts, held } in self.lapsed(db, now)? {
            if held.is_some() {
                batch.next_due = held.into_iter().chain(batch.next_due).min();
            } else if attempts >= options.max_attempts {
                bury(db, position, LAPSED)?;
                self.moved(Some(State::Leased), Some(State::Dead));
                batch.buried.push(key);
            } else {
                lapsed.push(position);
            }
        }
        // The lapsed first, then suspects that were given back: one more than asked for, to see
        // whether one is left.
        let given_back = due::suspects(db, options.max.saturating_add(1))?;
        let suspects = lapsed.len().saturating_add(given_back.len());
        let pending = |position| (position, State::Pending);
        let chosen: Vec<(i64, State)> = if options.suspects {
            let lapsed = lapsed.into_iter().map(|position| (position, State::Leased));
            lapsed.chain(given_back.into_iter().map(pending)).take(options.max).collect()
        } else {
            let ordinary = due::ordinary(db, now, &options, self.retry_next)?;
            ordinary.into_iter().map(pending).collect()
        };
        batch.suspect_due = suspects > if options.suspects { chosen.len() } else { 0 };
        for (position, before) in &chosen {
            batch.jobs.extend(self.grant(db, *position, *before, now, &options)?);
        }
        if let Some(last) = batch.jobs.last() {
            self.retry_next = last.total_attempts() == 1;
        }
        batch.next_due = due::next(db, now)?.into_iter().chain(batch.next_due).min();
        // There may be more, and another worker may be idle.
        self.wakes |= chosen.len() == options.max;
        Ok(batch)
    }

    /// Leases one row, which is in this state. One that can't be read is a dead letter, so that it does
    /// not hold up others.
    fn grant(
        &mut self,
        db: &Connection,
        position: i64,
        before: State,
        now: i64,
        options: &LeaseOptions,
    ) -> rusqlite::Result<Option<Job>> {
        let until = now.saturating_add(millis(options.lease));
        let more = |count| format!("{count} = min({count}, {LAST}) + 1");
        let more = ["fence", "attempts", "total_attempts"].map(more).join(", ");
        let sql = format!(
            "UPDATE delivery SET due_at = ?2, {more}, lane = iif(?3, 2, lane), state = 1
             WHERE position = ?1 RETURNING {RECORD}, fence, attempts, total_attempts"
        );
        let (record, fence, attempt, total) = db
            .prepare_cached(&sql)?
            .query_row(params![position, until, options.suspects], |row| {
                Ok((record(row), row.get::<_, i64>(11)?, attempts(row, 12)?, attempts(row, 13)?))
            })?;
        match record {
            Ok(record) => {
                self.moved(Some(before), Some(State::Leased));
                let lease = Lease::new(record.key, fence.unsigned_abs());
                self.remember(lease, options.lease);
                Ok(Some(Job::new(record, lease, attempt, total)))
            }
            Err(error) => {
                self.moved(Some(before), Some(State::Dead));
                let error = format!("the stored delivery can't be read: {error}");
                tracing::error!(position, error, "dead letter");
                bury(db, position, &error)?;
                Ok(None)
            }
        }
    }

    pub(in crate::inbox::sqlite) fn extend(
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

    pub(in crate::inbox::sqlite) fn settle(
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
                        "UPDATE delivery SET state = 0, lane = 1, due_at = ?3, last_error = ?4
                         WHERE key = ?1 AND fence = ?2 AND state = 1",
                    )?
                    .execute(params![key.as_bytes(), fence, due, self.room.fit(error)])?;
                (changed, State::Pending)
            }
            Outcome::Dead { error } => {
                let changed = db
                    .prepare_cached(
                        "UPDATE delivery SET state = 4, lane = 0, due_at = NULL, last_error = ?3
                         WHERE key = ?1 AND fence = ?2 AND state = 1",
                    )?
                    .execute(params![key.as_bytes(), fence, self.room.fit(error)])?;
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

    /// Deletes a delivery that is leased.
    pub(in crate::inbox::sqlite) fn forget(
        &mut self,
        db: &Connection,
        lease: Lease,
    ) -> rusqlite::Result<Settled> {
        let deleted = db
            .prepare_cached("DELETE FROM delivery WHERE key = ?1 AND fence = ?2 AND state = 1")?
            .execute(params![lease.key().as_bytes(), fence(&lease)])?;
        if deleted == 0 {
            return Ok(Settled::Stale);
        }
        self.granted.remove(&lease.key());
        self.moved(Some(State::Leased), None);
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
        let sql = "UPDATE delivery SET state = ?3, lane = 0, due_at = NULL,
                headers = iif(?5 IS NULL, NULL, headers),
                body = iif(?5 IS NULL, NULL, body),
                expires_at = max(started_at + ttl, ?4 + freshness),
                sweep_at = ifnull(?5, max(started_at + ttl, ?4 + freshness))
             WHERE key = ?1 AND fence = ?2 AND state = 1";
        // SQLite makes a fraction of a sum that is too large, and takes none for a time.
        let retain =
            (!self.retain_done.is_zero()).then(|| now.saturating_add(millis(self.retain_done)));
        db.prepare_cached(sql)?.execute(params![key.as_bytes(), fence, code(to), now, retain])
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

    /// For how long this process holds a lease, by its own clock.
    pub(super) fn granted_for(&self, key: &Key, fence: i64) -> Option<Duration> {
        let (_, until) = self.granted.get(key).filter(|(held, _)| *held == fence.unsigned_abs())?;
        let left = until.checked_duration_since(self.clock.instant())?;
        (!left.is_zero()).then_some(left)
    }

    /// The leases that lapsed, by the wall clock at least.
    fn lapsed(&self, db: &Connection, now: i64) -> rusqlite::Result<Vec<Lapsed>> {
        let mut statement = db.prepare_cached(
            "SELECT position, key, fence, attempts FROM delivery
             WHERE state = 1 AND due_at <= ? ORDER BY due_at, position LIMIT ?",
        )?;
        let mut rows = statement.query([now, LAPSED_AT_ONCE])?;
        let mut lapsed = Vec::new();
        while let Some(row) = rows.next()? {
            let (position, key, attempts) = (row.get(0)?, key(row, 1)?, attempts(row, 3)?);
            let held = self.granted_for(&key, row.get(2)?);
            lapsed.push(Lapsed { position, key, attempts, held });
        }
        Ok(lapsed)
    }
}

/// A lease that lapsed by the wall clock.
struct Lapsed {
    position: i64,
    key: Key,
    attempts: u32,
    /// For how long this process holds it all the same: the wall clock has leapt.
    held: Option<Duration>,
}

fn bury(db: &Connection, position: i64, error: &str) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "UPDATE delivery SET state = 4, due_at = NULL, last_error = ?2 WHERE position = ?1",
    )?
    .execute(params![position, error])
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
