//! S15
use super::Run;
use crate::child::Receiver;
use crate::faults::Fault;
use crate::offer::offer;
use crate::process::memory;
use crate::receiver::Spec;
use crate::table::Figure;
use inhook::BoxError;
use std::time::Duration;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let env = |n: &str, d: u64| std::env::var(n).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    let spec = Spec {
        handler: None,
        faults: vec![
            Fault::LogBytesPerSecond(env("BPS", 0)),
            Fault::LogSyncTakes(Duration::from_micros(env("SYNC", 0))),
        ],
        ..Spec::new(run.directory.join("inbox.db"))
    };
    let receiver = Receiver::start(&spec).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    eprintln!("rest {:?}", memory(receiver.id())?);
    let o =
        offer(receiver.address(), env("RATE", 1000) as u32, Duration::from_secs(env("SECS", 10)))
            .await?;
    eprintln!(
        "offered {} accepted {} ({}) refused {} ({}) failed {} late {} conns {}",
        o.offered,
        o.accepted.len(),
        o.accepted,
        o.refused.len(),
        o.refused,
        o.failed,
        o.late,
        o.connections
    );
    eprintln!("{:?} cpu {:?}", memory(receiver.id())?, crate::process::cpu(receiver.id())?);
    Ok(vec![])
}
