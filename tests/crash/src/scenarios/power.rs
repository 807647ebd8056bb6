//! S8: the power goes, and with it whatever was not synced.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use inhook::BoxError;

use super::Run;
use crate::child::{PATIENCE, Receiver};
use crate::client::{Client, id};
use crate::faults::{Fault, Lie};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::receiver::{Said, Spec};
use crate::shadow::{Shadow, Survives, cut};
use crate::store::contents;
use crate::table::Figure;

const PARTNERS: usize = 8;
/// Of so many lives one is long.
const LONG_LIVED: usize = 10;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let cuts = run.rounds(20, 200);
    let directory = |name: &str| {
        let directory = run.directory.join(name);
        std::fs::create_dir_all(directory.join("shadows")).map(|()| directory)
    };
    let tested = under_load(&directory("load")?, Lie::Nothing, cuts).await?;
    let control = under_load(&directory("no sync")?, Lie::Log, cuts.min(20)).await?;
    let retries = run.rounds(10, 50);
    let retried = in_commit(&directory("commit")?, Lie::Nothing, retries).await?;
    let unsynced = in_commit(&directory("commit, no sync")?, Lie::Everything, 5).await?;
    Ok(vec![
        Figure {
            case: "S8",
            what: format!(
                "{cuts} power cuts under load, {} answered 200, the log started afresh {} times",
                tested.acked, tested.restarts
            ),
            target: "0 lost, every file sound".into(),
            measured: format!("{} lost, {} files damaged", tested.lost, tested.damaged),
            control: format!(
                "a log that is not synced loses {}, and damages {}",
                control.lost, control.damaged
            ),
            met: tested.lost == 0
                && tested.damaged == 0
                && tested.restarts > 0
                && control.lost + control.damaged > 0,
        },
        Figure {
            case: "S8",
            what: format!("{retries} kills in a commit, the retry answered 200, then a power cut"),
            target: "0 lost".into(),
            measured: format!("{} lost, {} files damaged", retried.lost, retried.damaged),
            control: format!("without syncs {} of 5 are lost", unsynced.lost),
            met: retried.lost == 0 && retried.damaged == 0 && unsynced.lost + unsynced.damaged > 0,
        },
    ])
}

#[derive(Default)]
pub(super) struct Outcome {
    pub(super) acked: usize,
    pub(super) lost: usize,
    pub(super) damaged: usize,
    /// How often a log was started afresh.
    restarts: u64,
    /// How many syncs failed that were not SQLite's.
    pub(super) failures_beside: u64,
}

/// A receiver's files, and its disk.
pub(super) struct Machine {
    pub(super) spec: Spec,
    db: PathBuf,
    shadows: PathBuf,
}

impl Machine {
    pub(super) fn new(directory: &Path) -> Self {
        let (db, shadows) = (directory.join("inbox.db"), directory.join("shadows"));
        let spec = Spec { shadows: Some(shadows.clone()), ..Spec::new(&db) };
        Self { spec, db, shadows }
    }

    /// Starts a receiver whose disk lies like this.
    pub(super) async fn start(&self, lie: Lie) -> Result<Receiver, BoxError> {
        Receiver::start(&Spec { faults: vec![Fault::Lie(lie)], ..self.spec.clone() }).await
    }

    /// How often the log was started afresh.
    fn restarts(&self) -> u64 {
        let log = format!("{}-wal", self.db.display());
        Shadow::open(&self.shadows, Path::new(&log)).restarts().load(Ordering::SeqCst)
    }

    /// How many failed syncs of the file were the receiver's own.
    pub(super) fn failures_beside(&self) -> u64 {
        Shadow::open(&self.shadows, &self.db).failures_beside().load(Ordering::SeqCst)
    }

