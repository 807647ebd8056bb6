//! The time, as something a test can move.

use std::fmt::Debug;
use std::time::{Instant, SystemTime};

/// Where Inhook reads the time. [`SystemClock`] in production, `testing::FakeClock` in tests.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock. It may jump, and may even be before 1970: freshness and windows are judged
    /// by it, and a jump moves them by at most its own size.
    fn now(&self) -> SystemTime;

    /// A clock that never jumps, for leases inside one process.
    fn instant(&self) -> Instant;
}

/// The clocks of the operating system.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}
