use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::dedup::{Claim, Dedup, DedupError, Ticket};
use crate::delivery::Delivery;
use crate::inbox::{Batch, Inbox, InboxError, Lease, LeaseOptions, Outcome, Put, Record, Settled};

/// A store that a test can break: an [`Inbox`] or a [`Dedup`] around another one.
///
/// ```
/// use inhook::{MemoryDedup, testing::{Failing, Mode}};
///
/// let dedup = Failing::new(MemoryDedup::new());
/// dedup.set(Mode::Fails);
/// // … a request is answered 503 …
/// dedup.set(Mode::Works);
/// ```
pub struct Failing<T> {
    inner: T,
    mode: Mutex<Mode>,
}

/// How a [`Failing`] store behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test chooses one")]
pub enum Mode {
    /// As the store that it is around.
    #[default]
    Works,
    /// It refuses, and does nothing.
    Fails,
    /// It does its work, and its answer is lost.
    LosesAnswers,
    /// It never answers, and does nothing.
    Hangs,
}

impl<T> Failing<T> {
    /// A store that works until it is told otherwise.
    pub fn new(inner: T) -> Self {
        Self { inner, mode: Mutex::default() }
    }

    /// How it behaves from now on.
    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// The store that it is around.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    async fn run<R, E>(
        &self,
        work: impl Future<Output = Result<R, E>>,
        failed: impl Fn() -> E,
    ) -> Result<R, E> {
        let mode = *self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        match mode {
            Mode::Works => work.await,
            Mode::Fails => Err(failed()),
            Mode::LosesAnswers => {
                let _ = work.await;
                Err(failed())
            }
            Mode::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl<D: Dedup> Dedup for Failing<D> {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        self.run(self.inner.claim(ticket), dedup_error).await
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.run(self.inner.commit(ticket), dedup_error).await
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.run(self.inner.release(ticket), dedup_error).await
    }
}

#[async_trait]
impl<I: Inbox> Inbox for Failing<I> {
    async fn put(&self, delivery: Delivery) -> Result<Put, InboxError> {
        self.run(self.inner.put(delivery), inbox_error).await
    }

    async fn put_record(&self, record: Record) -> Result<Put, InboxError> {
        self.run(self.inner.put_record(record), inbox_error).await
    }

    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError> {
        self.run(self.inner.lease(options), inbox_error).await
    }

    async fn extend(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>, InboxError> {
        self.run(self.inner.extend(leases, lease), inbox_error).await
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<Settled, InboxError> {
        self.run(self.inner.settle(lease, outcome), inbox_error).await
    }

    async fn ready(&self) {
        self.inner.ready().await;
    }

    async fn health(&self) -> Result<(), InboxError> {
        self.run(self.inner.health(), inbox_error).await
    }

    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }
}

impl<T: fmt::Debug> fmt::Debug for Failing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing").field("inner", &self.inner).field("mode", &self.mode).finish()
    }
}

fn dedup_error() -> DedupError {
    DedupError::unavailable("the test broke it")
}

fn inbox_error() -> InboxError {
    InboxError::unavailable("the test broke it")
}
