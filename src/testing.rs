//! Helpers for tests: a partner that signs, a clock that a test moves, stores that fail, and the suites
//! that every backend passes.
//!
//! ```
//! use axum::{Router, routing::post};
//! use inhook::{Verifier, VerifyLayer, presets, sign::Message, testing::Partner};
//! use tower::ServiceExt;
//!
//! # const SECRET: &str = "It's a Secret to Everybody";
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let verify = VerifyLayer::new(Verifier::new("github-acme", presets::GITHUB, SECRET)?);
//! let app: Router = Router::new().route("/hook", post(async || "done")).route_layer(verify);
//!
//! let github = Partner::new(presets::GITHUB, SECRET).uri("/hook");
//! let push = Message::new(r#"{"ref":"refs/heads/main"}"#).event("push");
//! assert_eq!(app.clone().oneshot(github.valid(&push)).await?.status(), 200);
//! assert_eq!(app.clone().oneshot(github.tampered(&push)).await?.status(), 401);
//! assert_eq!(app.clone().oneshot(github.wrong_secret(&push)).await?.status(), 401);
//! # Ok::<(), inhook::BoxError>(())
//! # })?;
//! # Ok::<(), inhook::BoxError>(())
//! ```

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::clock::Clock;

pub mod conformance;
mod failing;
mod partner;

pub use failing::{Failing, Mode};
pub use partner::Partner;

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
