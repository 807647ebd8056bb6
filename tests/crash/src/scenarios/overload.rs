//! S15: ten times as many requests as are committed.

use std::time::Duration;

use inhook::BoxError;

use super::Run;
use crate::child::Receiver;
use crate::client::{Client, id};
use crate::faults::Fault;
use crate::naive::Naive;
use crate::offer::{Offered, offer};
use crate::process::{memory, raise_open_files};
use crate::receiver::Spec;
use crate::store::contents;
use crate::table::Figure;

/// How long a commit takes. Ten times as many requests come in this time as go into one.
const COMMIT: Duration = Duration::from_millis(20);
/// How soon what is accepted is answered.
const SOON: Duration = Duration::from_millis(100);
/// How late the partners may be, or the figures say more about the machine than about the receiver.
const ON_TIME: Duration = Duration::from_millis(20);
/// The memory of a receiver: at rest, and with its 64 MiB of bodies.
const AT_REST: u64 = 64 << 20;
const UNDER_LOAD: u64 = (64 + 96) << 20;
/// How much more of it there may be at the end than when the load was steady.
const DRIFT: f64 = 0.05;
/// More than the store's cache holds, and one body.
const CACHE: usize = 10 << 20;
const LONG: usize = 500 << 10;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    raise_open_files();
    let seconds = |short, long| Duration::from_secs(run.rounds(short, long) as u64);
    let load =
        Load { max_batch: run.rounds(1, 10), time: seconds(20, 600), warm_up: seconds(5, 120) };
    let spec = |name: &str, naive| -> Result<Spec, BoxError> {
        // The delay is the fault's alone, and not that of a busy disk.
        let shadows = run.directory.join(format!("{name}.shadows"));
        std::fs::create_dir(&shadows)?;
        Ok(Spec { naive, shadows: Some(shadows), ..Spec::new(run.directory.join(name)) })
    };
    // One hiccup of a busy machine is more than a hundredth of the short form.
    let share = if run.short { 0.95 } else { 0.99 };
    let mut tries = 0..run.rounds(3, 1);
    let tested = loop {
        let name = format!("inbox-{}.db", tries.start);
        let tested = overload(&spec(&name, None)?, &load).await?;
        let offered = &tested.offered;
        let on_time = offered.late.quantile(share) <= ON_TIME && offered.is_complete();
        tries.next();
        if on_time || tries.is_empty() {
            break tested;
        }
        eprintln!("overload: the machine is too busy to offer this much on time; once more");
    };
    let shorter = Load { time: seconds(5, 30), warm_up: seconds(1, 10), ..load };
    let control = Some(Naive::QueuesWithoutBounds);
    let control = overload(&spec("control.db", control)?, &shorter).await?;
    let Overloaded { offered, lost, at_rest, peak, drift } = tested;
    let accepted = offered.acked.len();
    // All of it was offered, not much too late, and most of it was too much.
    let is_overload = offered.is_complete()
        && offered.late.quantile(share) <= SOON
        && accepted * 5 < offered.offered;
    let in_time = |of: &Offered| of.accepted.quantile(share) <= SOON + of.late.quantile(share);
    Ok(vec![
        Figure {
            case: "S15",
            what: format!(
                "{}/s for {:?}, {}/s fit; sent late by {}",
                load.rate(),
                load.time,
                load.rate() / 10,
                offered.late
            ),
            target: format!(
                "accepted p{} <= {SOON:?} + how late is sent, others 503 + Retry-After, 0 lost",
                100.0 * share
            ),
            measured: format!(
                "{accepted} accepted in {}; {} refused in {}; {} failed, {lost} lost",
                offered.accepted, offered.refusals, offered.refused, offered.failed
            ),
            control: format!(
                "a queue without bounds: {} accepted in {}",
                control.offered.accepted.len(),
                control.offered.accepted
            ),
            met: is_overload
                && accepted > 0
                && in_time(&offered)
                && accepted + offered.refusals == offered.offered
                && lost == 0
                && (control.offered.accepted.len() == 0 || !in_time(&control.offered)),
        },
        Figure {
            case: "S15",
            what: format!("memory meanwhile, with {} connections", offered.connections),
            target: "<= 64 MiB before, <= 160 MiB, drift <= 5 %".into(),
            measured: format!(
                "{} MiB before, {} MiB, drift {:.1} %",
                at_rest >> 20,
                peak >> 20,
                100.0 * drift
            ),
            control: format!("a queue without bounds: drift {:.1} %", 100.0 * control.drift),
            met: at_rest <= AT_REST
                && peak <= UNDER_LOAD
                && drift <= DRIFT
                && control.drift > DRIFT,
        },
    ])
}

struct Load {
    /// How many deliveries are committed together.
    max_batch: usize,
    time: Duration,
    /// When the load is taken for steady.
    warm_up: Duration,
}

impl Load {
    /// How many requests are offered in a second.
    fn rate(&self) -> u32 {
        (10.0 * self.max_batch as f64 / COMMIT.as_secs_f64()) as u32
    }
}

struct Overloaded {
    offered: Offered,
    /// Deliveries that were answered 200 and are not there.
    lost: usize,
    at_rest: u64,
    peak: u64,
    /// The growth of the memory from when the load was steady to its end.
    drift: f64,
}

async fn overload(spec: &Spec, load: &Load) -> Result<Overloaded, BoxError> {
    let mut receiver =
        Receiver::start(&Spec { handler: None, max_batch: Some(load.max_batch), ..spec.clone() })
            .await?;
    let process = receiver.id();
    let at_rest = memory(process)?.now;
    // The store's cache is full from the beginning.
    let mut client = Client::connect(receiver.address()).await?;
    for _ in 0..CACHE / LONG {
        client.request(client.sign_long(&id(), LONG)?).await?;
    }
    receiver.set(Fault::LogSyncTakes(COMMIT)).await?;
    let growth = tokio::spawn(growth(process, load.time, load.warm_up));
    let offered = offer(receiver.address(), load.rate(), load.time, load.warm_up).await?;
    let drift = growth.await?.map_err(BoxError::from)?;
    let peak = memory(process)?.peak;
    receiver.kill().await?;
    let stored = contents(spec.db.as_deref().ok_or("there is no file")?)?.ids;
    let lost = offered.acked.iter().filter(|id| !stored.contains(*id)).count();
    Ok(Overloaded { offered, lost, at_rest, peak, drift })
}

/// How many looks at the memory there are in a quarter of the time.
const LOOKS: u32 = 20;

/// The growth of a process's memory from the first to the last quarter of the time after the warm-up,
/// each by its least: more than that comes and goes with the connections.
async fn growth(process: u32, time: Duration, warm_up: Duration) -> Result<f64, String> {
    tokio::time::sleep(warm_up).await;
    let mut quarters = [u64::MAX; 4];
    for least in &mut quarters {
        for _ in 0..LOOKS {
            tokio::time::sleep((time - warm_up) / 4 / LOOKS).await;
            *least = memory(process).map_err(|error| error.to_string())?.now.min(*least);
        }
    }
    Ok(quarters[3] as f64 / quarters[0] as f64 - 1.0)
}
