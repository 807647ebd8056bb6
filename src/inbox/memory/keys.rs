//! The keys of settled deliveries: 20 bytes each, forgotten a generation at a time.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::time::SystemTime;

use crate::delivery::Key;

/// Growing one map rehashes all of it; with shards no caller waits for more than a sixteenth.
const SHARDS: usize = 16;
/// What a key costs at worst: 20 bytes and a control byte in a table that has just doubled.
const BYTES_PER_KEY: usize = 48;

/// A set of keys with an expiry each, bounded by bytes.
///
/// New keys go into the young generation. When the last key of the old one has expired it is
/// dropped as a whole, and the young one becomes old: no sweep ever walks the set, and no key is
/// forgotten before its time.
#[derive(Debug)]
pub(crate) struct Keys {
    young: Generation,
    old: Generation,
    max: usize,
}

#[derive(Debug)]
struct Generation {
    shards: Vec<HashMap<[u8; 16], u32, KeyHash>>,
    len: usize,
    /// When the last key expires.
    expires: u32,
    /// When the first key came.
    since: Option<SystemTime>,
}

impl Keys {
    pub(crate) fn with_max_bytes(bytes: usize) -> Self {
        let max = bytes.checked_div(BYTES_PER_KEY).unwrap_or_default();
        Self { young: Generation::new(), old: Generation::new(), max }
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len.saturating_add(self.old.len)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Whether the key is known and not expired.
    pub(crate) fn contains(&self, key: &Key, now: SystemTime) -> bool {
        let live = |generation: &Generation| {
            generation.get(key).is_some_and(|expires| expires > floor(now))
        };
        live(&self.young) || live(&self.old)
    }

    pub(crate) fn insert(&mut self, key: &Key, now: SystemTime, expires: SystemTime) {
        self.drop_expired(now);
        self.young.insert(key, ceil(expires), now);
    }

    /// Drops the old generation if all of it has expired.
    pub(crate) fn drop_expired(&mut self, now: SystemTime) {
        if self.old.expires <= floor(now) && self.young.len > 0 {
            self.old = std::mem::replace(&mut self.young, Generation::new());
        }
    }

    /// Drops the older half although its keys have not expired, and returns since when every key
    /// is still known.
    pub(crate) fn shorten(&mut self, now: SystemTime) -> SystemTime {
        self.old = std::mem::replace(&mut self.young, Generation::new());
        self.old.since.unwrap_or(now)
    }
}

/// Keys are SHA-256, so any eight bytes of them are a hash already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyHash(u64);

impl BuildHasher for KeyHash {
    type Hasher = KeyHash;

    fn build_hasher(&self) -> KeyHash {
        KeyHash(0)
    }
}

impl Hasher for KeyHash {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(bytes) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*bytes);
        }
    }

    /// The length of an array comes before it and says nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Generation {
    fn new() -> Self {
        let shards = (0..SHARDS).map(|_| HashMap::default()).collect();
        Self { shards, len: 0, expires: 0, since: None }
    }

    fn get(&self, key: &Key) -> Option<u32> {
        let (shard, short) = place(key);
        self.shards.get(shard)?.get(&short).copied()
    }

    fn insert(&mut self, key: &Key, expires: u32, now: SystemTime) {
        let (shard, short) = place(key);
        let Some(shard) = self.shards.get_mut(shard) else { return };
        if shard.insert(short, expires).is_none() {
            self.len = self.len.saturating_add(1);
        }
        self.expires = self.expires.max(expires);
        self.since.get_or_insert(now);
    }
}

/// The shard of a key, and the 16 bytes of it that are kept: it is a SHA-256, so they are enough.
fn place(key: &Key) -> (usize, [u8; 16]) {
    let [.., last] = key.as_bytes();
    let short = key.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
    (usize::from(last & 0x0f), short)
}

/// Seconds since 1970, as far as 2106.
fn floor(time: SystemTime) -> u32 {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// The next whole second, so that no key is forgotten early.
fn ceil(time: SystemTime) -> u32 {
    floor(time).saturating_add(1)
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

    #[test]
    fn forgets_a_generation_when_its_last_key_has_expired() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let ttl = Duration::from_secs(100);
        let mut keys = Keys::with_max_bytes(48_000);
        for n in 0..10 {
            let now = start + Duration::from_secs(n * 30);
            keys.insert(&key(n), now, now + ttl);
            for earlier in 0..=n {
                let live = now <= start + Duration::from_secs(earlier * 30) + ttl;
                assert_eq!(keys.contains(&key(earlier), now), live, "{earlier} at {n}");
            }
        }
        // Two windows of 100 s at one key per 30 s.
        assert!(keys.len() <= 8, "{}", keys.len());
    }

    #[test]
    fn shortening_keeps_the_younger_half() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let later = start + Duration::from_secs(10);
        let mut keys = Keys::with_max_bytes(48_000);
        keys.insert(&key(1), start, start + Duration::from_secs(1_000));
        keys.insert(&key(2), later, later + Duration::from_secs(1_000));
        assert_eq!(keys.shorten(later), later);
        assert!(!keys.contains(&key(1), later));
        assert!(keys.contains(&key(2), later));
    }
}