    /// The power goes, and the acknowledged ids are looked for.
    pub(super) fn cut(
        &self,
        survives: Survives,
        acked: impl IntoIterator<Item = String>,
        outcome: &mut Outcome,
    ) -> Result<(), BoxError> {
        cut(&self.shadows, &self.db, survives)?;
        // A copy, since looking at a log recovers it.
        let looked_at = self.shadows.join("looked-at");
        std::fs::copy(&self.db, &looked_at)?;
        let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
        if std::fs::exists(log(&self.db))? {
            std::fs::copy(log(&self.db), log(&looked_at))?;
        }
        match contents(&looked_at) {
            Ok(contents) => {
                outcome.damaged += usize::from(contents.integrity != "ok");
                outcome.lost = acked.into_iter().filter(|id| !contents.ids.contains(id)).count();
            }
            Err(error) => {
                eprintln!("{error}");
                outcome.damaged += 1;
            }
        }
        for path in [log(&looked_at), PathBuf::from(format!("{}-shm", looked_at.display()))] {
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }
}

async fn under_load(directory: &Path, lie: Lie, cuts: usize) -> Result<Outcome, BoxError> {
    let machine = Machine::new(directory);
    let ledger = Arc::new(Ledger::create(&directory.join("acked"))?);
    let mut outcome = Outcome::default();
    // What exists when the power first goes is a file that was made in peace.
    machine.start(Lie::Nothing).await?.kill().await?;
    for cut in 1..=cuts {
        let receiver = machine.start(lie).await?;
        let load = Load::start(receiver.address(), PARTNERS, &ledger);
        // Some live until their log was long, and is started afresh.
        let restarts = machine.restarts();
        let deadline = Instant::now() + PATIENCE;
        while lie == Lie::Nothing && cut % LONG_LIVED == 0 && machine.restarts() == restarts {
            if Instant::now() > deadline {
                return Err("no log was started afresh".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..400))).await;
        receiver.kill().await?;
        load.ended().await;
        let survives = match fastrand::u8(..4) {
            0 => Survives::Everything,
            1 => Survives::Nothing,
            _ => Survives::Anything,
        };
        machine.cut(survives, ledger.acked(), &mut outcome)?;
        if outcome.damaged > 0 {
            break;
        }
    }
    outcome.acked = ledger.count();
    outcome.restarts = machine.restarts();
    Ok(outcome)
}

/// A process dies in the middle of a commit. The next one finds it in the log, complete but never
/// synced, and answers the partner's retry: only then may the power go.
async fn in_commit(directory: &Path, lie: Lie, rounds: usize) -> Result<Outcome, BoxError> {
    let mut machine = Machine::new(directory);
    // A worker has commits of its own, and one of those would be held.
    machine.spec.handler = None;
    let mut outcome = Outcome::default();
    let mut acked = Vec::new();
    machine.start(Lie::Nothing).await?.kill().await?;
    for _ in 0..rounds {
        let mut receiver = machine.start(Lie::Nothing).await?;
        let address = receiver.address();
        // Something before it, so that the first accept's checkpoint is over.
        let mut client = Client::connect(address).await?;
        client.send(&id()).await?;
        receiver.set(Fault::HoldLogSync).await?;
        let held = id();
        let first = tokio::spawn({
            let held = held.clone();
            async move { client.send(&held).await.map_err(|error| error.to_string()) }
        });
        receiver.wait_for(|said| *said == Said::InSync).await?;
        receiver.kill().await?;
        if first.await?.is_ok_and(|answer| answer.is_ok()) {
            return Err("it was answered 200 in the middle of its commit".into());
        }
        let receiver = machine.start(lie).await?;
        let answer = Client::connect(receiver.address()).await?.send(&held).await?;
        if !answer.is_ok() {
            return Err(format!("the retry was answered {}", answer.status).into());
        }
        acked.push(held);
        receiver.kill().await?;
        machine.cut(Survives::Nothing, acked.clone(), &mut outcome)?;
    }
    outcome.acked = acked.len();
    Ok(outcome)
}
