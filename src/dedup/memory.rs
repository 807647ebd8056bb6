//! Deduplication in the memory of one process.

use std::collections::HashMap;
use std::fmt;
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
/// default policy forgets ids that were seen once, which is what nearly all ids are. The log has a warning
/// when three quarters of the places are taken by what has not expired, or the window has to be shortened.
///
/// | what | default |
/// |---|---|
/// | deliveries that are remembered | 200,000, about 64 MiB |
/// | when there is no room | [`WhenFull::Refuse`]: 503 |
pub struct MemoryDedup {
    claims: Mutex<Claims>,
    committed: Committed,
    clock: Arc<dyn Clock>,
}

impl MemoryDedup {
    /// An empty store with the default bound.
    pub fn new() -> Self {
        Self {
            claims: Mutex::default(),
            committed: Committed::new(DELIVERIES, WhenFull::Refuse),
            clock: Arc::new(SystemClock),
        }
    }

    /// How many deliveries are remembered, one at least. Every source needs as many as it sends in its window,
    /// which is 96 h at least.
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

    /// How many deliveries are remembered by now, for a gauge. Some may have expired: they are dropped when three
    /// quarters of the places are taken, and then when all are.
    pub fn remembered(&self) -> usize {
        self.committed.len()
    }

    /// By how much the window is shorter than it should be: zero unless it had to be shortened.
    pub fn shortened_by(&self) -> Duration {
        let forgotten = from_seconds(self.committed.forgotten_until());
        forgotten.duration_since(self.clock.now()).unwrap_or_default()
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        // Nothing under the lock panics; if it did, what it guards is as good as any other.
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another delivery would still be remembered.
    fn has_room(&self, claims: &mut Claims) -> bool {
        if self.committed.when_full == WhenFull::ShortenWindow {
            let is_shorter = !self.shortened_by().is_zero();
            if is_shorter && !claims.warned {
                let max = self.committed.max;
                tracing::warn!(max, "the window is shortened: what was handled first is forgotten");
            }
            claims.warned = is_shorter;
            return true;
        }
        let max = self.committed.max;
        let nearly_all = max.saturating_sub(max / 4);
        let taken = || self.committed.len().saturating_add(claims.held.len());
        // That walks all of it: once before it is said that it is nearly full, and then where there is no room.
        let looks = taken() >= max || taken() >= nearly_all && !claims.warned;
        if looks && claims.next_sweep.is_none_or(|next| self.clock.instant() >= next) {
            claims.next_sweep = self.clock.instant().checked_add(SWEEP);
            self.committed.sweep(floor(self.clock.now()));
        }
        let remembered = self.committed.len();
        if remembered >= nearly_all && !claims.warned {
            tracing::warn!(remembered, max, "75 % of the deliveries that fit are remembered");
            claims.warned = true;
        }
        // Not again whenever a few expire.
        claims.warned &= remembered > max / 2;
        taken() < max
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
        let claims = &mut *self.claims();
        // In this order: a commit fills the cache before it gives up the claim.
        if let Some(held) = claims.held.get(&key)
            && held.token != ticket.token()
            && held.until > now
        {
            return Ok(Claim::InFlight);
        }
        if self.committed.contains(&key, &*self.clock) {
            return Ok(Claim::Committed);
        }
        // One that is there already, lapsed or its own, takes no more room.
        let is_crowded = claims.held.len() == claims.held.capacity();
        if !claims.held.contains_key(&key) && (is_crowded || !self.has_room(claims)) {
            // Those that nobody settled would stay for ever.
            claims.held.retain(|_, held| held.until > now);
            if !self.has_room(claims) {
                return Err(DedupError::Full);
            }
        }
        let until = now.checked_add(ticket.lease()).unwrap_or(now);
        claims.held.insert(key, Held { token: ticket.token(), until });
        Ok(Claim::Granted)
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let (key, mut claims) = (ticket.key(), self.claims());
        let other = claims.held.get(&key).filter(|held| held.token != ticket.token());
        if other.is_some_and(|other| other.until > self.clock.instant()) {
            return Ok(Settled::Stale);
        }
        self.committed.insert(&key, ticket.ttl(), &*self.clock);
        claims.held.remove(&key);
        Ok(Settled::Recorded)
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let mut claims = self.claims();
        match claims.held.get(&ticket.key()) {
            Some(held) if held.token == ticket.token() => {
                claims.held.remove(&ticket.key());
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

/// All that the lock guards.
#[derive(Debug, Default)]
struct Claims {
    /// What is being handled: few, and gone when they end. What is handled goes into the cache.
    held: HashMap<Key, Held, KeyHash>,
    /// When it may look for what has expired again.
    next_sweep: Option<Instant>,
    /// Whether it has been said that it is nearly full, or that the window is shorter, since it was not.
    warned: bool,
}

/// Who holds a claim, and until when.
#[derive(Debug)]
struct Held {
    token: Token,
    until: Instant,
}
