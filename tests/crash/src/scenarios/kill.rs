//! S7: the process dies under load, again and again, and starts again.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inhook::BoxError;

use super::Run;
use crate::child::{PATIENCE, Receiver};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::receiver::{Said, Spec};
use crate::store::contents;
use crate::table::Figure;

const PARTNERS: usize = 8;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let kills = run.rounds(50, 1_000);
    let file = run.directory.join("inbox.db");
    let tested = kill_often(&Spec::new(&file), &run.directory.join("acked"), kills).await?;
    let control = Spec { db: None, ..Spec::new("") };
    let control = kill_often(&control, &run.directory.join("control"), kills.min(20)).await?;
    let Outcome { acked, lost, double, again, running } = tested;
    Ok(vec![Figure {
        case: "S7",
        what: format!("{kills} SIGKILLs under load, {acked} answered 200"),
        target: "0 lost, 0 accepted twice, run again <= running at a kill".into(),
        measured: format!("{lost} lost, {double} accepted twice, {again} run again of {running}"),
        control: format!("an inbox in memory loses {} of {}", control.lost, control.acked),
        met: lost == 0 && double == 0 && again <= running && control.lost > 0,
    }])
}

struct Outcome {
    acked: usize,
    lost: usize,
    double: u32,
    /// Runs beyond the first of each job.
    again: usize,
    /// Jobs that were running when their process was killed.
    running: usize,
}

async fn kill_often(spec: &Spec, ledger: &Path, kills: usize) -> Result<Outcome, BoxError> {
    let ledger = Arc::new(Ledger::create(ledger)?);
    let mut runs: HashMap<String, usize> = HashMap::new();
    let mut running = HashSet::new();
    for _ in 0..kills {
        let mut receiver = Receiver::start(spec).await?;
        let load = Load::start(receiver.address(), PARTNERS, &ledger);
        // Under load, and at any moment of it.
        let answered = ledger.count() + fastrand::usize(1..200);
        let deadline = Instant::now() + PATIENCE;
        while ledger.count() < answered {
            if Instant::now() > deadline {
                return Err("there is no load".into());
            }
            tokio::time::sleep(Duration::from_micros(fastrand::u64(100..2_000))).await;
        }
        receiver.wait_for(|said| matches!(said, Said::Began { .. })).await?;
        count(&receiver.kill().await?, &mut runs);
        load.ended().await;
        if let Some(db) = &spec.db {
            running.extend(contents(db)?.leased);
        }
    }
    let lost = match &spec.db {
        Some(db) => {
            let receiver = Receiver::start(spec).await?;
            settled(db).await?;
            count(&receiver.kill().await?, &mut runs);
            ledger.acked().iter().filter(|id| !runs.contains_key(*id)).count()
        }
        None => ledger.acked().iter().filter(|id| !runs.contains_key(*id)).count(),
    };
    let again = runs.values().map(|runs| runs - 1).sum();
    let (acked, double) = (ledger.count(), ledger.double_accepts());
    Ok(Outcome { acked, lost, double, again, running: running.len() })
}

fn count(said: &[Said], runs: &mut HashMap<String, usize>) {
    for said in said {
        if let Said::Began { id, .. } = said {
            *runs.entry(id.clone()).or_default() += 1;
        }
    }
}

/// Waits until nothing is pending or leased.
pub(super) async fn settled(db: &Path) -> Result<(), BoxError> {
    let deadline = Instant::now() + 10 * PATIENCE;
    while contents(db)?.unsettled > 0 {
        if Instant::now() > deadline {
            return Err("not everything is handled".into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
