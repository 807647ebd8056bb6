//! What a failed attempt says, and when the next one is due.

use std::fmt;
use std::time::Duration;

use crate::error::BoxError;

/// Why a handler did not handle a job.
///
/// Any error becomes one that is tried again, so `?` works in handlers. Like `anyhow::Error` it is
/// not itself a `std::error::Error`; an `anyhow::Error` becomes one with
/// `.map_err(Failure::retry)`.
///
/// ```
/// use inhook::Failure;
///
/// fn charge(amount: &str) -> Result<u32, Failure> {
///     let amount = amount.parse().map_err(Failure::permanent)?; // it will never parse
///     std::fs::metadata("/")?; // tried again
///     Ok(amount)
/// }
/// # assert!(charge("x").is_err());
/// ```
pub struct Failure {
    error: BoxError,
    permanent: bool,
}

impl Failure {
    /// Try again later.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), permanent: false }
    }

    /// Don't try again: the job becomes a dead letter, to be replayed once the cause is mended.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), permanent: true }
    }

    /// Whether it is not tried again.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

impl fmt::Display for Failure {
    /// The error and its sources.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let mut source = self.error.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.permanent { "Failure::permanent" } else { "Failure::retry" };
        f.debug_tuple(name).field(&self.error).finish()
    }
}

/// When the next attempt is due: after a time drawn between zero and a bound that doubles with each
/// attempt ("full jitter"), so that what failed together does not come back together.
///
/// ```
/// use std::time::Duration;
/// use inhook::Backoff;
///
/// let backoff = Backoff::new().base(Duration::from_millis(50)).attempts(5);
/// assert!(backoff.delay(1) <= Duration::from_millis(50));
/// assert!(backoff.delay(4) <= Duration::from_millis(400));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// From 1 s to 1 h, 12 attempts.
    pub fn new() -> Self {
        Self { base: Duration::from_secs(1), max: Duration::from_secs(3_600), attempts: 12 }
    }

    /// The bound after the first attempt.
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The largest bound.
    pub fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// How many attempts there are, at least 1. After the last one a job is a dead letter.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How many attempts there are.
    pub fn max_attempts(&self) -> u32 {
        self.attempts
    }

    /// Draws the time after the attempt with this number, counted from 1.
    pub fn delay(&self, attempt: u32) -> Duration {
        let doubled = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.base.saturating_mul(doubled).min(self.max);
        let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(fastrand::u64(0..=millis))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}
