//! A second store, for deliveries that nobody sends again.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Batch, Detail, Entry, Filter, Inbox, InboxError, Lease, LeaseOptions, Ledger, LedgerError,
    OnDeadDuplicate, Outcome, Put, Record, Settled, Stats,
};
use crate::clock::{Clock, SystemClock};
use crate::delivery::{Delivery, Key};
use crate::error::BoxError;
use crate::inbox::sqlite::SqliteInbox;

mod drain;
mod place;

/// How long the primary has for a delivery. The rest of the time that an
/// [`Intake`](crate::Intake) has, 2 s in all, is for the spill.
const PRIMARY: Duration = Duration::from_secs(1);

/// An inbox around another one, the primary, with a second file for what the primary can't take.
///
/// A partner that never retries, such as GitHub, sends a delivery once: if the disk is full or the
/// file is locked at that moment, a 503 loses it. A `Spill` stores it in a file of its own instead,
/// as a [`SqliteInbox`] does, synced before the 200, and hands it to the primary once that works
/// again, usually within 5 s. It keeps the time at which it was received, which is when its window
/// began. No worker sees it before; where the primary is volatile it is volatile from then on.
///
/// - **What is spilled**: deliveries of partners that never retry, whose
///   [`retry_horizon`](Delivery::retry_horizon) is zero. The others get the primary's 503 and send
///   them again, unless [`all_sources`](SpillOptions::all_sources) is set.
/// - **When**: the primary refuses, for whatever reason, or takes more than 1 s, or half of the
///   partner's deadline if that is less.
/// - **Once**: the primary has the last word on what is a duplicate, and the spill forgets what it has
///   handed over, so copies in both are one delivery. [`Put::New`] from a spill says that it had no
///   copy; whether the primary has one turns out later. One that was spilled at the very end of its
///   window is new to a primary that has dropped the key meanwhile.
/// - **Where**: on another disk than the primary, or one full disk stops both. `open` warns of the
///   same file system.
/// - **Whose**: one process's. It is locked, by a file beside it with `.lock` at its end. What waits
///   in it is handed over by the next process that opens it, so don't leave one behind.
///
/// [`health`](Inbox::health) is the primary's: it fails while deliveries are spilled, so that somebody
/// looks. A load balancer must not act on it, or the deliveries don't even arrive. Leases and the
/// [`Ledger`] are the primary's as well, and [`waiting`](Self::waiting) tells how much is not there yet.
///
/// ```no_run
/// use std::sync::Arc;
/// use inhook::{Events, Intake, Spill, SqliteInbox, Worker};
///
/// # async fn example(events: Events) -> Result<(), inhook::BoxError> {
/// let primary = Arc::new(SqliteInbox::open("inhook.db").await?);
/// let inbox = Arc::new(Spill::open(primary, "/mnt/other-disk/inhook-spill.db").await?);
/// let intake = Intake::new(inbox.clone());
/// let worker = Worker::new(inbox, events);
/// # Ok(()) }
/// ```
pub struct Spill<I: ?Sized> {
    /// Ends with the spill.
    _drain: AbortOnDropHandle<()>,
    store: Arc<SqliteInbox>,
    _lock: File,
    all_sources: bool,
    primary: Arc<I>,
}

impl<I: Inbox + ?Sized> Spill<I> {
    /// Opens the file, or creates it, and begins to hand over what is in it: a task of this runtime does that, for as
    /// long as both are there.
    ///
    /// # Errors
    ///
    /// Another process has the spill, the file is something else, such as an inbox, or it can't be
    /// opened.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn open(primary: Arc<I>, path: impl AsRef<Path>) -> Result<Self, BoxError> {
        Self::options(primary).open(path).await
    }

    /// Opens a file with other than the default settings.
    pub fn options(primary: Arc<I>) -> SpillOptions<I> {
        SpillOptions { primary, all_sources: false, clock: Arc::new(SystemClock) }
    }

    /// The inbox that it is around.
    pub fn primary(&self) -> &Arc<I> {
        &self.primary
    }

    /// The second store, to look at: whether it works, and what is in it. A row that can't be read
    /// is a dead letter there.
    pub fn store(&self) -> &SqliteInbox {
        &self.store
    }

    /// How many deliveries are in the second store.
    ///
    /// # Errors
    ///
    /// The second store does not work.
    pub async fn waiting(&self) -> Result<u64, LedgerError> {
        let Stats { pending, leased, dead, .. } = self.store.stats().await?;
        Ok(pending.saturating_add(leased).saturating_add(dead))
    }
}

