//! D, F: the disk fails now and then, the lock is not to be had, and a sync that failed has given up
//! what it was to write.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use inhook::BoxError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::Run;
use super::power::{Machine, Outcome};
use crate::child::{PATIENCE, Receiver};
use crate::client::{Client, id};
use crate::faults::{Fault, Lie, Operation};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::naive::Naive;
use crate::receiver::{Said, Spec};
use crate::shadow::Survives;
use crate::store::contents;
use crate::table::Figure;

const PARTNERS: usize = 8;
/// How long it may take until everything works again.
const RECOVERY: Duration = Duration::from_secs(5);
const FAILING: [Operation; 5] =
    [Operation::Read, Operation::Write, Operation::Full, Operation::Sync, Operation::Lock];
/// How often something fails, in a million times.
const RATES: [u32; 5] = [1_000, 10_000, 100_000, 500_000, 1_000_000];

/// Syncs fail so that SQLite hears of it, and so that it does not.
const HEARD: [Fault; 2] =
    [Fault::Chance(Operation::SyncDatabase, 1_000_000), Fault::Chance(Operation::Sync, 300_000)];
const UNHEARD: [Fault; 1] = [Fault::Chance(Operation::SyncUnheard, 1_000_000)];

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let directory = |name: &str| {
        let directory = run.directory.join(name);
        std::fs::create_dir_all(directory.join("shadows")).map(|()| directory)
    };
    let rounds = run.rounds(10, 300);
    let mut tested = failing(&directory("failing")?, None, rounds).await?;
    if tested.integrity == "ok" {
        tested.integrity = dropping(&directory("dropping")?, run.rounds(10, 50)).await?;
    }
    let deaf = failing(&directory("deaf")?, Some(Naive::IgnoresErrors), 4).await?;
    let mut well = health(&directory("health")?).await?;
    well.recovered = well.recovered.max(looked_at(&directory("looked at")?).await?);
    let cuts = run.rounds(2, 40);
    let heard = given_up(&directory("given up")?, &HEARD, false, cuts).await?;
    let shared = given_up(&directory("shared")?, &HEARD, true, cuts).await?;
    let unheard = given_up(&directory("unheard")?, &UNHEARD, false, 5).await?;
    Ok(vec![
        Figure {
            case: "D, F",
            what: format!(
                "{rounds} rounds of I/O errors, a full disk, a lock not to be had; \
                 {} answered 200, {} answered 503",
                tested.acked, tested.refused
            ),
            target: "0 lost, 0 accepted twice, nothing else answered, sound, well again in 5 s"
                .into(),
            measured: tested.measured(),
            control: format!("an intake that ignores errors loses {} of {}", deaf.lost, deaf.acked),
            met: tested.is_met() && deaf.lost > 0,
        },
        Figure {
            case: "F",
            what: "/healthz while every write, sync or lock fails".into(),
            target: "503 within 3 s and as long as it lasts; 200 and an accept 5 s after".into(),
            measured: format!(
                "503 after {:.1?}, {} answers said otherwise; well after {:.1?}",
                well.noticed, well.wrong, well.recovered
            ),
            control: format!("without a fault it is {}", well.before),
            met: well.wrong == 0 && well.recovered <= RECOVERY && well.before == StatusCode::OK,
        },
        Figure {
            case: "F",
            what: format!(
                "{cuts} power cuts after failed syncs whose pages are given up, {} answered 200",
                heard.acked
            ),
            target: "0 lost, every file sound".into(),
            measured: format!("{} lost, {} files damaged", heard.lost, heard.damaged),
            control: format!(
                "of failures that SQLite does not hear of: {} lost, {} damaged",
                unheard.lost, unheard.damaged
            ),
            met: heard.lost == 0 && heard.damaged == 0 && unheard.lost + unheard.damaged > 0,
        },
        Figure {
            case: "F",
            what: format!(
                "{cuts} of the same while another process has the file open, {} answered 200",
                shared.acked
            ),
            target: "0 lost, every file sound, accepts again once that one has closed it".into(),
            measured: format!("{} lost, {} files damaged", shared.lost, shared.damaged),
            control: "that of the line above".into(),
            met: shared.lost == 0
                && shared.damaged == 0
                && heard.failures_beside + shared.failures_beside > 0,
        },
    ])
}

struct Failing {
    acked: usize,
    refused: usize,
    lost: usize,
    double: u32,
    /// Answers that are neither 200 nor 503, and connections that broke.
    odd: usize,
    integrity: String,
    recovered: Duration,
}

impl Failing {
    fn is_met(&self) -> bool {
        let Self { lost, double, odd, .. } = self;
        (*lost, *double, *odd, &*self.integrity) == (0, 0, 0, "ok") && self.recovered <= RECOVERY
    }

    fn measured(&self) -> String {
        let Self { lost, double, odd, integrity, recovered, .. } = self;
        format!(
            "{lost} lost, {double} accepted twice, {odd} other answers, integrity {integrity}, \
             well after {recovered:.1?}"
        )
    }
}

