//! For how long an id is remembered.

use std::time::Duration;

use crate::error::ConfigError;
use crate::scheme::{Scheme, Tolerance};

const DAY: Duration = Duration::from_secs(86_400);
/// No id is forgotten sooner, whatever the partner says of its retries.
const MIN_WINDOW: Duration = DAY.saturating_mul(4);
/// Where no time is judged a captured request never goes stale, so a durable inbox, where memory is
/// cheap, remembers longer.
const UNTIMED_WINDOW: Duration = DAY.saturating_mul(30);
/// Ten years: far enough, and safe to add to any clock.
const MAX_TTL: Duration = DAY.saturating_mul(3_660);

/// For how long an id is remembered after its delivery was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) volatile: Duration,
    pub(crate) durable: Duration,
    /// For how long a request stays fresh after it was accepted: past + future, or nothing.
    pub(crate) freshness: Duration,
}

impl Window {
    /// `judged` says whether requests can go stale.
    pub(crate) fn new(
        scheme: &Scheme,
        judged: bool,
        ttl: Option<Duration>,
    ) -> Result<Self, ConfigError> {
        let tolerances = match scheme.tolerance {
            Some(Tolerance { past, future }) => {
                for value in [past, future] {
                    if !(Duration::from_secs(1)..=DAY).contains(&value) {
                        return Err(ConfigError::Tolerance { value });
                    }
                }
                past.saturating_add(future)
            }
            None => Duration::ZERO,
        };
        let freshness = if judged { tolerances } else { Duration::ZERO };
        if let Some(ttl) = ttl {
            let min = tolerances.max(Duration::from_secs(1));
            if !(min..=MAX_TTL).contains(&ttl) {
                return Err(ConfigError::Ttl { ttl, min, max: MAX_TTL });
            }
            return Ok(Self { volatile: ttl, durable: ttl, freshness });
        }
        let volatile = scheme.retry_horizon.saturating_add(tolerances).clamp(MIN_WINDOW, MAX_TTL);
        let durable = if judged { volatile } else { volatile.max(UNTIMED_WINDOW) };
        Ok(Self { volatile, durable, freshness })
    }
}
