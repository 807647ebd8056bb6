//! Where accepted deliveries are until they are handled, and how they are remembered afterwards.
//!
//! An inbox is queue and deduplication in one: "is it new?" and "enqueue it" are one atomic step,
//! so there is no moment at which a delivery is known but not safe. [`SqliteInbox`](
//! crate::SqliteInbox) is the durable default, [`MemoryInbox`](crate::MemoryInbox) loses everything
//! with the process, and a [`Spill`](crate::Spill) around one of them takes the deliveries that it
//! can't, for partners that never retry. A backend of your own implements [`Inbox`] and [`Ledger`] over [`Record`]s and
//! shows with [`testing::conformance::inbox`](crate::testing::conformance::inbox) that it keeps the
//! rules; both are `async_trait` traits, so it needs that crate.
//!
//! # Only what was verified is stored
//!
//! An inbox takes a [`Delivery`], and only a [`Verifier`](crate::Verifier) makes one:
//!
//! ```
//! # use inhook::{Delivery, inbox::{Inbox, Record}};
//! async fn store(inbox: &dyn Inbox, delivery: Delivery) {
//!     let _ = inbox.put(delivery).await;
//! }
//! ```
//!
//! ```compile_fail,E0308
//! # use inhook::{Delivery, inbox::{Inbox, Record}};
//! async fn store(inbox: &dyn Inbox, request: http::Request<bytes::Bytes>) {
//!     let _ = inbox.put(request).await;
//! }
//! ```
//!
//! A body can't be slipped into either of them afterwards:
//!
//! ```compile_fail,E0451
//! # use inhook::Delivery;
//! fn forge(verified: Delivery, body: bytes::Bytes) -> Delivery {
//!     Delivery { body, ..verified }
//! }
//! ```
//!
//! ```compile_fail,E0451
//! # use inhook::inbox::Record;
//! fn forge(stored: Record, body: bytes::Bytes) -> Record {
//!     Record { body, ..stored }
//! }
//! ```
//!
//! # The life of a delivery
//!
//! ```text
//! put ──▶ Pending ──lease──▶ Leased ──settle──▶ Done | Skipped ──▶ (bytes dropped) ──▶ forgotten
//!            ▲                 │ │
//!            ├────── Retry ────┘ └──── Dead ──▶ Dead ──┐
//!            └───────── replay, or the partner's resend┘
//! ```
//!
//! A lease that lapses without a settlement makes its delivery a *suspect*: it may be what killed
//! its worker, so a worker runs it alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::delivery::{Delivery, Key};
use crate::error::BoxError;

mod job;
mod lanes;
mod ledger;
pub(crate) mod memory;
mod record;
#[cfg(feature = "sqlite")]
pub(crate) mod spill;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

pub use job::{Job, Lease};
pub use lanes::SourceRoom;
pub use ledger::{Detail, Entry, Filter, Ledger, LedgerError, State, Stats};
pub use record::{Record, RecordError};

/// The partner's resend revives a dead delivery at most once in this time.
pub const REVIVAL_INTERVAL: Duration = Duration::from_secs(60);

/// The last error of a delivery whose worker vanished in its last attempt.
const LAPSED: &str = "its worker vanished in the last attempt: the lease ended unsettled";

/// A queue that accepts each delivery once and hands it to workers until it is settled.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't store deliveries and hand them to workers",
    label = "not an inbox",
    note = "`SqliteInbox` and `MemoryInbox` are; a store for deduplication is what `DedupLayer` takes"
)]
#[async_trait]
pub trait Inbox: Send + Sync + 'static {
    /// Accepts a delivery. When this returns `Ok` the delivery is as safe as the backend promises,
    /// and duplicates are answered only when the first one is.
    ///
    /// In one atomic step: a key that is absent or expired is written as new; a dead delivery that
    /// was neither accepted nor revived within [`REVIVAL_INTERVAL`] before this one was received
    /// becomes pending again, with its *stored* bytes and new attempts; anything else is left alone.
    ///
    /// # Errors
    ///
    /// Nothing was accepted as far as the backend knows. After a time-out it may have been: then
    /// the partner's retry is a duplicate.
    async fn put(&self, delivery: Delivery) -> Result<Put, InboxError>;

    /// Takes over what another store has accepted, by the rules of [`put`](Self::put). The record
    /// keeps its time and its window, which began when it was received. It is trusted: hand over
    /// nothing but what a store of yours kept of a [`Delivery`].
    ///
    /// # Errors
    ///
    /// As for [`put`](Self::put): tried again, it is a duplicate if it was taken after all.
    async fn put_record(&self, record: Record) -> Result<Put, InboxError>;

    /// Leases due deliveries. Those that were never tried and those that were take turns, each
    /// oldest first, so that a storm of retries holds up nothing new. The attempt is counted here,
    /// before any handler runs, so that a delivery which kills its process runs out of attempts.
    /// Leases that lapsed in their last attempt are dead-lettered here.
    ///
    /// # Errors
    ///
    /// Nothing is leased.
    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError>;

    /// Makes leases last `lease` from now, and returns those that are lost: taken over by another
    /// worker. One that was settled meanwhile is neither renewed nor lost.
    ///
    /// # Errors
    ///
    /// The leases end when they would have.
    async fn extend(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>, InboxError>;

    /// Records how an attempt ended. A lease that was taken over is refused, so a stalled worker
    /// can't undo what another one did; so is one that lapsed in its last attempt, once [`lease`](Self::lease) has made
    /// a dead letter of that.
    ///
    /// # Errors
    ///
    /// Nothing is recorded; the caller tries again until the lease ends.
    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<Settled, InboxError>;

    /// Waits until something may have become due that was not at the last [`lease`](Self::lease): at
    /// once after a [`put`](Self::put) or a settlement in this process, within 250 ms after one in
    /// another. It may complete for no reason. What is due at a known time is in
    /// [`Batch::next_due`], and need not end the wait.
    async fn ready(&self);

    /// Whether deliveries can be accepted right now.
    ///
    /// # Errors
    ///
    /// Why not.
    async fn health(&self) -> Result<(), InboxError>;

    /// The file that it keeps deliveries in, for a backend that has one.
    fn path(&self) -> Option<&Path> {
        None
    }
}

