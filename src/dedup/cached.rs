//! Two levels: what is known in memory is not asked of the store behind it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::committed::Committed;
use super::{Claim, Dedup, DedupError, Ticket};
use crate::clock::{Clock, SystemClock};
use crate::inbox::Settled;
use crate::window::WhenFull;

/// How many deliveries are kept in front unless told otherwise.
const DELIVERIES: usize = 100_000;
/// For how long a delivery is known here that another process has handled: the store behind knows
/// when its window ends, and does not say.
const LEARNED: Duration = Duration::from_secs(60);

/// Finds duplicates in memory, without a round trip, and asks the store behind it about the rest.
///
/// Only committed deliveries are kept in front; claims are always made in the store behind. What another
/// process has handled is kept for a minute, which may be that much longer than its window. When it is full it forgets what was used longest ago, which costs a round
/// trip and nothing else.
///
/// ```
/// use std::sync::Arc;
/// use inhook::{Dedup, DedupLayer, dedup::cached::CachedDedup};
///
/// /// The store is a `RedisDedup`, or one of yours.
/// fn layer<D: Dedup>(store: D) -> DedupLayer<CachedDedup<D>> {
///     DedupLayer::new(Arc::new(CachedDedup::new(store)))
/// }
/// ```
pub struct CachedDedup<D> {
    front: Committed,
    back: D,
    clock: Arc<dyn Clock>,
}

impl<D: Dedup> CachedDedup<D> {
    /// A cache of 100,000 deliveries, about 32 MiB, in front of a store.
    pub fn new(back: D) -> Self {
        let front = Committed::new(DELIVERIES, WhenFull::ShortenWindow);
        Self { front, back, clock: Arc::new(SystemClock) }
    }

    /// How many deliveries are kept in front.
    pub fn max_deliveries(mut self, deliveries: usize) -> Self {
        self.front = Committed::new(deliveries, WhenFull::ShortenWindow);
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

#[async_trait]
impl<D: Dedup> Dedup for CachedDedup<D> {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        if self.front.contains(&ticket.key(), &*self.clock) {
            return Ok(Claim::Committed);
        }
        let claim = self.back.claim(ticket).await?;
        if claim == Claim::Committed {
            self.front.insert(&ticket.key(), ticket.ttl().min(LEARNED), &*self.clock);
        }
        Ok(claim)
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let settled = self.back.commit(ticket).await?;
        if settled == Settled::Recorded {
            self.front.insert(&ticket.key(), ticket.ttl(), &*self.clock);
        }
        Ok(settled)
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.back.release(ticket).await
    }
}

impl<D: fmt::Debug> fmt::Debug for CachedDedup<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedDedup").field("back", &self.back).finish_non_exhaustive()
    }
}
