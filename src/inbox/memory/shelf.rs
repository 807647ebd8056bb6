//! All that the lock of a [`MemoryInbox`](super::MemoryInbox) guards, and the rules of its inbox.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::keys::Keys;
use crate::delivery::Key;
use crate::inbox::lanes::Lanes;
use crate::inbox::{
    Batch, Entry, InboxError, Job, LAPSED, Lease, LeaseOptions, LedgerError, OnDeadDuplicate,
    Outcome, Put, REVIVAL_INTERVAL, Record, Settled, State, log_changed,
};
use crate::window::{KeyHash, WhenFull};

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) deliveries: usize,
    pub(super) bytes: usize,
    pub(super) key_bytes: usize,
    pub(super) when_full: WhenFull,
    pub(super) on_dead_duplicate: OnDeadDuplicate,
}

/// Windows are judged by the wall clock; leases and due times by one that never jumps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: SystemTime,
    pub(super) steady: Instant,
}

/// What a queue is ordered by: the time, then the order of accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    at: Instant,
    position: u64,
    key: Key,
}

impl Due {
    /// What comes after all that is due at this time.
    fn last_at(at: Instant) -> Self {
        Self { at, position: u64::MAX, key: Key::from_bytes([0xff; 32]) }
    }
}

/// A delivery that is pending, leased or dead.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) record: Arc<Record>,
    pub(super) position: u64,
    pub(super) state: State,
    fence: u64,
    suspect: bool,
    attempts: u32,
    total_attempts: u32,
    revivals: u32,
    started_at: SystemTime,
    /// Pending: when it is due. Leased: when the lease lapses.
    due: Instant,
    last_error: Option<String>,
}

impl Row {
    fn due(&self) -> Due {
        Due { at: self.due, position: self.position, key: self.record.key() }
    }

    pub(super) fn entry(&self) -> Entry {
        Entry {
            attempts: self.attempts,
            total_attempts: self.total_attempts,
            revivals: self.revivals,
            last_error: self.last_error.clone(),
            ..Entry::new(&self.record, self.position, self.state)
        }
    }
}

/// All that the lock guards.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) rows: HashMap<Key, Row, KeyHash>,
    /// Never tried, or tried before.
    first: BTreeSet<Due>,
    retries: BTreeSet<Due>,
    leased: BTreeSet<Due>,
    /// Suspects that were given back.
    suspects: BTreeSet<Due>,
    pub(super) keys: Keys,
    /// Whether it is the turn of a retry: they alternate with what was never tried.
    retry_next: bool,
    bytes: usize,
    positions: u64,
    fences: u64,
    pub(super) changed_duplicates: u64,
    warned: bool,
}

impl Shelf {
    pub(super) fn new(key_bytes: usize) -> Self {
        Self {
            rows: HashMap::default(),
            first: BTreeSet::new(),
            retries: BTreeSet::new(),
            leased: BTreeSet::new(),
            suspects: BTreeSet::new(),
            keys: Keys::with_max_bytes(key_bytes),
            retry_next: false,
            bytes: 0,
            positions: 0,
            fences: 0,
            changed_duplicates: 0,
            warned: false,
        }
    }

    pub(super) fn put(
        &mut self,
        record: Record,
        now: Now,
        limits: Limits,
    ) -> Result<Put, InboxError> {
        if let Some(row) = self.rows.get_mut(&record.key()) {
            let accepted = &row.record;
            if accepted.body != record.body || accepted.event != record.event {
                log_changed(&record.key);
                self.changed_duplicates = self.changed_duplicates.saturating_add(1);
            }
            let since = record.received_at().duration_since(row.started_at).unwrap_or_default();
            let revives = limits.on_dead_duplicate == OnDeadDuplicate::Revive;
            if row.state != State::Dead || since < REVIVAL_INTERVAL || !revives {
                return Ok(Put::Duplicate);
            }
            row.revivals = row.revivals.saturating_add(1);
            row.started_at = now.wall;
            self.restart(record.key(), now);
            return Ok(Put::Revived);
        }
        if self.keys.contains(&record.key(), record.received_at()) {
            return Ok(Put::Duplicate);
        }
        self.fences = self.fences.saturating_add(1);
        self.positions = self.positions.saturating_add(1);
        let row = Row {
            position: self.positions,
            state: State::Pending,
            fence: self.fences,
            suspect: false,
            attempts: 0,
            total_attempts: 0,
            revivals: 0,
            started_at: record.received_at(),
            due: now.steady,
            last_error: None,
            record: Arc::new(record),
        };
        let bytes = row.record.bytes_in_memory();
        self.make_room(bytes, now, limits)?;
        self.bytes = self.bytes.saturating_add(bytes);
        let key = row.record.key();
        self.rows.insert(key, row);
        self.enqueue(&key);
        Ok(Put::New)
    }

