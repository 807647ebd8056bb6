//! The volatile inbox: everything in it is lost with the process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    Batch, Detail, Entry, Filter, Inbox, InboxError, Job, LAPSED, Lease, LeaseOptions, Ledger,
    LedgerError, OnDeadDuplicate, Outcome, Put, REVIVAL_INTERVAL, Record, Settled, State, Stats,
    log_changed,
};
use crate::clock::{Clock, SystemClock};
use crate::delivery::{Delivery, Key};

mod keys;

use keys::{KeyHash, Keys};

/// An inbox in memory, for tests and for events that may be lost.
///
/// **A 200 from it is no promise**: a crash or a restart loses what is not handled, and forgets
/// every key, so the partner's retries are accepted again. Inside one life of the process it keeps
/// all rules, and it is bounded:
///
/// | what | default | when it is reached |
/// |---|---|---|
/// | deliveries that are pending, leased or dead | 10,000 | 503 |
/// | bytes of these | 64 MiB | 503 |
/// | keys of settled deliveries | 64 MiB, about 1.4 million | [`WhenFull`] |
///
/// Settled deliveries keep their key and nothing else, so they are neither listed nor replayed.
#[derive(Debug)]
pub struct MemoryInbox {
    state: Mutex<Shelf>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    ready: Notify,
}

/// What a [`MemoryInbox`] does when it has no room for another key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It accepts nothing until keys expire: 503.
    #[default]
    Refuse,
    /// It forgets the half of its keys that would expire first, so a replay of one of them is
    /// accepted. [`MemoryInbox::shortened_by`] tells how much is missing.
    ShortenWindow,
}

impl MemoryInbox {
    /// An empty inbox with the default bounds.
    pub fn new() -> Self {
        let limits = Limits {
            deliveries: 10_000,
            bytes: 64 << 20,
            key_bytes: 64 << 20,
            when_full: WhenFull::Refuse,
            on_dead_duplicate: OnDeadDuplicate::Revive,
        };
        Self {
            state: Mutex::new(Shelf::new(limits.key_bytes)),
            limits,
            clock: Arc::new(SystemClock),
            ready: Notify::new(),
        }
    }

    /// How many deliveries may be pending, leased or dead.
    pub fn max_deliveries(mut self, deliveries: usize) -> Self {
        self.limits.deliveries = deliveries;
        self
    }

    /// How many bytes of deliveries may be pending, leased or dead.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// How many bytes the keys of settled deliveries may take, at 48 bytes each.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.limits.key_bytes = bytes;
        self.state = Mutex::new(Shelf::new(bytes));
        self
    }

    /// What happens when there is no room for another key.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.limits.when_full = when_full;
        self
    }

    /// What a duplicate of a dead delivery does.
    pub fn on_dead_duplicate(mut self, on_dead_duplicate: OnDeadDuplicate) -> Self {
        self.limits.on_dead_duplicate = on_dead_duplicate;
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// By how much the window is shorter than it should be: zero unless it had to be shortened.
    pub fn shortened_by(&self) -> Duration {
        let forgotten = self.shelf().keys.forgotten_until();
        forgotten.duration_since(self.clock.now()).unwrap_or_default()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Nothing under the lock panics; if it did, the state is as good as any other.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.now(), steady: self.clock.instant() }
    }
}

impl Default for MemoryInbox {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Inbox for MemoryInbox {
    async fn put(&self, delivery: Delivery) -> Result<Put, InboxError> {
        let record = Record::new(delivery, false);
        let put = self.shelf().put(record, self.now(), self.limits)?;
        if put != Put::Duplicate {
            self.ready.notify_one();
        }
        Ok(put)
    }

    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError> {
        let batch = self.shelf().lease(options, self.now());
        if batch.jobs.len() == options.max {
            // There may be more, and another worker may be idle.
            self.ready.notify_one();
        }
        Ok(batch)
    }

