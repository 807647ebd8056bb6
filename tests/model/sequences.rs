//! Sequences of steps, done to an inbox and to the model.

use std::cell::RefCell;
use std::fmt;

use proptest::strategy::Strategy;
use tokio::runtime::{Builder, Runtime};

use super::op::Case;
use super::search::{Found, Search};
use super::world::{Kind, Tally, World};

/// What was tried.
#[derive(Debug, Default)]
pub(crate) struct Report {
    cases: u32,
    steps: u64,
    pub(crate) answers: Tally,
}

/// A sequence that is answered otherwise than the rules say.
pub(crate) struct Wrong {
    found: Found<Case>,
    trace: Vec<String>,
}

pub(crate) fn try_all(
    kind: Kind,
    search: &Search,
    cases: impl Strategy<Value = Case>,
) -> Result<Report, Box<Wrong>> {
    let runtime = runtime();
    let report = RefCell::new(Report::default());
    let tried = search.run(cases, |case| {
        let (world, result) = runtime.block_on(play(kind, case));
        report.borrow_mut().add(case, &world.tally);
        result
    });
    let report = report.into_inner();
    match tried {
        Ok(()) => {
            println!("{kind:?}: {report:?}");
            Ok(report)
        }
        Err(found) => Err(Box::new(fewest(&runtime, kind, found))),
    }
}

/// One sequence that is spelled out.
pub(crate) fn try_one(kind: Kind, case: &Case) {
    let (world, result) = runtime().block_on(play(kind, case));
    if let Err(reason) = result {
        panic!("{kind:?}: {reason}\n{}", world.trace.join("\n"));
    }
}

async fn play(kind: Kind, case: &Case) -> (World, Result<(), String>) {
    let mut world = World::new(kind, case.setup).await;
    let result = world.run(case).await;
    (world, result)
}

/// Leaves out every step without which a sequence still fails: once proptest has made the steps
/// simpler, some are idle.
fn fewest(runtime: &Runtime, kind: Kind, mut found: Found<Case>) -> Wrong {
    let mut trace = Vec::new();
    let mut at = found.case.ops.len();
    loop {
        let mut case = found.case.clone();
        if at < case.ops.len() {
            case.ops.remove(at);
        }
        if let (world, Err(reason)) = runtime.block_on(play(kind, &case)) {
            at = case.ops.len();
            (found.case, found.reason, trace) = (case, reason, world.trace);
        }
        match at.checked_sub(1) {
            Some(before) => at = before,
            None => return Wrong { found, trace },
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

impl Report {
    fn add(&mut self, case: &Case, answers: &Tally) {
        self.cases += 1;
        self.steps += u64::try_from(case.ops.len()).unwrap();
        for (answer, count) in answers {
            *self.answers.entry(answer).or_default() += count;
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "    {line}")?;
        }
        write!(f, "{}", self.found)
    }
}
