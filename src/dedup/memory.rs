//! Deduplication in the memory of one process.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::committed::Committed;
use super::{Claim, Dedup, DedupError, Ticket, Token};
use crate::clock::{Clock, SystemClock};
use crate::delivery::Key;
use crate::inbox::Settled;
use crate::sync::{Mutex, MutexGuard};
use crate::window::{KeyHash, WhenFull, floor, from_seconds};

/// How many deliveries are remembered unless told otherwise.
const DELIVERIES: usize = 200_000;
/// How often a store that is nearly full looks for what has expired, at the most: it walks all of it.
const SWEEP: Duration = Duration::from_secs(10);

/// Remembers deliveries in this process, in a [`moka`](https://docs.rs/moka) cache.
///
/// **A restart forgets everything**, so the partner's retries of what was handled before it run
/// again, and two processes don't know of each other. It is bounded; at the bound [`WhenFull`] decides.
/// The cache evicts what was used longest ago, and only where a shorter window was chosen: moka's
/// default policy forgets ids that were seen once, which is what nearly all ids are.
///
/// | what | default |
/// |---|---|
/// | deliveries that are remembered | 200,000, about 64 MiB |
/// | when there is no room | [`WhenFull::Refuse`]: 503 |
pub struct MemoryDedup {
    /// What is being handled: few, and gone when they end. What is handled goes into the cache.
    claims: Mutex<HashMap<Key, Held, KeyHash>>,
    committed: Committed,
    clock: Arc<dyn Clock>,
    /// When it may look for what has expired again.
    next_sweep: Mutex<Option<Instant>>,
    /// Whether it has been said that it is nearly full, since it was not.
    warned: AtomicBool,
}

impl MemoryDedup {
    /// An empty store with the default bound.
    pub fn new() -> Self {
        Self {
            claims: Mutex::default(),
            committed: Committed::new(DELIVERIES, WhenFull::Refuse),
            clock: Arc::new(SystemClock),
            next_sweep: Mutex::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// How many deliveries are remembered, one at least. Every source needs as many as it sends in its window,
    /// which is 96 h at least. At 75 % that have not expired there is a warning in the log.
    pub fn max_deliveries(mut self, deliveries: usize) -> Self {
        self.committed = Committed::new(deliveries.max(1), self.committed.when_full);
        self
    }

    /// What happens when there is no room.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.committed = Committed::new(self.committed.max, when_full);
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How many deliveries are remembered by now, for a gauge. Some may have expired: they are dropped when
    /// three quarters of the places are taken.
    pub fn remembered(&self) -> usize {
        self.committed.len()
    }

    /// By how much the window is shorter than it should be: zero unless it had to be shortened.
    pub fn shortened_by(&self) -> Duration {
        let forgotten = from_seconds(self.committed.forgotten_until());
        forgotten.duration_since(self.clock.now()).unwrap_or_default()
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<Key, Held, KeyHash>> {
        // Nothing under the lock panics; if it did, the map is as good as any other.
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another delivery would still be remembered.
    fn has_room(&self, claims: usize) -> bool {
        if self.committed.when_full == WhenFull::ShortenWindow {
            return true;
        }
        let max = self.committed.max;
        let takes = |places: usize| self.committed.len().saturating_add(claims) >= places;
        let nearly_all = max.saturating_sub(max / 4);
        // Once it has been said that it is nearly full, room is only made where there is none.
        if takes(max) || takes(nearly_all) && !self.warned.load(Ordering::Relaxed) {
            self.sweep();
        }
        let is_nearly_full = takes(nearly_all);
        if !self.warned.swap(is_nearly_full, Ordering::Relaxed) && is_nearly_full {
            let remembered = self.committed.len();
            tracing::warn!(remembered, max, "75 % of the deliveries that fit are remembered");
        }
        !takes(max)
    }

    /// Drops what has expired, now and then.
    fn sweep(&self) {
        let now = self.clock.instant();
        let mut next = self.next_sweep.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_none_or(|next| now >= next) {
            *next = now.checked_add(SWEEP);
            self.committed.sweep(floor(self.clock.now()));
        }
    }
}

impl Default for MemoryDedup {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Dedup for MemoryDedup {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        let (key, now) = (ticket.key(), self.clock.instant());
        let mut claims = self.claims();
        // In this order: a commit fills the cache before it gives up the claim.
        if let Some(held) = claims.get(&key)
            && held.token != ticket.token()
            && held.until > now
        {
            return Ok(Claim::InFlight);
        }
        if self.committed.contains(&key, &*self.clock) {
            return Ok(Claim::Committed);
        }
        // One that is there already, lapsed or its own, takes no more room.
        if !claims.contains_key(&key)
            && (claims.len() == claims.capacity() || !self.has_room(claims.len()))
        {
            // Those that nobody settled would stay for ever.
            claims.retain(|_, held| held.until > now);
            if !self.has_room(claims.len()) {
                return Err(DedupError::Full);
            }
        }
        let until = now.checked_add(ticket.lease()).unwrap_or(now);
        claims.insert(key, Held { token: ticket.token(), until });
        Ok(Claim::Granted)
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let (key, mut claims) = (ticket.key(), self.claims());
        let other = claims.get(&key).filter(|held| held.token != ticket.token());
        if other.is_some_and(|other| other.until > self.clock.instant()) {
            return Ok(Settled::Stale);
        }
        self.committed.insert(&key, ticket.ttl(), &*self.clock);
        claims.remove(&key);
        Ok(Settled::Recorded)
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let mut claims = self.claims();
        match claims.get(&ticket.key()) {
            Some(held) if held.token == ticket.token() => {
                claims.remove(&ticket.key());
                Ok(Settled::Recorded)
            }
            _ => Ok(Settled::Stale),
        }
    }
}

impl fmt::Debug for MemoryDedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDedup")
            .field("remembered", &self.committed.len())
            .field("max", &self.committed.max)
            .field("when_full", &self.committed.when_full)
            .finish_non_exhaustive()
    }
}

/// Who holds a claim, and until when.
#[derive(Debug)]
struct Held {
    token: Token,
    until: Instant,
}