    /// Room for a delivery and, once it is settled, for its key.
    fn make_room(&mut self, bytes: usize, now: Now, limits: Limits) -> Result<(), InboxError> {
        self.check_deliveries(bytes, limits)?;
        match (self.check_keys(now), limits.when_full) {
            (Err(_), WhenFull::ShortenWindow) => {
                self.keys.forget_earliest_half();
                tracing::warn!("the window is shortened: the keys that expire first are forgotten");
                Ok(())
            }
            (checked, _) => checked,
        }
    }

    pub(super) fn check_deliveries(&self, bytes: usize, limits: Limits) -> Result<(), InboxError> {
        let full = |what: &str| Err(InboxError::Full(what.into()));
        if self.rows.len() >= limits.deliveries {
            return full("too many deliveries are pending, leased or dead");
        }
        if self.bytes.saturating_add(bytes) > limits.bytes {
            return full("the deliveries that are pending, leased or dead have too many bytes");
        }
        Ok(())
    }

    /// Each delivery that is not settled will leave a key.
    pub(super) fn check_keys(&mut self, now: Now) -> Result<(), InboxError> {
        let max = self.keys.max();
        let has_room = |shelf: &Self| shelf.keys.len().saturating_add(shelf.rows.len()) < max;
        if !has_room(self) {
            self.keys.drop_expired(now.wall);
        }
        let nearly_full =
            self.keys.len().saturating_add(self.rows.len()) >= max.saturating_sub(max / 4);
        if nearly_full && !self.warned {
            tracing::warn!(keys = self.keys.len(), max, "the keys take 75 % of their memory");
        }
        self.warned = nearly_full;
        if has_room(self) {
            return Ok(());
        }
        Err(InboxError::Full("there is no memory for another key inside the window".into()))
    }

    pub(super) fn lease(&mut self, options: &LeaseOptions, now: Now) -> Batch {
        let buried = self.bury(options.max_attempts, now);
        let mut batch = Batch { buried, ..Batch::default() };
        let places: Vec<Due> = if options.suspects {
            let lapsed = self.leased.range(..=Due::last_at(now.steady));
            lapsed.chain(&self.suspects).take(options.max).copied().collect()
        } else {
            self.ordinary(options, now)
        };
        for place in places {
            self.dequeue(&place);
            let Some(row) = self.rows.get_mut(&place.key) else { continue };
            self.fences = self.fences.saturating_add(1);
            row.suspect = options.suspects;
            row.state = State::Leased;
            row.fence = self.fences;
            row.attempts = row.attempts.saturating_add(1);
            row.total_attempts = row.total_attempts.saturating_add(1);
            row.due = now.steady.checked_add(options.lease).unwrap_or(now.steady);
            self.leased.insert(row.due());
            let lease = Lease::new(place.key, row.fence);
            let (attempts, total) = (row.attempts, row.total_attempts);
            batch.jobs.push(Job::new(row.record.clone(), lease, attempts, total));
        }
        if let Some(last) = batch.jobs.last() {
            self.retry_next = last.total_attempts() == 1;
        }
        let first = |queue: &BTreeSet<Due>| queue.first().is_some_and(|due| due.at <= now.steady);
        batch.suspect_due = first(&self.leased) || first(&self.suspects);
        let queues = [&self.retries, &self.leased].into_iter();
        let later = queues.filter_map(|queue| queue.range(Due::last_at(now.steady)..).next());
        batch.next_due = later.map(|due| due.at.duration_since(now.steady)).min();
        batch
    }

    fn ordinary(&self, options: &LeaseOptions, now: Now) -> Vec<Due> {
        let named = |due: &Due| {
            let row = self.rows.get(&due.key);
            (row.map_or("", |row| row.record.source()), *due)
        };
        let first = self.first.iter().map(named);
        let retries = self.retries.range(..=Due::last_at(now.steady)).map(named);
        Lanes { first, retries }.take(options, self.retry_next)
    }

    /// Makes dead letters of the deliveries whose lease lapsed in their last attempt.
    fn bury(&mut self, max_attempts: u32, now: Now) -> Vec<Key> {
        let lapsed = self.leased.iter().take_while(|due| due.at <= now.steady);
        let spent = |place: &&Due| {
            self.rows.get(&place.key).is_some_and(|row| row.attempts >= max_attempts)
        };
        let buried: Vec<Due> = lapsed.filter(spent).copied().collect();
        for place in &buried {
            self.leased.remove(place);
            if let Some(row) = self.rows.get_mut(&place.key) {
                row.state = State::Dead;
                row.last_error = Some(LAPSED.into());
            }
        }
        buried.into_iter().map(|due| due.key).collect()
    }

