//! How soon a worker sees new work, and what waiting for it costs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use inhook::BoxError;

use super::Run;
use crate::child::Receiver;
use crate::client::{Client, id};
use crate::latencies::Latencies;
use crate::naive::Naive;
use crate::process::{cpu, memory};
use crate::receiver::{Handler, PUT_AT, Said, Spec};
use crate::table::Figure;

const SAME_PROCESS: Duration = Duration::from_millis(5);
const OTHER_PROCESS: Duration = Duration::from_millis(250);
/// The share of one core that a receiver and a worker may use together while nothing happens.
const IDLE_CPU: f64 = 0.005;
const MAX_MEMORY: u64 = 64 << 20;
/// Deliveries to each of several files, with nothing else on them.
const FILES: usize = 4;
/// Longer than anything that happens regularly, so that deliveries come at any moment of it.
const PAUSE: Duration = Duration::from_millis(250);
const SETTLING: Duration = Duration::from_secs(1);

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let deliveries = run.rounds(200, 1_000);
    let file = |name: &str| run.directory.join(name);
    let mut same = [Receiver::start(&spec(file("same.db"))).await?];
    let (same, puts) = lone(&mut same, deliveries, PAUSE / 5).await?;
    let each = deliveries / FILES;
    let apart = async |n: usize| {
        let mut pair = pair(file(&format!("apart-{n}.db")), None).await?;
        lone(&mut pair, each, PAUSE).await
    };
    let polls =
        async |every: Duration, name: &str| pair(file(name), Some(Naive::Polls(every))).await;
    let late = async || {
        let mut pair = polls(Duration::from_secs(1), "late.db").await?;
        lone(&mut pair, 10, PAUSE).await
    };
    let time = Duration::from_secs(run.rounds(10, 20) as u64);
    let idle = async || idle(pair(file("idle.db"), None).await?, time).await;
    let busy =
        async || self::idle(polls(Duration::from_millis(1), "busy.db").await?, time / 4).await;
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| apart(n));
    let (a, b, c, d, late, idle, busy) = tokio::try_join!(a, b, c, d, late(), idle(), busy())?;
    let (mut apart, mut apart_puts) = (Latencies::default(), Latencies::default());
    for (waits, puts) in [a, b, c, d] {
        apart.extend(waits);
        apart_puts.extend(puts);
    }
    let (late, _) = late;
    Ok(vec![
        // Between put and handler is the commit of the lease, which takes as long as that of the put.
        Figure {
            case: "speed",
            what: format!("{} lone deliveries, put to handler, in one process", same.len()),
            target: format!("p50 <= that of a put + {SAME_PROCESS:?}"),
            measured: format!("{same}; a put {puts}"),
            control: format!("from another process {apart}"),
            met: is_within(&same, &puts, 0.5, SAME_PROCESS)
                && !is_within(&apart, &apart_puts, 0.5, SAME_PROCESS),
        },
        Figure {
            case: "speed",
            what: format!("{} lone deliveries, put to handler in another process", apart.len()),
            target: format!("p99 <= that of a put + {OTHER_PROCESS:?}"),
            measured: format!("{apart}; a put {apart_puts}"),
            control: format!("a look each second {late}"),
            met: is_within(&apart, &apart_puts, 0.99, OTHER_PROCESS)
                && !is_within(&late, &apart_puts, 0.99, OTHER_PROCESS),
        },
        Figure {
            case: "speed",
            what: format!("a receiver and a worker that do nothing for {time:?}"),
            target: "CPU <= 0.5 %, memory <= 64 MiB each".into(),
            measured: format!(
                "{:.3} %, {} and {} MiB",
                100.0 * idle.cpu,
                idle.memory[0] >> 20,
                idle.memory[1] >> 20
            ),
            control: format!("a look each millisecond {:.1} %", 100.0 * busy.cpu),
            met: idle.cpu <= IDLE_CPU
                && idle.memory.iter().all(|memory| *memory <= MAX_MEMORY)
                && busy.cpu > IDLE_CPU,
        },
    ])
}

fn is_within(latencies: &Latencies, puts: &Latencies, share: f64, more: Duration) -> bool {
    latencies.quantile(share) <= puts.quantile(share) + more
}

fn spec(db: PathBuf) -> Spec {
    Spec { handler: Some(Handler::Sleeps(Duration::ZERO)), ..Spec::new(db) }
}

/// A receiver without a worker, and a worker.
async fn pair(db: PathBuf, naive: Option<Naive>) -> Result<[Receiver; 2], BoxError> {
    let receiver = Receiver::start(&Spec { handler: None, ..spec(db.clone()) }).await?;
    let worker = Receiver::start(&Spec { accepts: false, naive, ..spec(db) }).await?;
    Ok([receiver, worker])
}

/// Delivers to the first process and waits for the handler in the last one, time and again. Returns
/// the times from the put to the handler, and those from the request to its answer.
async fn lone(
    processes: &mut [Receiver],
    deliveries: usize,
    pause: Duration,
) -> Result<(Latencies, Latencies), BoxError> {
    let mut client = Client::connect(processes[0].address()).await?;
    let (mut waits, mut puts) = (Latencies::default(), Latencies::default());
    for _ in 0..deliveries {
        tokio::time::sleep(pause.mul_f32(fastrand::f32())).await;
        let sent = id();
        let request = client.sign(&sent)?;
        let start = Instant::now();
        let response = client.request(request).await?;
        puts.push(start.elapsed());
        let put_at = response.headers().get(PUT_AT).ok_or("it was not accepted")?;
        let put_at = Duration::from_micros(put_at.to_str()?.parse()?);
        let worker = processes.last_mut().ok_or("there is no process")?;
        worker.wait_for(|said| matches!(said, Said::Began { id, .. } if *id == sent)).await?;
        let began = worker.said().into_iter().find_map(|said| match said {
            Said::Began { id, at, .. } if id == sent => Some(at),
            _ => None,
        });
        // The worker need not wait for the answer.
        waits.push(began.ok_or("it never began")?.saturating_sub(put_at));
    }
    Ok((waits, puts))
}

struct Idle {
    /// The share of one core.
    cpu: f64,
    memory: [u64; 2],
}

/// What two processes use while nothing happens, after some deliveries.
async fn idle(mut processes: [Receiver; 2], time: Duration) -> Result<Idle, BoxError> {
    let ids = [processes[0].id(), processes[1].id()];
    let both = || Ok::<_, BoxError>(cpu(ids[0])? + cpu(ids[1])?);
    lone(&mut processes, 20, Duration::ZERO).await?;
    // The last one is settled by then.
    tokio::time::sleep(SETTLING).await;
    let (start, before) = (Instant::now(), both()?);
    tokio::time::sleep(time).await;
    let cpu = (both()? - before).as_secs_f64() / start.elapsed().as_secs_f64();
    let memory = [memory(ids[0])?.now, memory(ids[1])?.now];
    Ok(Idle { cpu, memory })
}
