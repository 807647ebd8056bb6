//! The keys of settled deliveries: 20 bytes each, with an expiry of their own.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::delivery::Key;
use crate::window::{KeyHash, ceil, floor, from_seconds, is_over, short};

/// Growing one map rehashes all of it; with shards no caller waits for more than a sixteenth.
const SHARDS: usize = 16;
/// What a key costs at worst: 20 bytes and a control byte in a table that has just doubled.
const BYTES_PER_KEY: usize = 48;

/// A set of keys, bounded by bytes.
///
/// A shard drops what has expired when it would have to grow, and all of them do when the set is
/// full: nothing walks the set otherwise, and no key is forgotten before its time.
#[derive(Debug)]
pub(crate) struct Keys {
    shards: Vec<HashMap<[u8; 16], u32, KeyHash>>,
    max: usize,
    /// When all of them were last walked, so that a full set is not walked for each caller.
    walked: u32,
    /// Keys that would have expired until then may be missing.
    forgotten_until: u32,
}

impl Keys {
    pub(crate) fn with_max_bytes(bytes: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| HashMap::default()).collect(),
            max: bytes.checked_div(BYTES_PER_KEY).unwrap_or_default(),
            walked: 0,
            forgotten_until: 0,
        }
    }

    /// How many there are, some of them expired.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(HashMap::len).fold(0, usize::saturating_add)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Whether the key is known and not expired.
    pub(crate) fn contains(&self, key: &Key, now: SystemTime) -> bool {
        let (shard, short) = place(key);
        let expires = self.shards.get(shard).and_then(|shard| shard.get(&short));
        expires.is_some_and(|expires| !is_over(*expires, floor(now)))
    }

    pub(crate) fn insert(&mut self, key: &Key, now: SystemTime, expires: SystemTime) {
        let (shard, short) = place(key);
        let Some(shard) = self.shards.get_mut(shard) else { return };
        if shard.len() == shard.capacity() {
            let now = floor(now);
            shard.retain(|_, expires| !is_over(*expires, now));
        }
        shard.insert(short, ceil(expires));
    }

    /// Drops what has expired, at most once a second.
    pub(crate) fn drop_expired(&mut self, now: SystemTime) {
        let now = floor(now);
        if now == self.walked {
            return;
        }
        self.walked = now;
        for shard in &mut self.shards {
            shard.retain(|_, expires| !is_over(*expires, now));
        }
    }

    /// Drops the half that would expire first.
    pub(crate) fn forget_earliest_half(&mut self) {
        let mut expiries: Vec<u32> =
            self.shards.iter().flat_map(HashMap::values).copied().collect();
        let middle = expiries.len() / 2;
        if expiries.is_empty() {
            return;
        }
        let (_, last, _) = expiries.select_nth_unstable(middle);
        let last = *last;
        // Many may expire in that very second; no more than half are dropped.
        let mut left = middle.max(1);
        for shard in &mut self.shards {
            shard.retain(|_, expires| {
                let drops = *expires <= last && left > 0;
                left = left.saturating_sub(drops.into());
                !drops
            });
        }
        self.forgotten_until = self.forgotten_until.max(last);
    }

    /// The latest expiry of the keys that were dropped before it.
    pub(crate) fn forgotten_until(&self) -> SystemTime {
        from_seconds(self.forgotten_until)
    }
}

/// The shard of a key, and what is kept of it.
fn place(key: &Key) -> (usize, [u8; 16]) {
    let [.., last] = key.as_bytes();
    (usize::from(last & 0x0f), short(key))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(n: u64) -> Key {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        bytes[31] = n as u8;
        Key::from_bytes(bytes)
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn a_key_is_known_until_it_expires_and_its_memory_is_used_again() {
        let mut keys = Keys::with_max_bytes(48_000);
        // A key that is kept for a year holds up no other.
        keys.insert(&key(u64::MAX), at(0), at(31_536_000));
        for n in 0..100_000 {
            keys.insert(&key(n), at(n), at(n + 100));
            assert!(keys.contains(&key(n), at(n + 100)));
            assert!(!keys.contains(&key(n), at(n + 101)));
        }
        assert!(keys.contains(&key(u64::MAX), at(100_000)));
        assert!(keys.len() <= 1_000, "{}", keys.len());
        keys.drop_expired(at(100_000));
        assert!(keys.len() <= 102, "{}", keys.len());
    }

    #[test]
    fn shortening_keeps_the_half_that_expires_last() {
        let mut keys = Keys::with_max_bytes(48_000);
        for n in 0..1_000 {
            keys.insert(&key(n), at(n), at(n + 10_000));
        }
        keys.forget_earliest_half();
        assert_eq!(keys.len(), 500);
        for n in 501..1_000 {
            assert!(keys.contains(&key(n), at(1_000)), "{n}");
        }
        assert_eq!(keys.forgotten_until(), at(10_501));
    }
}
