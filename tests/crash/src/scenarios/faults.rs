//! D, F: the disk fails now and then, and the lock is not to be had.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inhook::BoxError;

use super::Run;
use super::power::{Machine, Outcome};
use crate::faults::{Fault, Lie, Operation};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::shadow::Survives;
use crate::table::Figure;

const PARTNERS: usize = 8;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let directory = |name: &str| {
        let directory = run.directory.join(name);
        std::fs::create_dir_all(directory.join("shadows")).map(|()| directory)
    };
    let cuts = run.rounds(10, 100);
    let heard = given_up(&directory("given up")?, Operation::Sync, cuts).await?;
    let unheard = given_up(&directory("unheard")?, Operation::SyncUnheard, cuts.min(20)).await?;
    Ok(vec![Figure {
        case: "F",
        what: format!("{cuts} power cuts after failed syncs, {} answered 200", heard.acked),
        target: "0 lost, every file sound".into(),
        measured: format!("{} lost, {} files damaged", heard.lost, heard.damaged),
        control: format!(
            "of a failure that is not heard of: {} lost, {} damaged",
            unheard.lost, unheard.damaged
        ),
        met: heard.lost == 0 && heard.damaged == 0 && unheard.lost + unheard.damaged > 0,
    }])
}

/// Syncs fail now and then, and what they were to write is given up: the next sync succeeds, and
/// does not write it. Then the power goes.
async fn given_up(directory: &Path, fails: Operation, cuts: usize) -> Result<Outcome, BoxError> {
    let machine = Machine::new(directory);
    let ledger = Arc::new(Ledger::create(&directory.join("acked"))?);
    let mut outcome = Outcome::default();
    machine.start(Lie::Nothing).await?.kill().await?;
    for _ in 0..cuts {
        let mut receiver = machine.start(Lie::Nothing).await?;
        let load = Load::start(receiver.address(), PARTNERS, &ledger);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1500..3500))).await;
        let rate = std::env::var("RATE").ok().and_then(|r| r.parse().ok()).unwrap_or(20_000);
        receiver.set(Fault::Chance(fails, rate)).await?;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(100..800))).await;
        receiver.set(Fault::Chance(fails, 0)).await?;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..400))).await;
        receiver.kill().await?;
        load.ended().await;
        machine.cut(Survives::Nothing, ledger.acked(), &mut outcome)?;
        eprintln!("{} {} {}", ledger.count(), outcome.lost, outcome.damaged);
        if outcome.damaged > 0 || outcome.lost > 0 {
            break;
        }
    }
    outcome.acked = ledger.count();
    Ok(outcome)
}
