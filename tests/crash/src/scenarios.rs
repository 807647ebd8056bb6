//! What is done to a receiver, one file each.

use std::path::PathBuf;
use std::pin::Pin;

use inhook::BoxError;

use crate::table::Figure;

mod cancel;
mod capacity;
mod clock;
mod disk;
mod duplicates;
mod faults;
mod kill;
mod order;
mod overload;
mod poison;
mod power;
pub mod secrets;
mod slow;
mod wake;

/// All of them, in the order in which they run.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "kill", run: |run| Box::pin(kill::run(run)) },
    Scenario { name: "power", run: |run| Box::pin(power::run(run)) },
    Scenario { name: "faults", run: |run| Box::pin(faults::run(run)) },
    Scenario { name: "order", run: |run| Box::pin(order::run(run)) },
    Scenario { name: "disk", run: |run| Box::pin(disk::run(run)) },
    Scenario { name: "capacity", run: |run| Box::pin(capacity::run(run)) },
    Scenario { name: "cancel", run: |run| Box::pin(cancel::run(run)) },
    Scenario { name: "clock", run: |run| Box::pin(clock::run(run)) },
    Scenario { name: "duplicates", run: |run| Box::pin(duplicates::run(run)) },
    Scenario { name: "overload", run: |run| Box::pin(overload::run(run)) },
    Scenario { name: "slow", run: |run| Box::pin(slow::run(run)) },
    Scenario { name: "poison", run: |run| Box::pin(poison::run(run)) },
    Scenario { name: "secrets", run: |run| Box::pin(secrets::run(run)) },
    Scenario { name: "wake", run: |run| Box::pin(wake::run(run)) },
];

pub struct Scenario {
    pub name: &'static str,
    pub run: fn(Run) -> Running,
}

/// Scenarios are awaited where they are made.
type Running = Pin<Box<dyn Future<Output = Result<Vec<Figure>, BoxError>>>>;

/// How a scenario is run.
pub struct Run {
    /// The form that fits into CI.
    pub short: bool,
    /// An empty directory of its own.
    pub directory: PathBuf,
}

impl Run {
    /// A number of rounds, by form.
    pub fn rounds(&self, short: usize, long: usize) -> usize {
        if self.short { short } else { long }
    }
}