/// What became of a delivery that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three answers that the rules of `put` have")]
pub enum Put {
    /// It was not known, and is now pending.
    New,
    /// It was dead, and the partner's resend made it pending again.
    Revived,
    /// It is known; nothing changed.
    Duplicate,
}

/// What a duplicate of a *dead* delivery does: the partner's "resend".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDeadDuplicate {
    /// It revives it, at most once in [`REVIVAL_INTERVAL`].
    #[default]
    Revive,
    /// Nothing: dead letters wait for [`Ledger::replay`].
    Ignore,
}

/// What a worker asks for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeaseOptions {
    /// How many deliveries at most.
    pub max: usize,
    /// How many of them at most may have been tried before.
    pub max_retries: usize,
    /// How many of them each source may have.
    pub sources: SourceRoom,
    /// How long the leases last.
    pub lease: Duration,
    /// How many attempts a delivery has; a suspect that has had them all is dead-lettered.
    pub max_attempts: u32,
    /// Only suspects, or only ordinary deliveries.
    pub suspects: bool,
}

impl LeaseOptions {
    /// Ordinary deliveries.
    pub fn new(max: usize, lease: Duration, max_attempts: u32) -> Self {
        let sources = SourceRoom::default();
        Self { max, max_retries: max, sources, lease, max_attempts, suspects: false }
    }

    /// One suspect.
    pub fn suspect(lease: Duration, max_attempts: u32) -> Self {
        Self { suspects: true, ..Self::new(1, lease, max_attempts) }
    }
}

/// What a worker gets.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Batch {
    /// The leased deliveries.
    pub jobs: Vec<Job>,
    /// Whether a suspect is due.
    pub suspect_due: bool,
    /// When the next delivery that was not due becomes due, or the next lease lapses.
    pub next_due: Option<Duration>,
    /// Suspects that had no attempt left and are dead letters now.
    pub buried: Vec<Key>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a backend has to handle each of them")]
pub enum Outcome {
    /// It is handled.
    Done,
    /// Nothing handles events of its type; it is kept like a handled one.
    Skipped,
    /// It failed, and is due again after this time.
    Retry {
        /// From the settlement on.
        after: Duration,
        /// What went wrong.
        error: String,
    },
    /// It failed for good, and is a dead letter.
    Dead {
        /// What went wrong.
        error: String,
    },
    /// It was not run to its end because the worker stops: the attempt doesn't count.
    Released,
}

/// Whether a settlement was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a stale settlement changed nothing"]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Settled {
    /// It was.
    Recorded,
    /// The lease is not held any more; nothing changed.
    Stale,
}

/// Why an inbox could not do its work.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// More callers than the store keeps up with.
    #[error("the store is busy: {0}")]
    Busy(Arc<str>),
    /// There is no room.
    #[error("the inbox is full: {0}")]
    Full(Arc<str>),
    /// The store does not work.
    #[error("the store does not work: {0}")]
    Unavailable(Arc<dyn std::error::Error + Send + Sync>),
}

impl InboxError {
    /// The store does not work.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(Arc::from(error.into()))
    }
}

/// Says that a duplicate is not the same request again.
fn log_changed(key: &Key) {
    tracing::info!(%key, "a duplicate has another body or event type than the delivery that was accepted");
}
