//! The inboxes against a model of their rules, on sequences of steps that are drawn at random, and
//! other properties that hold for everything.
//!
//! Longer: `PROPTEST_CASES=10000 cargo test --release --test model`. See [`search`] for how a failure
//! comes back.

mod bytes;
mod drawn;
mod full;
mod op;
mod partner;
mod planted;
mod promise;
mod racing;
mod records;
mod rules;
mod search;
mod sequences;
mod world;

use op::{Case, DAY, Edge, End, MINUTE, Name, Op, SECOND, Setup, Then};
use planted::Bug;
use search::Search;
use sequences::{try_all, try_one};
use world::Kind;

/// How many sequences each kind of inbox gets.
const MEMORY_CASES: u32 = 256;
const SQLITE_CASES: u32 = 64;

#[test]
fn memory_inbox_keeps_the_rules() {
    if let Err(wrong) = try_all(Kind::Memory, &Search::new(MEMORY_CASES), drawn::case()) {
        panic!("{wrong}");
    }
}

#[test]
fn sqlite_inbox_keeps_the_rules() {
    if let Err(wrong) = try_all(Kind::Sqlite, &Search::new(SQLITE_CASES), drawn::case()) {
        panic!("{wrong}");
    }
}

#[test]
fn each_planted_bug_is_found() {
    for bug in Bug::ALL {
        match try_all(Kind::Planted(bug), &Search::exactly(MEMORY_CASES), drawn::case()) {
            Ok(_) => panic!("{bug:?} was not found"),
            Err(wrong) => println!("{bug:?}:\n{wrong}\n"),
        }
    }
}

/// Those that a fuzzer's bytes make can show as much.
#[test]
fn each_planted_bug_is_found_by_bytes() {
    for bug in Bug::ALL {
        let bytes = drawn::case_of_bytes();
        match try_all(Kind::Planted(bug), &Search::exactly(4 * MEMORY_CASES), bytes) {
            Ok(_) => panic!("{bug:?} was not found"),
            Err(wrong) => println!("{bug:?}:\n{wrong}\n"),
        }
    }
}

/// A sequence that never gets anywhere proves nothing.
#[test]
fn the_sequences_come_to_every_answer() {
    let Ok(report) = try_all(Kind::Memory, &Search::seeded(MEMORY_CASES, 1), drawn::case()) else {
        panic!("it does not keep the rules")
    };
    for answer in world::ANSWERS {
        let count = report.answers.get(answer).copied().unwrap_or_default();
        assert!(count >= 20, "{answer}: {count} times in {report:?}");
    }
}

#[test]
fn a_suspect_that_is_left_is_due_however_few_were_asked_for() {
    let lease = |max, suspects| Op::Lease { by: 0, max, length: MINUTE, suspects };
    let put = |id| Op::Put { by: 0, name: Name(0, id), body: 0 };
    let released = |lease| Op::Settle { by: 0, lease, end: End::Released };
    let ops = vec![
        put(0),
        put(1),
        lease(2, false),
        Op::Advance(MINUTE),
        lease(2, true),
        released(0),
        released(1),
        lease(0, false),
        lease(1, true),
    ];
    for kind in [Kind::Memory, Kind::Sqlite] {
        try_one(kind, &Case { setup: Setup::DEFAULT, ops: ops.clone() });
    }
}

#[test]
fn c9_a_lease_that_only_the_wall_clock_takes_for_lapsed_is_waited_for() {
    let lease = |max| Op::Lease { by: 1, max, length: MINUTE, suspects: false };
    let ops = vec![
        Op::Put { by: 0, name: Name(0, 0), body: 0 },
        lease(1),
        Op::Advance(SECOND),
        Op::WallClock(31 * DAY),
        lease(1),
        Op::Advance(MINUTE - SECOND),
        lease(1),
    ];
    for kind in [Kind::Memory, Kind::Sqlite] {
        try_one(kind, &Case { setup: Setup::DEFAULT, ops: ops.clone() });
    }
}

/// The clock runs ahead for so long that a key is forgotten, and is set right.
#[test]
fn c9_a_lease_of_a_life_that_was_forgotten_settles_nothing_though_the_clock_was_set_back() {
    let put = Op::Put { by: 0, name: Name(0, 0), body: 0 };
    let lease = Op::Lease { by: 0, max: 1, length: MINUTE, suspects: false };
    let settle = |lease| Op::Settle { by: 0, lease, end: End::Done };
    let ops = vec![
        put.clone(),
        lease.clone(),
        settle(0),
        Op::WallClock(31 * DAY),
        Op::Crash { process: 0 },
        Op::WallClock(0),
        put,
        lease,
        settle(1),
        settle(0),
        Op::Approach { edge: Edge::Expiry, nth: 0, after: 0, then: Then::Nothing },
    ];
    try_one(Kind::Sqlite, &Case { setup: Setup::DEFAULT, ops });
}