/// Something or other fails at rates that change, under load and with a worker.
async fn failing(
    directory: &Path,
    naive: Option<Naive>,
    rounds: usize,
) -> Result<Failing, BoxError> {
    let db = directory.join("inbox.db");
    let ledger = Arc::new(Ledger::create(&directory.join("acked"))?);
    let faults = vec![Fault::Lie(Lie::Nothing)];
    let spec = Spec { faults, naive, retain_done: Duration::ZERO, ..Spec::new(&db) };
    let mut receiver = Receiver::start(&spec).await?;
    let address = receiver.address();
    let mut load = Load::start(address, PARTNERS, &ledger);
    for _ in 0..rounds {
        let [one, other] = [0; 2].map(|_| FAILING[fastrand::usize(..FAILING.len())]);
        for operation in [one, other] {
            let rate = RATES[fastrand::usize(..RATES.len())];
            receiver.set(Fault::Chance(operation, rate)).await?;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(100..600))).await;
        for operation in [one, other] {
            receiver.set(Fault::Chance(operation, 0)).await?;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
    }
    let recovered = recovery(&mut Client::connect(address).await?).await?;
    // The worker goes on as well.
    let begun = receiver.said().len();
    let begins = receiver.wait_for_more(begun, |said| matches!(said, Said::Began { .. }));
    begins.await?;
    let broken = load.broken();
    receiver.kill().await?;
    load.ended().await;
    let contents = contents(&db)?;
    let acked = ledger.acked();
    Ok(Failing {
        acked: acked.len(),
        refused: ledger.refused(StatusCode::SERVICE_UNAVAILABLE),
        lost: acked.iter().filter(|id| !contents.ids.contains(*id)).count(),
        double: ledger.double_accepts(),
        odd: ledger.odd_answers() + broken,
        integrity: contents.integrity,
        recovered,
    })
}

