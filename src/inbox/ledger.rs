use std::time::SystemTime;

use async_trait::async_trait;

use super::InboxError;
use super::record::Record;
use crate::delivery::Key;

/// What an operator sees of an inbox, and may do to it.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Deliveries in the order in which they were accepted.
    ///
    /// # Errors
    ///
    /// The store does not work.
    async fn list(&self, filter: Filter) -> Result<Vec<Entry>, LedgerError>;

    /// One delivery, with its bytes as long as they are kept.
    ///
    /// # Errors
    ///
    /// The store does not work, or the key is not known.
    async fn get(&self, key: Key) -> Result<Detail, LedgerError>;

    /// Runs a delivery again, whatever became of it: due at once, with new attempts and a new
    /// fence. Deduplication does not apply, since nothing is accepted.
    ///
    /// # Errors
    ///
    /// [`Leased`](LedgerError::Leased) while it runs, [`BytesGone`](LedgerError::BytesGone) when
    /// only its key is left, [`NotFound`](LedgerError::NotFound).
    async fn replay(&self, key: Key) -> Result<(), LedgerError>;

    /// Gives a delivery up: its bytes are dropped, and its key is kept to its expiry, so that it is
    /// not accepted again.
    ///
    /// # Errors
    ///
    /// [`Leased`](LedgerError::Leased) while it runs, [`NotFound`](LedgerError::NotFound).
    async fn discard(&self, key: Key) -> Result<(), LedgerError>;

    /// How many deliveries are in which state.
    ///
    /// # Errors
    ///
    /// The store does not work.
    async fn stats(&self) -> Result<Stats, LedgerError>;
}

/// Where a delivery is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It waits for a worker, now or at its due time.
    Pending,
    /// A worker has it, or had it and lapsed.
    Leased,
    /// It is handled.
    Done,
    /// Nothing handles events of its type.
    Skipped,
    /// It ran out of attempts, or failed for good.
    Dead,
}

/// Which deliveries to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this source.
    pub source: Option<String>,
    /// Only those after this [`Entry::position`]: the last one of the page before.
    pub after: Option<u64>,
    /// How many at most: 100 unless changed, and never more than 1,000.
    pub limit: usize,
}

impl Filter {
    /// The longest page.
    pub const MAX_LIMIT: usize = 1_000;

    /// All deliveries, in pages of 100.
    pub fn all() -> Self {
        Self { state: None, source: None, after: None, limit: 100 }
    }

    /// Those in one state.
    pub fn state(state: State) -> Self {
        Self { state: Some(state), ..Self::all() }
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The key, for [`Ledger::get`] and [`Ledger::replay`].
    pub key: Key,
    /// Where it is in the order of accepts.
    pub position: u64,
    /// Its state.
    pub state: State,
    /// The source.
    pub source: String,
    /// The partner's id.
    pub id: Option<String>,
    /// The type of the event.
    pub event: Option<String>,
    /// When it was accepted.
    pub received_at: SystemTime,
    /// Attempts since it was accepted, revived or replayed.
    pub attempts: u32,
    /// Attempts in all.
    pub total_attempts: u32,
    /// How often the partner's resend revived it.
    pub revivals: u32,
    /// Why the last attempt that failed did.
    pub last_error: Option<String>,
    /// When its key is forgotten; `None` while it is pending, leased or dead.
    pub expires_at: Option<SystemTime>,
}

impl Entry {
    /// A line for a record, with nothing attempted yet.
    pub fn new(record: &Record, position: u64, state: State) -> Self {
        Self {
            key: record.key(),
            position,
            state,
            source: record.source().into(),
            id: record.id().map(Into::into),
            event: record.event().map(Into::into),
            received_at: record.received_at(),
            attempts: 0,
            total_attempts: 0,
            revivals: 0,
            last_error: None,
            expires_at: None,
        }
    }
}

/// A line of the ledger, and what was received.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Detail {
    /// The line.
    pub entry: Entry,
    /// What was received; `None` once the bytes are dropped.
    pub record: Option<Record>,
}

impl Detail {
    /// A line and its record.
    pub fn new(entry: Entry, record: Option<Record>) -> Self {
        Self { entry, record }
    }
}

/// How many deliveries are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Waiting for a worker.
    pub pending: u64,
    /// With a worker.
    pub leased: u64,
    /// Handled, as far as they are remembered in the ledger.
    pub done: u64,
    /// Not handled by anything, as far as they are remembered in the ledger.
    pub skipped: u64,
    /// Dead letters.
    pub dead: u64,
    /// Duplicates whose body or type of event differed from the one that was accepted, as far as that was
    /// still there to compare. Some partners do that, so it is counted and logged, and no error. Where the
    /// type is not signed, another one may also be somebody who sent a captured request before the partner did.
    pub changed_duplicates: u64,
}

impl Stats {
    /// The count of one state.
    pub fn count_mut(&mut self, state: State) -> &mut u64 {
        match state {
            State::Pending => &mut self.pending,
            State::Leased => &mut self.leased,
            State::Done => &mut self.done,
            State::Skipped => &mut self.skipped,
            State::Dead => &mut self.dead,
        }
    }
}

/// Why the ledger could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// No delivery has this key, or it was forgotten.
    #[error("no delivery has this key")]
    NotFound,
    /// A worker has it.
    #[error("a worker has this delivery; wait until it is settled or its lease lapses")]
    Leased,
    /// Only the key is kept.
    #[error("the bytes of this delivery are not kept any more")]
    BytesGone,
    /// The store did not work.
    #[error(transparent)]
    Inbox(#[from] InboxError),
}