#[async_trait]
impl<I: Inbox + ?Sized> Inbox for Spill<I> {
    async fn put(&self, delivery: Delivery) -> Result<Put, InboxError> {
        if !self.all_sources && !delivery.retry_horizon().is_zero() {
            return self.primary.put(delivery).await;
        }
        let key = delivery.key();
        let time = PRIMARY.min(delivery.deadline().div_f32(2.0));
        let put = tokio::time::timeout(time, self.primary.put(delivery.clone())).await;
        // If it is late it may have been stored: then it is a duplicate when it is handed over.
        let error = match put.unwrap_or_else(|_| Err(late())) {
            Ok(put) => return Ok(put),
            Err(error) => error,
        };
        match self.store.put(delivery).await {
            Ok(put) => {
                tracing::warn!(%key, %error, ?put, "spilled: the primary did not take it");
                Ok(put)
            }
            Err(spill) => {
                tracing::error!(%key, %error, %spill, "neither the primary nor the spill took it");
                Err(error)
            }
        }
    }

    /// By the primary alone: who holds a record can try again.
    async fn put_record(&self, record: Record) -> Result<Put, InboxError> {
        self.primary.put_record(record).await
    }

    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError> {
        self.primary.lease(options).await
    }

    async fn extend(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>, InboxError> {
        self.primary.extend(leases, lease).await
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<Settled, InboxError> {
        self.primary.settle(lease, outcome).await
    }

    async fn ready(&self) {
        self.primary.ready().await;
    }

    async fn health(&self) -> Result<(), InboxError> {
        self.primary.health().await
    }

    fn path(&self) -> Option<&Path> {
        self.primary.path()
    }
}

#[async_trait]
impl<I: Inbox + Ledger + ?Sized> Ledger for Spill<I> {
    async fn list(&self, filter: Filter) -> Result<Vec<Entry>, LedgerError> {
        self.primary.list(filter).await
    }

    async fn get(&self, key: Key) -> Result<Detail, LedgerError> {
        self.primary.get(key).await
    }

    async fn replay(&self, key: Key) -> Result<(), LedgerError> {
        self.primary.replay(key).await
    }

    async fn discard(&self, key: Key) -> Result<(), LedgerError> {
        self.primary.discard(key).await
    }

    async fn stats(&self) -> Result<Stats, LedgerError> {
        self.primary.stats().await
    }
}

impl<I: ?Sized> fmt::Debug for Spill<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Spill");
        debug.field("store", &self.store).field("all_sources", &self.all_sources);
        debug.finish_non_exhaustive()
    }
}

/// Settings of a [`Spill`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open` is called"]
pub struct SpillOptions<I: ?Sized> {
    all_sources: bool,
    clock: Arc<dyn Clock>,
    primary: Arc<I>,
}

impl<I: Inbox + ?Sized> SpillOptions<I> {
    /// Spills the deliveries of partners that retry as well, so that they need not.
    pub fn all_sources(mut self) -> Self {
        self.all_sources = true;
        self
    }

    /// Another clock for the second store, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the file, or creates it, and begins to hand over what is in it: a task of this runtime does that, for as
    /// long as both are there.
    ///
    /// # Errors
    ///
    /// Another process has the spill, the file is something else, such as an inbox, or it can't be
    /// opened.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<Spill<I>, BoxError> {
        let Self { primary, all_sources, clock } = self;
        let path = std::path::absolute(path)?;
        let lock = place::lock(&path)?;
        let store = SqliteInbox::options()
            .spill()
            .retain_done(Duration::ZERO)
            .on_dead_duplicate(OnDeadDuplicate::Ignore)
            .clock(clock)
            .open(&path)
            .await?;
        // Found out now, not when it is needed; but as long as the primary works, so does the rest.
        if let Err(error) = store.health().await {
            tracing::error!(%error, spill = %path.display(), "nothing can be spilled at the moment");
        }
        place::warn_of_same_disk(primary.path(), &path);
        let store = Arc::new(store);
        let drain = tokio::spawn(drain::run(primary.clone(), store.clone()));
        let drain = AbortOnDropHandle::new(drain);
        Ok(Spill { _drain: drain, store, _lock: lock, all_sources, primary })
    }
}

fn late() -> InboxError {
    InboxError::Busy("the primary store did not answer in time".into())
}
