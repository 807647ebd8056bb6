//! What an operator does to a delivery.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Rows, code, state};
use crate::delivery::Key;
use crate::inbox::{LedgerError, State};

impl Rows {
    pub(in crate::inbox::sqlite) fn replay(
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
            "UPDATE delivery SET state = 0, fence = fence + 1, lane = total_attempts > 0, attempts = 0,
                due_at = ?2, expires_at = NULL, sweep_at = NULL WHERE key = ?1",
        )?
        .execute(params![key.as_bytes(), self.now()])?;
        self.moved(Some(state), Some(State::Pending));
        Ok(Ok(()))
    }

    pub(in crate::inbox::sqlite) fn discard(
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
            "UPDATE delivery SET state = ?2, fence = fence + 1, lane = 0, due_at = NULL,
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
                if due_at > Some(now) || self.granted_for(key, fence).is_some() =>
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
}
