//! Partners that send at a fixed rate, whatever they are answered and however long that takes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use inhook::BoxError;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::client::{Client, id};
use crate::latencies::Latencies;

/// After how long a request is not sent any more that should have been.
const STALE: Duration = Duration::from_millis(50);
/// How many connections there are at the beginning.
const BURST: usize = 1_000;
/// How long a connection may be idle.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What was offered, and what was answered.
#[derive(Debug, Default)]
pub struct Offered {
    /// How many requests were sent, and how many should have been.
    pub offered: usize,
    pub planned: usize,
    /// The ids that were answered 200.
    pub acked: Vec<String>,
    pub refusals: usize,
    /// From a request to its 200, and to its 503 with Retry-After, once the load is steady.
    pub accepted: Latencies,
    pub refused: Latencies,
    /// What was answered anything else, or nothing.
    pub failed: usize,
    /// How long after it was due a request was sent then: how far the partners are behind.
    pub late: Latencies,
    pub connections: usize,
}

impl Offered {
    /// Whether nearly all was sent.
    pub fn is_complete(&self) -> bool {
        self.offered * 10 >= self.planned * 9
    }
}

/// Offers so many requests a second, each on a connection that nothing else waits on. Latencies are
/// counted after `warm_up`.
pub async fn offer(
    to: SocketAddr,
    rate: u32,
    time: Duration,
    warm_up: Duration,
) -> Result<Offered, BoxError> {
    let partners = Arc::new(Partners {
        to,
        steady: Instant::now() + warm_up,
        idle: Mutex::default(),
        offered: Mutex::default(),
    });
    // A burst first, so that whatever takes memory for one has it.
    let mut requests = JoinSet::new();
    let start = Instant::now();
    for _ in 0..BURST {
        requests.spawn(Partners::send(partners.clone(), start));
    }
    while requests.join_next().await.is_some() {}
    let start = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut due, mut sent) = (0_u32, BURST);
    while start.elapsed() < time {
        ticks.tick().await;
        while f64::from(due) < start.elapsed().as_secs_f64() * f64::from(rate) {
            let at = start + Duration::from_secs_f64(f64::from(due) / f64::from(rate));
            due += 1;
            // After a pause of this very process there is no burst.
            if at.elapsed() < STALE {
                requests.spawn(Partners::send(partners.clone(), at));
                sent += 1;
            }
        }
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
    let mut offered = std::mem::take(&mut *lock(&partners.offered));
    (offered.offered, offered.planned) = (sent, BURST + due as usize);
    offered.connections = lock(&partners.idle).len();
    Ok(offered)
}

struct Partners {
    to: SocketAddr,
    /// When latencies begin to count.
    steady: Instant,
    /// Connections on which nothing is awaited, and since when.
    idle: Mutex<Vec<(Instant, Client)>>,
    offered: Mutex<Offered>,
}

impl Partners {
    async fn send(self: Arc<Self>, due: Instant) {
        if self.exchange(due).await.is_err() {
            lock(&self.offered).failed += 1;
        }
    }

    async fn exchange(&self, due: Instant) -> Result<(), BoxError> {
        let mut client = match self.idle() {
            Some(client) => client,
            None => Client::connect(self.to).await?,
        };
        let id = id();
        let request = client.sign(&id)?;
        let sent = Instant::now();
        let response = client.request(request).await?;
        let took = sent.elapsed();
        lock(&self.idle).push((Instant::now(), client));
        let mut offered = lock(&self.offered);
        let offered = &mut *offered;
        let latencies = match response.status() {
            StatusCode::OK => {
                offered.acked.push(id);
                &mut offered.accepted
            }
            StatusCode::SERVICE_UNAVAILABLE
                if response.headers().contains_key(header::RETRY_AFTER) =>
            {
                offered.refusals += 1;
                &mut offered.refused
            }
            status => return Err(format!("it was answered {status}").into()),
        };
        if due >= self.steady {
            latencies.push(took);
            offered.late.push(sent - due);
        }
        Ok(())
    }

    /// The connection that was used last. Those that are older are given up before the receiver does.
    fn idle(&self) -> Option<Client> {
        let mut idle = lock(&self.idle);
        let (since, client) = idle.pop()?;
        if since.elapsed() > KEEP_ALIVE {
            idle.clear();
            return None;
        }
        Some(client)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