    async fn extend(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>, InboxError> {
        let (mut shelf, now) = (self.shelf(), self.now());
        Ok(leases.iter().copied().filter(|held| shelf.extend(*held, lease, now).is_err()).collect())
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<Settled, InboxError> {
        let wakes = matches!(outcome, Outcome::Released | Outcome::Retry { .. });
        let settled = self.shelf().settle(lease, outcome, self.now());
        if wakes {
            self.ready.notify_one();
        }
        Ok(settled)
    }

    async fn ready(&self) {
        self.ready.notified().await;
    }

    async fn health(&self) -> Result<(), InboxError> {
        let (mut shelf, now) = (self.shelf(), self.now());
        shelf.check_deliveries(0, self.limits)?;
        match self.limits.when_full {
            WhenFull::Refuse => shelf.check_keys(now),
            WhenFull::ShortenWindow => Ok(()),
        }
    }
}

#[async_trait]
impl Ledger for MemoryInbox {
    async fn list(&self, filter: Filter) -> Result<Vec<Entry>, LedgerError> {
        let shelf = self.shelf();
        let mut entries: Vec<Entry> = shelf
            .rows
            .values()
            .filter(|row| filter.state.is_none_or(|state| row.state == state))
            .filter(|row| filter.source.as_ref().is_none_or(|name| row.record.source() == name))
            .filter(|row| filter.after.is_none_or(|after| row.position > after))
            .map(Row::entry)
            .collect();
        entries.sort_by_key(|entry| entry.position);
        entries.truncate(filter.limit.min(Filter::MAX_LIMIT));
        Ok(entries)
    }

    async fn get(&self, key: Key) -> Result<Detail, LedgerError> {
        let shelf = self.shelf();
        let row = shelf.rows.get(&key).ok_or(LedgerError::NotFound)?;
        Ok(Detail::new(row.entry(), Some((*row.record).clone())))
    }

    async fn replay(&self, key: Key) -> Result<(), LedgerError> {
        self.shelf().replay(key, self.now())?;
        self.ready.notify_one();
        Ok(())
    }

    async fn discard(&self, key: Key) -> Result<(), LedgerError> {
        self.shelf().discard(key, self.now())
    }

    async fn stats(&self) -> Result<Stats, LedgerError> {
        let shelf = self.shelf();
        let changed_duplicates = shelf.changed_duplicates;
        let mut stats = Stats { changed_duplicates, ..Stats::default() };
        for row in shelf.rows.values() {
            let count = stats.count_mut(row.state);
            *count = count.saturating_add(1);
        }
        Ok(stats)
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    deliveries: usize,
    bytes: usize,
    key_bytes: usize,
    when_full: WhenFull,
    on_dead_duplicate: OnDeadDuplicate,
}

/// Windows are judged by the wall clock; leases and due times by one that never jumps.
#[derive(Debug, Clone, Copy)]
struct Now {
    wall: SystemTime,
    steady: Instant,
}

/// What a queue is ordered by: the time, then the order of accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    position: u64,
    key: Key,
}

/// A delivery that is pending, leased or dead.
#[derive(Debug)]
struct Row {
    record: Arc<Record>,
    position: u64,
    state: State,
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

    fn entry(&self) -> Entry {
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
struct Shelf {
    rows: HashMap<Key, Row, KeyHash>,
    pending: BTreeSet<Due>,
    leased: BTreeSet<Due>,
    /// Suspects that were given back.
    suspects: BTreeSet<Due>,
    keys: Keys,
    bytes: usize,
    positions: u64,
    fences: u64,
    changed_duplicates: u64,
    warned: bool,
}

impl Shelf {
    fn new(key_bytes: usize) -> Self {
        Self {
            rows: HashMap::default(),
            pending: BTreeSet::new(),
            leased: BTreeSet::new(),
            suspects: BTreeSet::new(),
            keys: Keys::with_max_bytes(key_bytes),
            bytes: 0,
            positions: 0,
            fences: 0,
            changed_duplicates: 0,
            warned: false,
        }
    }

    fn put(&mut self, record: Record, now: Now, limits: Limits) -> Result<Put, InboxError> {
        if let Some(row) = self.rows.get_mut(&record.key()) {
            if row.record.body != record.body {
                log_changed(&record.key);
                self.changed_duplicates = self.changed_duplicates.saturating_add(1);
            }
            let since = now.wall.duration_since(row.started_at).unwrap_or_default();
            let revives = limits.on_dead_duplicate == OnDeadDuplicate::Revive;
            if row.state != State::Dead || since < REVIVAL_INTERVAL || !revives {
                return Ok(Put::Duplicate);
            }
            row.revivals = row.revivals.saturating_add(1);
            row.started_at = now.wall;
            self.restart(record.key(), now);
            return Ok(Put::Revived);
        }
        if self.keys.contains(&record.key(), now.wall) {
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
        let bytes = row.record.bytes();
        self.make_room(bytes, now, limits)?;
        self.bytes = self.bytes.saturating_add(bytes);
        self.pending.insert(row.due());
        self.rows.insert(row.record.key(), row);
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

    fn check_deliveries(&self, bytes: usize, limits: Limits) -> Result<(), InboxError> {
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
    fn check_keys(&mut self, now: Now) -> Result<(), InboxError> {
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

    fn lease(&mut self, options: LeaseOptions, now: Now) -> Batch {
        let buried = self.bury(options.max_attempts, now);
        let mut batch = Batch { buried, ..Batch::default() };
        let queues: &[&BTreeSet<Due>] =
            if options.suspects { &[&self.leased, &self.suspects] } else { &[&self.pending] };
        let due =
            queues.iter().flat_map(|queue| queue.iter().take_while(|due| due.at <= now.steady));
        let places: Vec<Due> = due.take(options.max).copied().collect();
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
            batch.jobs.push(Job::new(row.record.clone(), lease, row.attempts));
        }
        let first = |queue: &BTreeSet<Due>| queue.first().is_some_and(|due| due.at <= now.steady);
        batch.suspect_due = first(&self.leased) || first(&self.suspects);
        let last = Key::from_bytes([0xff; 32]);
        let after = Due { at: now.steady, position: u64::MAX, key: last };
        let queues = [&self.pending, &self.leased, &self.suspects].into_iter();
        let later = queues.filter_map(|queue| queue.range(after..).next());
        batch.next_due = later.map(|due| due.at.duration_since(now.steady)).min();
        batch
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
        let _ =
            self.leased.remove(place) || self.pending.remove(place) || self.suspects.remove(place);
    }

    /// `Err` if somebody else has taken it over; one that was settled is not renewed, nor lost.
    fn extend(&mut self, lease: Lease, by: Duration, now: Now) -> Result<(), ()> {
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

    fn settle(&mut self, lease: Lease, outcome: Outcome, now: Now) -> Settled {
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
            let queue = if row.suspect { &mut self.suspects } else { &mut self.pending };
            queue.insert(row.due());
        }
        Settled::Recorded
    }

    fn replay(&mut self, key: Key, now: Now) -> Result<(), LedgerError> {
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

    fn discard(&mut self, key: Key, now: Now) -> Result<(), LedgerError> {
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
        self.pending.insert(row.due());
    }

    /// Keeps the key and drops the rest.
    fn forget(&mut self, key: Key, now: Now) {
        let Some(row) = self.rows.remove(&key) else { return };
        self.dequeue(&row.due());
        self.bytes = self.bytes.saturating_sub(row.record.bytes());
        let expires = row.record.expires_at(row.started_at, now.wall);
        self.keys.insert(&key, now.wall, expires);
    }
}
