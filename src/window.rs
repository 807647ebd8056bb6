//! What the stores in memory have in common: short keys, whole seconds, and what happens when a store
//! is full.

use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, SystemTime};

use crate::delivery::Key;

/// What a store in memory does when it has no room for another key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It accepts nothing until keys expire: 503.
    #[default]
    Refuse,
    /// It forgets keys before their time, so a replay of one of them is accepted: a
    /// [`MemoryInbox`](crate::MemoryInbox) the half that would expire first, a `MemoryDedup` those
    /// that were seen longest ago. `shortened_by` tells how much of the window is missing.
    ShortenWindow,
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

/// The 16 bytes of a key that are kept: it is a SHA-256, so they are enough.
pub(crate) fn short(key: &Key) -> [u8; 16] {
    key.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Whether what expires then is over. What would expire behind 2106, where the seconds end, never is.
pub(crate) fn is_over(expires: u32, now: u32) -> bool {
    expires <= now && expires < u32::MAX
}

/// Seconds since 1970, as far as 2106.
pub(crate) fn floor(time: SystemTime) -> u32 {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// The next whole second, so that no key is forgotten early.
pub(crate) fn ceil(time: SystemTime) -> u32 {
    floor(time).saturating_add(1)
}

pub(crate) fn from_seconds(seconds: u32) -> SystemTime {
    let since_1970 = Duration::from_secs(seconds.into());
    SystemTime::UNIX_EPOCH.checked_add(since_1970).unwrap_or(SystemTime::UNIX_EPOCH)
}
