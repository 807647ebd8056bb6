//! What was handled, in memory: the deliveries of a [`MemoryDedup`](super::memory::MemoryDedup), and the cache
//! of a [`CachedDedup`](super::cached::CachedDedup).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::clock::Clock;
use crate::delivery::Key;
use crate::window::{KeyHash, WhenFull, ceil, floor, is_over, short};

/// The keys of deliveries that were handled, and when each expires, in seconds since 1970. moka could
/// drop them at that time by itself, but by a clock of its own, and for 50 bytes a key.
pub(super) struct Committed {
    cache: Cache<[u8; 16], u32, KeyHash>,
    pub(super) max: usize,
    pub(super) when_full: WhenFull,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How many are in the cache; moka's own count lags behind.
    count: AtomicUsize,
    /// None of them expires before.
    earliest: AtomicU32,
    /// Keys that would have expired until then may be missing.
    forgotten_until: AtomicU32,
}

impl Committed {
    pub(super) fn new(max: usize, when_full: WhenFull) -> Self {
        let shared = Arc::new(Shared {
            count: AtomicUsize::new(0),
            earliest: AtomicU32::new(u32::MAX),
            forgotten_until: AtomicU32::new(0),
        });
        let removed = shared.clone();
        let builder = Cache::builder().eviction_policy(EvictionPolicy::lru()).eviction_listener(
            move |_, expires, cause| {
                removed.count.fetch_sub(1, Ordering::Relaxed);
                if cause == moka::notification::RemovalCause::Size {
                    removed.forgotten_until.fetch_max(expires, Ordering::Relaxed);
                }
            },
        );
        let builder = match when_full {
            WhenFull::Refuse => builder,
            WhenFull::ShortenWindow => builder.max_capacity(u64::try_from(max).unwrap_or(u64::MAX)),
        };
        let cache = builder.build_with_hasher(KeyHash::default());
        Self { cache, max, when_full, shared }
    }

    pub(super) fn contains(&self, key: &Key, clock: &dyn Clock) -> bool {
        let expires = self.cache.get(&short(key));
        expires.is_some_and(|expires| !is_over(expires, floor(clock.now())))
    }

    /// Remembers a key for so long from now on.
    pub(super) fn insert(&self, key: &Key, length: Duration, clock: &dyn Clock) {
        let now = clock.now();
        let expires = ceil(now.checked_add(length).unwrap_or(now));
        self.shared.count.fetch_add(1, Ordering::Relaxed);
        self.shared.earliest.fetch_min(expires, Ordering::Relaxed);
        self.cache.insert(short(key), expires);
    }

    /// How many there are, some of them expired.
    pub(super) fn len(&self) -> usize {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// Keys that would have expired until then may be missing.
    pub(super) fn forgotten_until(&self) -> u32 {
        self.shared.forgotten_until.load(Ordering::Relaxed)
    }

    /// Drops what has expired.
    pub(super) fn sweep(&self, now: u32) {
        let earliest = &self.shared.earliest;
        if earliest.load(Ordering::Relaxed) > now {
            return;
        }
        // What is inserted meanwhile counts as well.
        earliest.store(u32::MAX, Ordering::Relaxed);
        for (key, expires) in &self.cache {
            if is_over(expires, now) {
                self.cache.invalidate(&*key);
            } else {
                earliest.fetch_min(expires, Ordering::Relaxed);
            }
        }
        self.cache.run_pending_tasks();
    }
}
