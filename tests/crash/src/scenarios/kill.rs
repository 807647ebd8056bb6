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
use crate::store::{leased, unsettled};
use crate::table::Figure;

const PARTNERS: usize = 8;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let kills = run.rounds(50, 1_000);
    let file = run.directory.join("inbox.db");
    let tested = kill_often(&Spec::new(&file), &run.directory.join("acked"), kills).await?;
    let apart = run.rounds(20, 200);
    let two = run.directory.join("apart.db");
    let two = kill_apart(&two, &run.directory.join("acked apart"), apart).await?;
    let control = Spec { db: None, ..Spec::new("") };
    let control = kill_often(&control, &run.directory.join("control"), kills.min(20)).await?;
    let figure = |what: String, tested: &Outcome| {
        let Outcome { acked, lost, double, again, running } = tested;
        Figure {
            case: "S7",
            what: format!("{what}, {acked} answered 200"),
            target: "0 lost, 0 accepted twice, run again <= running at a kill".into(),
            measured: format!(
                "{lost} lost, {double} accepted twice, {again} run again of {running}"
            ),
            control: format!("an inbox in memory loses {} of {}", control.lost, control.acked),
            met: *lost == 0 && *double == 0 && again <= running && control.lost > 0,
        }
    };
    Ok(vec![
        figure(format!("{kills} SIGKILLs under load"), &tested),
        figure(format!("{apart} of a receiver or a worker apart, or both"), &two),
    ])
}

/// Receiver and worker are two processes, and a kill takes either, or both.
async fn kill_apart(file: &Path, ledger: &Path, kills: usize) -> Result<Outcome, BoxError> {
    let ledger = Arc::new(Ledger::create(ledger)?);
    let accepts = Spec { handler: None, ..Spec::new(file) };
    let works = Spec { accepts: false, ..Spec::new(file) };
    let mut runs: HashMap<String, usize> = HashMap::new();
    let mut running = HashSet::new();
    let (mut receiver, mut worker) = (None, None);
    for _ in 0..kills {
        let alive = match receiver.take() {
            Some(receiver) => receiver,
            None => Receiver::start(&accepts).await?,
        };
        let mut at_work = match worker.take() {
            Some(worker) => worker,
            None => Receiver::start(&works).await?,
        };
        let load = Load::start(alive.address(), PARTNERS, &ledger);
        ledger.answered(fastrand::usize(1..200)).await?;
        let began = at_work.said().len();
        at_work.wait_for_more(began, |said| matches!(said, Said::Began { .. })).await?;
        let (kills_receiver, kills_worker) = *[(true, false), (false, true), (true, true)]
            .get(fastrand::usize(..3))
            .ok_or("one of three")?;
        if kills_receiver {
            alive.kill().await?;
            load.ended().await;
        } else {
            drop(load);
            receiver = Some(alive);
        }
        if kills_worker {
            count(&at_work.kill().await?, &mut runs);
            running.extend(leased(file)?);
        } else {
            worker = Some(at_work);
        }
    }
    drop(receiver);
    if let Some(worker) = worker {
        count(&worker.kill().await?, &mut runs);
        running.extend(leased(file)?);
    }
    let worker = Receiver::start(&works).await?;
    settled(file).await?;
    count(&worker.kill().await?, &mut runs);
    Ok(outcome(&ledger, &runs, running.len()))
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
        ledger.answered(fastrand::usize(1..200)).await?;
        receiver.wait_for(|said| matches!(said, Said::Began { .. })).await?;
        count(&receiver.kill().await?, &mut runs);
        load.ended().await;
        if let Some(db) = &spec.db {
            running.extend(leased(db)?);
        }
    }
    if let Some(db) = &spec.db {
        let receiver = Receiver::start(spec).await?;
        settled(db).await?;
        count(&receiver.kill().await?, &mut runs);
    }
    Ok(outcome(&ledger, &runs, running.len()))
}

fn outcome(ledger: &Ledger, runs: &HashMap<String, usize>, running: usize) -> Outcome {
    let lost = ledger.acked().iter().filter(|id| !runs.contains_key(*id)).count();
    let again = runs.values().map(|runs| runs - 1).sum();
    let (acked, double) = (ledger.count(), ledger.double_accepts());
    Outcome { acked, lost, double, again, running }
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
    while unsettled(db)? > 0 {
        if Instant::now() > deadline {
            return Err("not everything is handled".into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
