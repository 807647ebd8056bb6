//! Helpers for tests: a clock that a test moves, and the suite that every inbox passes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::clock::Clock;

pub mod conformance;

/// A clock that stands still until a test moves it.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use inhook::{Secret, Verifier, clock::Clock, presets, testing::FakeClock};
///
/// let clock = Arc::new(FakeClock::new());
/// let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
/// let verifier = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, secret).clock(clock.clone()).build()?;
/// let before = clock.now();
/// clock.advance(Duration::from_secs(301));
/// assert_eq!(clock.now(), before + Duration::from_secs(301));
/// # Ok::<(), inhook::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct FakeClock {
    time: Mutex<(SystemTime, Instant)>,
}

impl FakeClock {
    /// A clock at 2026-01-15T09:30:00Z.
    pub fn new() -> Self {
        let start = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1_768_469_400));
        Self::at(start.unwrap_or(SystemTime::UNIX_EPOCH))
    }

    /// A clock at a time of your choice.
    pub fn at(now: SystemTime) -> Self {
        Self { time: Mutex::new((now, Instant::now())) }
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.change(|(now, instant)| {
            *now = now.checked_add(by).unwrap_or(*now);
            *instant = instant.checked_add(by).unwrap_or(*instant);
        });
    }

    /// The wall clock is set, and no time passes.
    pub fn jump_to(&self, now: SystemTime) {
        self.change(|(wall, _)| *wall = now);
    }

    fn change<T>(&self, change: impl FnOnce(&mut (SystemTime, Instant)) -> T) -> T {
        change(&mut self.time.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> SystemTime {
        self.change(|(now, _)| *now)
    }

    fn instant(&self) -> Instant {
        self.change(|(_, instant)| *instant)
    }
}
