//! What is done to an inbox, as plain data: sequences that proptest makes and shrinks, and that a
//! regression test can spell out.

use std::time::Duration;

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

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

/// Settings and up to 120 steps.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    (setup(), vec(op(), 1..=120)).prop_map(|(setup, ops)| Case { setup, ops })
}

fn setup() -> impl Strategy<Value = Setup> {
    (1u32..=3, weighted(0.9), select(vec![7 * DAY, HOUR, 0]))
        .prop_map(|(max_attempts, revives, retain)| Setup { max_attempts, revives, retain })
}

fn op() -> impl Strategy<Value = Op> {
    let by = || 0..PROCESSES;
    // The newest are most often held still.
    let lease = || prop_oneof![6 => 0usize..3, 2 => 3usize..8, 1 => 8usize..30];
    let length = || select(vec![MINUTE, MINUTE, 10 * SECOND]);
    // A few deliveries to which much happens, and some more.
    let id = || prop_oneof![4 => Just(0usize), 2 => Just(1), 1 => 2..IDS];
    let name = || (0..SOURCES, id()).prop_map(|(source, id)| Name(source, id));
    prop_oneof![
        20 => (by(), name(), 0..BODIES).prop_map(|(by, name, body)| Op::Put { by, name, body }),
        14 => (by(), 0usize..5, length()).prop_map(|(by, max, length)| {
            Op::Lease { by, max, length, suspects: false }
        }),
        8 => (by(), prop_oneof![6 => Just(1usize), 1 => Just(0), 1 => 2usize..4], length())
            .prop_map(|(by, max, length)| Op::Lease { by, max, length, suspects: true }),
        6 => (by(), vec(lease(), 1..4), length())
            .prop_map(|(by, leases, length)| Op::Extend { by, leases, length }),
        20 => (by(), lease(), end()).prop_map(|(by, lease, end)| Op::Settle { by, lease, end }),
        4 => (by(), name()).prop_map(|(by, name)| Op::Replay { by, name }),
        2 => (by(), name()).prop_map(|(by, name)| Op::Discard { by, name }),
        2 => list(),
        2 => by().prop_map(|by| Op::Health { by }),
        8 => advance().prop_map(Op::Advance),
        18 => (edge_and_then(), 0usize..4, -1i64..=1)
            .prop_map(|((edge, then), nth, after)| Op::Approach { edge, nth, after, then }),
        2 => wall_clock().prop_map(Op::WallClock),
        1 => by().prop_map(|process| Op::Crash { process }),
    ]
}

fn list() -> impl Strategy<Value = Op> {
    let maybe = |end: usize| proptest::option::of(0..end);
    (0..PROCESSES, maybe(5), maybe(SOURCES), 0usize..5, select(vec![0usize, 1, 2, 3, 1_000]))
        .prop_map(|(by, state, source, skip, limit)| Op::List { by, state, source, skip, limit })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Done),
        1 => Just(End::Skipped),
        2 => select(vec![0, 1, SECOND, HOUR]).prop_map(|after| End::Retry { after }),
        3 => Just(End::Dead),
        2 => Just(End::Released),
    ]
}

/// With what shows whether it was early or late, where that is one step.
fn edge_and_then() -> impl Strategy<Value = (Edge, Then)> {
    let copy = || (0..BODIES).prop_map(|body| Then::Put { body });
    prop_oneof![
        6 => (select(vec![Edge::Due, Edge::Due, Edge::Revival, Edge::Expiry]), Just(Then::Nothing)),
        5 => (select(vec![Edge::Revival, Edge::Expiry]), copy()),
        2 => (select(vec![Edge::Retention, Edge::Expiry]), Just(Then::Reopen)),
    ]
}

fn advance() -> impl Strategy<Value = i64> {
    let around = |time: i64| [time - 1, time, time + 1];
    let long = [HOUR, 4 * DAY, 30 * DAY].map(around).concat();
    prop_oneof![
        3 => select(vec![1, 5, 250, 999, SECOND]),
        3 => select([10 * SECOND, MINUTE, 10 * MINUTE].map(around).concat()),
        1 => select(long),
    ]
}

fn wall_clock() -> impl Strategy<Value = i64> {
    let before_1970 = -57 * 365 * DAY;
    let jumps = vec![SECOND, -SECOND, HOUR, -HOUR, 5 * DAY, -5 * DAY, 31 * DAY, before_1970];
    prop_oneof![1 => Just(0), 2 => select(jumps)]
}
