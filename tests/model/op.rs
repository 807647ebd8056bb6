//! What is done to an inbox, as plain data that a regression test can spell out.

use std::time::Duration;

pub(crate) const SOURCES: usize = 2;
pub(crate) const IDS: usize = 4;
pub(crate) const BODIES: usize = 2;
/// Processes that share one file; what has only one takes all for it.
pub(crate) const PROCESSES: usize = 2;

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// One of the few deliveries that there are: its source and its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(pub(crate) usize, pub(crate) usize);

impl Name {
    pub(crate) fn all() -> impl Iterator<Item = Name> {
        (0..SOURCES).flat_map(|source| (0..IDS).map(move |id| Name(source, id)))
    }
}

/// Settings of the inbox, and a sequence.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) setup: Setup,
    pub(crate) ops: Vec<Op>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) max_attempts: u32,
    /// Whether a resend revives a dead delivery.
    pub(crate) revives: bool,
    /// For how long handled deliveries keep their bytes, in milliseconds, where that can be set.
    pub(crate) retain: i64,
}

impl Setup {
    pub(crate) const DEFAULT: Setup = Setup { max_attempts: 2, revives: true, retain: 7 * DAY };
}

/// One step. Times are milliseconds; `by` is the process, `lease` counts back from the newest one.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Put {
        by: usize,
        name: Name,
        body: usize,
    },
    Lease {
        by: usize,
        max: usize,
        length: i64,
        suspects: bool,
    },
    Extend {
        by: usize,
        leases: Vec<usize>,
        length: i64,
    },
    Settle {
        by: usize,
        lease: usize,
        end: End,
    },
    Replay {
        by: usize,
        name: Name,
    },
    Discard {
        by: usize,
        name: Name,
    },
    List {
        by: usize,
        state: Option<usize>,
        source: Option<usize>,
        skip: usize,
        limit: usize,
    },
    Health {
        by: usize,
    },
    /// Time passes.
    Advance(i64),
    /// Time passes until something is about to happen to a delivery (-1), happens (0), or has just
    /// happened (1); of those to which it will happen, to the nth.
    Approach {
        edge: Edge,
        nth: usize,
        after: i64,
        then: Then,
    },
    /// The wall clock is set: so far from the true time. No time passes.
    WallClock(i64),
    /// The process dies and comes back.
    Crash {
        process: usize,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Done,
    Skipped,
    Retry { after: i64 },
    Dead,
    Released,
}

/// What happens to a delivery at a known time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Edge {
    /// It becomes due, or its lease lapses.
    Due,
    /// A resend may revive it.
    Revival,
    /// Its bytes may be dropped.
    Retention,
    /// Its key is forgotten.
    Expiry,
}

/// What is done when it was waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    Nothing,
    /// The partner sends that delivery again.
    Put {
        body: usize,
    },
    /// A file is closed and opened again, which sweeps it.
    Reopen,
}

pub(crate) fn millis(millis: i64) -> Duration {
    Duration::from_millis(millis.try_into().expect("a time that passes"))
}
