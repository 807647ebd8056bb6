use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use super::record::Record;
use crate::delivery::Key;

/// A delivery that a worker has leased, and the number of the attempt. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Job {
    record: Arc<Record>,
    lease: Lease,
    attempt: u32,
    total_attempts: u32,
}

impl Job {
    /// A job from what a backend stored, with the numbers of this attempt: since the delivery was
    /// accepted, revived or replayed, and in all.
    pub fn new(
        record: impl Into<Arc<Record>>,
        lease: Lease,
        attempt: u32,
        total_attempts: u32,
    ) -> Self {
        Self { record: record.into(), lease, attempt, total_attempts }
    }

    /// The idempotency key: the same at each attempt, and for each copy that the partner sends.
    /// Pass it on to whatever your handler calls, because a handler runs *at least* once.
    pub fn key(&self) -> Key {
        self.record.key()
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        self.record.source()
    }

    /// The partner's id of the delivery.
    pub fn id(&self) -> Option<&str> {
        self.record.id()
    }

    /// The type of the event.
    pub fn event(&self) -> Option<&str> {
        self.record.event()
    }

    /// The number of this attempt, from 1. It starts again when a dead letter is revived or
    /// replayed.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The number of this attempt, from 1, without starting again.
    pub fn total_attempts(&self) -> u32 {
        self.total_attempts
    }

    /// When the partner says that it sent the attempt that was accepted.
    pub fn signed_at(&self) -> Option<SystemTime> {
        self.record.signed_at()
    }

    /// When it was accepted.
    pub fn received_at(&self) -> SystemTime {
        self.record.received_at()
    }

    /// The label of the secret that matched.
    pub fn secret(&self) -> &str {
        self.record.secret()
    }

    /// The request's headers, without those that carry credentials. Those that the scheme does not sign may be
    /// forged, as [`Delivery::headers`](crate::Delivery::headers) says.
    pub fn headers(&self) -> &HeaderMap {
        self.record.headers()
    }

    /// The body, byte for byte as it arrived: as much of it is signed as
    /// [`Delivery::body`](crate::Delivery::body) says.
    pub fn body(&self) -> &Bytes {
        self.record.body()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// The body is not JSON, or not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.body())
    }

    /// What was stored.
    #[cfg(feature = "sqlite")]
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// The lease under which it runs.
    pub fn lease(&self) -> Lease {
        self.lease
    }
}

/// The right to run a delivery and to settle it, until it lapses.
///
/// The fence rises whenever the delivery changes hands, and never falls, so of two workers that
/// believe they hold a lease only one can settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    key: Key,
    fence: u64,
}

impl Lease {
    /// A lease that a backend granted.
    pub const fn new(key: Key, fence: u64) -> Self {
        Self { key, fence }
    }

    /// The delivery.
    pub const fn key(&self) -> Key {
        self.key
    }

    /// The fence.
    pub const fn fence(&self) -> u64 {
        self.fence
    }
}
