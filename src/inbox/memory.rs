//! The volatile inbox: everything in it is lost with the process.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    Batch, Detail, Entry, Filter, Inbox, InboxError, Lease, LeaseOptions, Ledger, LedgerError,
    OnDeadDuplicate, Outcome, Put, Record, Settled, Stats,
};
use crate::clock::{Clock, SystemClock};
use crate::delivery::{Delivery, Key};
use crate::sync::{Mutex, MutexGuard};
use crate::window::WhenFull;

mod keys;
mod shelf;

use shelf::{Limits, Now, Row, Shelf};

/// An inbox in memory, for tests and for events that may be lost.
///
/// **A 200 from it is no promise**: a crash or a restart loses what is not handled, and forgets
/// every key, so the partner's retries are accepted again. Inside one life of the process it keeps
/// all rules, and it is bounded:
///
/// | what | default | when it is reached |
/// |---|---|---|
/// | deliveries that are pending, leased or dead | 10,000 | 503 |
/// | bytes of these, with what a header (160) and a row (500) take beside their own | 64 MiB | 503 |
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

    /// How many bytes the deliveries that are pending, leased or dead may take in memory.
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

    /// Wakes all who wait, since some may not take what is due, or else the next one who will.
    fn wake(&self) {
        self.ready.notify_waiters();
        self.ready.notify_one();
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
        self.put_record(Record::new(delivery, false)).await
    }

    async fn put_record(&self, record: Record) -> Result<Put, InboxError> {
        let (record, now) = (record.detached(), self.now());
        let put = self.shelf().put(record, now, self.limits)?;
        if put != Put::Duplicate {
            self.wake();
        }
        Ok(put)
    }

    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError> {
        let batch = self.shelf().lease(&options, self.now());
        if batch.jobs.len() == options.max {
            // There may be more, and another worker may be idle.
            self.wake();
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
            self.wake();
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
        self.wake();
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
