//! Whose turn it is: suspects run alone, and alternate with ordinary jobs.

use std::time::Duration;

use tokio::time::Instant;

use super::running::Running;
use crate::inbox::Lease;

#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// Ordinary jobs; suspects are looked at from then on.
    Ordinary { suspects_from: Instant },
    /// A suspect is due: nothing is leased until nothing runs that may still end.
    Clearing { until: Instant },
    /// A suspect runs.
    Alone { suspect: Lease, until: Instant },
}

impl Turn {
    pub(super) fn new() -> Self {
        Self::Ordinary { suspects_from: Instant::now() }
    }

    /// Whose turn it is now.
    pub(super) fn at(&mut self, now: Instant, lease: Duration, running: &Running) -> Self {
        match *self {
            Self::Alone { suspect, until } if running.has(suspect) && now < until => {}
            // Ordinary jobs come next either way, so suspects take turns with them.
            Self::Alone { .. } => *self = Self::Ordinary { suspects_from: now },
            // Something here takes long: it is not held up for ever by a suspect.
            Self::Clearing { until } if now >= until && !running.is_clear(lease) => {
                *self = Self::Ordinary { suspects_from: after(now, lease) };
            }
            Self::Clearing { .. } | Self::Ordinary { .. } => {}
        }
        *self
    }

    /// Ordinary jobs were leased; whether the suspect that is due gets its turn.
    pub(super) fn suspect_due(&mut self, due: bool, now: Instant, lease: Duration) -> bool {
        let clears =
            due && matches!(*self, Self::Ordinary { suspects_from } if now >= suspects_from);
        if clears {
            *self = Self::Clearing { until: after(now, lease) };
        }
        clears
    }

    /// How long a suspect that is due has to wait until it is looked at.
    pub(super) fn suspects_from(&self, due: bool, now: Instant) -> Option<Duration> {
        match self {
            Self::Ordinary { suspects_from } if due => Some(suspects_from.duration_since(now)),
            _ => None,
        }
    }

    /// A suspect was asked for.
    pub(super) fn suspect_leased(&mut self, lease: Option<Lease>, now: Instant, length: Duration) {
        *self = match lease {
            Some(suspect) => Self::Alone { suspect, until: after(now, length) },
            None => Self::Ordinary { suspects_from: now },
        };
    }
}

/// What to wait for, besides the end of a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) at_most: Duration,
    /// Whether new work ends the wait: there is room for it.
    pub(super) for_work: bool,
}

impl Wait {
    pub(super) fn at_most(at_most: Duration) -> Self {
        Self { at_most, for_work: false }
    }

    pub(super) fn until(until: Instant) -> Self {
        Self::at_most(until.duration_since(Instant::now()))
    }

    pub(super) fn for_work(at_most: Duration) -> Self {
        Self { at_most, for_work: true }
    }
}

fn after(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}