/// Reading fails once in a while in the middle of a transaction, when old deliveries are dropped that are
/// not in the cache. What the file is like afterwards.
async fn dropping(directory: &Path, lives: usize) -> Result<String, BoxError> {
    let db = directory.join("inbox.db");
    let ledger = Arc::new(Ledger::create(&directory.join("acked"))?);
    let faults = vec![Fault::Lie(Lie::Nothing)];
    let spec = Spec { faults, handler: None, ..Spec::new(&db) };
    Receiver::start(&spec).await?.kill().await?;
    for _ in 0..lives {
        Connection::open(&db)?.execute_batch(
            "INSERT INTO delivery (key, state, fence, started_at, expires_at, sweep_at, ttl,
                freshness, source, secret, received_at, body)
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
             SELECT randomblob(32), 2, 1, 0, 1 << 60, 1, 0, 0, 'old', '0', 0, zeroblob(1000) FROM n;
             UPDATE count SET deliveries = deliveries + 10000 WHERE state = 2",
        )?;
        let mut receiver = Receiver::start(&spec).await?;
        let load = Load::start(receiver.address(), PARTNERS, &ledger);
        ledger.answered(50).await?;
        receiver.set(Fault::Chance(Operation::Read, 100_000)).await?;
        let (refused, deadline) = (ledger.refused(StatusCode::SERVICE_UNAVAILABLE), Instant::now());
        while ledger.refused(StatusCode::SERVICE_UNAVAILABLE) == refused {
            if deadline.elapsed() > PATIENCE {
                return Err("no read has failed".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        receiver.kill().await?;
        load.ended().await;
        let integrity = contents(&db)?.integrity;
        if integrity != "ok" {
            return Ok(integrity);
        }
        let left = "SELECT count(*) FROM delivery WHERE sweep_at = 1";
        if Connection::open(&db)?.query_row(left, [], |row| row.get::<_, i64>(0))? == 0 {
            return Err("everything was dropped before a read could fail".into());
        }
    }
    Ok("ok".into())
}

/// How long it takes until it is well and accepts something.
async fn recovery(client: &mut Client) -> Result<Duration, BoxError> {
    let start = Instant::now();
    while start.elapsed() < 4 * RECOVERY {
        if client.health().await? == StatusCode::OK && client.send(&id()).await?.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(start.elapsed())
}

struct Health {
    before: StatusCode,
    noticed: Duration,
    /// How often it was well while nothing could be written.
    wrong: usize,
    recovered: Duration,
}

async fn health(directory: &Path) -> Result<Health, BoxError> {
    let spec = Spec::new(directory.join("inbox.db"));
    let faults = vec![Fault::Lie(Lie::Nothing)];
    let mut receiver = Receiver::start(&Spec { faults, ..spec }).await?;
    let mut client = Client::connect(receiver.address()).await?;
    client.send(&id()).await?;
    let before = client.health().await?;
    let (noticed, recovered) = (Duration::ZERO, Duration::ZERO);
    let mut health = Health { before, noticed, wrong: 0, recovered };
    for operation in [Operation::Write, Operation::Full, Operation::Sync, Operation::Lock] {
        receiver.set(Fault::Chance(operation, 1_000_000)).await?;
        let start = Instant::now();
        // An accept of the last second shows that it is well.
        while client.health().await? == StatusCode::OK && start.elapsed() < RECOVERY {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        health.noticed = health.noticed.max(start.elapsed());
        health.wrong += usize::from(start.elapsed() > Duration::from_secs(3));
        for _ in 0..2 {
            health.wrong += usize::from(client.send(&id()).await?.is_ok());
            health.wrong += usize::from(client.health().await? == StatusCode::OK);
        }
        receiver.set(Fault::Chance(operation, 0)).await?;
        health.recovered = health.recovered.max(recovery(&mut client).await?);
    }
    receiver.kill().await?;
    Ok(health)
}

/// While nothing can be written somebody looks at the file with a tool, which removes the log as it closes
/// the file, as whoever does that last. How long it takes until something is accepted again.
async fn looked_at(directory: &Path) -> Result<Duration, BoxError> {
    let db = directory.join("inbox.db");
    let faults = vec![Fault::Lie(Lie::Nothing)];
    let mut receiver = Receiver::start(&Spec { faults, handler: None, ..Spec::new(&db) }).await?;
    let mut client = Client::connect(receiver.address()).await?;
    client.send(&id()).await?;
    receiver.set(Fault::Chance(Operation::Write, 1_000_000)).await?;
    let answer = client.send(&id()).await?;
    Connection::open(&db)?.query_row("SELECT count(*) FROM delivery", [], |_| Ok(()))?;
    if answer.is_ok() || std::fs::exists(directory.join("inbox.db-wal"))? {
        return Err("the receiver has not closed the file".into());
    }
    receiver.set(Fault::Chance(Operation::Write, 0)).await?;
    let recovered = recovery(&mut client).await?;
    receiver.kill().await?;
    Ok(recovered)
}

/// Syncs fail for a while, and what they were to write is given up: the system takes it for written,
/// so later syncs succeed and write nothing of it. Then the power goes; at once if nobody heard.
/// With `shared`, another process has the file open meanwhile, so SQLite forgets nothing: one that
/// reads, or another receiver.
async fn given_up(
    directory: &Path,
    faults: &[Fault],
    shared: bool,
    cuts: usize,
) -> Result<Outcome, BoxError> {
    let machine = Machine::new(directory);
    let ledger = Arc::new(Ledger::create(&directory.join("acked"))?);
    let mut outcome = Outcome::default();
    machine.start(Lie::Nothing).await?.kill().await?;
    for _ in 0..cuts {
        let mut receiver = machine.start(Lie::Nothing).await?;
        let mut load = Load::start(receiver.address(), PARTNERS, &ledger);
        ledger.answered(200).await?;
        // While somebody reads, checkpoints copy what was there before, and sync nothing of it.
        let reader = Connection::open(directory.join("inbox.db"))?;
        reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        reader.execute_batch("BEGIN; SELECT count(*) FROM delivery")?;
        ledger.answered(800).await?;
        reader.execute_batch("COMMIT")?;
        let reader = (shared && fastrand::bool()).then_some(reader);
        let mut other = match reader {
            Some(reader) => Other::Reader { _connection: reader },
            None if shared => {
                let receiver = machine.start(Lie::Nothing).await?;
                let load = Load::start(receiver.address(), PARTNERS, &ledger);
                ledger.answered(200).await?;
                Other::Receiver(receiver, load)
            }
            None => Other::Nobody,
        };
        for fault in faults {
            receiver.set(*fault).await?;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..200))).await;
        if faults == HEARD {
            for operation in [Operation::SyncDatabase, Operation::Sync] {
                receiver.set(Fault::Chance(operation, 0)).await?;
            }
            // The next process has to know as well.
            if shared && fastrand::bool() {
                receiver.kill().await?;
                load.ended().await;
                receiver = machine.start(Lie::Nothing).await?;
                load = Load::start(receiver.address(), PARTNERS, &ledger);
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..500))).await;
            if fastrand::bool() {
                std::mem::replace(&mut other, Other::Nobody).end().await?;
                ledger.answered(1).await?;
            }
        }
        receiver.kill().await?;
        load.ended().await;
        other.end().await?;
        machine.cut(Survives::Nothing, ledger.acked(), &mut outcome)?;
        if outcome.lost + outcome.damaged > 0 {
            break;
        }
    }
    outcome.acked = ledger.count();
    outcome.failures_beside = machine.failures_beside();
    Ok(outcome)
}

/// What else has the file open.
enum Other {
    Nobody,
    Reader { _connection: Connection },
    Receiver(Receiver, Load),
}

impl Other {
    async fn end(self) -> Result<(), BoxError> {
        if let Self::Receiver(receiver, load) = self {
            receiver.kill().await?;
            load.ended().await;
        }
        Ok(())
    }
}