    /// Takes a delivery out of the queue that it is in.
    fn dequeue(&mut self, place: &Due) {
        let queues = [&mut self.leased, &mut self.first, &mut self.retries, &mut self.suspects];
        queues.into_iter().any(|queue| queue.remove(place));
    }

    /// Puts a pending delivery into its queue.
    fn enqueue(&mut self, key: &Key) {
        let Some(row) = self.rows.get(key) else { return };
        let queue = match (row.suspect, row.total_attempts) {
            (true, _) => &mut self.suspects,
            (false, 0) => &mut self.first,
            (false, _) => &mut self.retries,
        };
        queue.insert(row.due());
    }

    /// `Err` if somebody else has taken it over; one that was settled is not renewed, nor lost.
    pub(super) fn extend(&mut self, lease: Lease, by: Duration, now: Now) -> Result<(), ()> {
        let Some(row) = self.rows.get_mut(&lease.key()) else { return Ok(()) };
        if row.fence != lease.fence() {
            return Err(());
        }
        if row.state == State::Leased {
            self.leased.remove(&row.due());
            row.due = now.steady.checked_add(by).unwrap_or(now.steady);
            self.leased.insert(row.due());
        }
        Ok(())
    }

    pub(super) fn settle(&mut self, lease: Lease, outcome: Outcome, now: Now) -> Settled {
        let Some(row) = self.rows.get_mut(&lease.key()) else { return Settled::Stale };
        if row.state != State::Leased || row.fence != lease.fence() {
            return Settled::Stale;
        }
        if let Outcome::Done | Outcome::Skipped = outcome {
            self.forget(lease.key(), now);
            return Settled::Recorded;
        }
        self.leased.remove(&row.due());
        let released = outcome == Outcome::Released;
        match outcome {
            Outcome::Done | Outcome::Skipped => {}
            Outcome::Retry { after, error } => {
                row.state = State::Pending;
                row.due = now.steady.checked_add(after).unwrap_or(now.steady);
                row.last_error = Some(error);
            }
            Outcome::Dead { error } => {
                row.state = State::Dead;
                row.last_error = Some(error);
            }
            Outcome::Released => {
                row.state = State::Pending;
                row.due = now.steady;
                row.attempts = row.attempts.saturating_sub(1);
                row.total_attempts = row.total_attempts.saturating_sub(1);
            }
        }
        // Only an attempt that ended clears the suspicion.
        row.suspect &= released;
        if row.state == State::Pending {
            self.enqueue(&lease.key());
        }
        Settled::Recorded
    }

    pub(super) fn replay(&mut self, key: Key, now: Now) -> Result<(), LedgerError> {
        match self.rows.get(&key) {
            None if self.keys.contains(&key, now.wall) => Err(LedgerError::BytesGone),
            None => Err(LedgerError::NotFound),
            Some(row) if row.state == State::Leased && row.due > now.steady => {
                Err(LedgerError::Leased)
            }
            Some(_) => {
                self.restart(key, now);
                Ok(())
            }
        }
    }

    pub(super) fn discard(&mut self, key: Key, now: Now) -> Result<(), LedgerError> {
        match self.rows.get(&key) {
            None if self.keys.contains(&key, now.wall) => Ok(()),
            None => Err(LedgerError::NotFound),
            Some(row) if row.state == State::Leased && row.due > now.steady => {
                Err(LedgerError::Leased)
            }
            Some(_) => {
                self.forget(key, now);
                Ok(())
            }
        }
    }

    /// Pending, due now, with new attempts and a new fence.
    fn restart(&mut self, key: Key, now: Now) {
        let Some(place) = self.rows.get(&key).map(Row::due) else { return };
        self.dequeue(&place);
        let Some(row) = self.rows.get_mut(&key) else { return };
        self.fences = self.fences.saturating_add(1);
        row.state = State::Pending;
        row.fence = self.fences;
        row.attempts = 0;
        row.suspect = false;
        row.due = now.steady;
        self.enqueue(&key);
    }

    /// Keeps the key and drops the rest.
    fn forget(&mut self, key: Key, now: Now) {
        let Some(row) = self.rows.remove(&key) else { return };
        self.dequeue(&row.due());
        self.bytes = self.bytes.saturating_sub(row.record.bytes_in_memory());
        let expires = row.record.expires_at(row.started_at, now.wall);
        self.keys.insert(&key, now.wall, expires);
    }
}
