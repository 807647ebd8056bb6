//! Sequences that proptest makes and shrinks.

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::op::{
    BODIES, Case, DAY, Edge, End, HOUR, IDS, MINUTE, Name, Op, PROCESSES, SECOND, SOURCES, Setup,
    Then,
};

/// Settings and up to 120 steps.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    (setup(), vec(op(), 1..=120)).prop_map(|(setup, ops)| Case { setup, ops })
}

/// What a fuzzer does without proptest.
pub(crate) fn case_of_bytes() -> impl Strategy<Value = Case> {
    vec(any::<u8>(), 4..300).prop_map(|data| Case::from_bytes(&data))
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
