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

/// What was offered, and what was answered.
#[derive(Debug, Default)]
pub struct Offered {
    pub offered: usize,
    /// The ids that were answered 200.
    pub acked: Vec<String>,
    /// From the moment at which a request was due to its 200.
    pub accepted: Latencies,
    /// The same to its 503 with Retry-After.
    pub refused: Latencies,
    /// What was answered anything else, or nothing.
    pub failed: usize,
    /// How long after it was due a request was sent: what the partners are behind.
    pub late: Latencies,
    pub connections: usize,
}

/// Offers so many requests a second, each on a connection that nothing else waits on.
pub async fn offer(to: SocketAddr, rate: u32, time: Duration) -> Result<Offered, BoxError> {
    let partners = Arc::new(Partners { to, idle: Mutex::default(), offered: Mutex::default() });
    // Some are there already: a lot of new connections at once is another test.
    for _ in 0..rate / 10 {
        let client = Client::connect(to).await?;
        lock(&partners.idle).push(client);
    }
    let start = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut requests = JoinSet::new();
    let mut sent = 0;
    while start.elapsed() < time {
        ticks.tick().await;
        while f64::from(sent) < start.elapsed().as_secs_f64() * f64::from(rate) {
            let due = start + Duration::from_secs_f64(f64::from(sent) / f64::from(rate));
            requests.spawn(Partners::send(partners.clone(), due));
            sent += 1;
        }
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
    let mut offered = std::mem::take(&mut *lock(&partners.offered));
    offered.offered = sent as usize;
    offered.connections = lock(&partners.idle).len();
    Ok(offered)
}

struct Partners {
    to: SocketAddr,
    /// Connections on which nothing is awaited.
    idle: Mutex<Vec<Client>>,
    offered: Mutex<Offered>,
}

impl Partners {
    async fn send(self: Arc<Self>, due: Instant) {
        let result = self.exchange(due).await;
        let mut offered = lock(&self.offered);
        match result {
            Ok((StatusCode::OK, _, id)) => {
                offered.accepted.push(due.elapsed());
                offered.acked.push(id);
            }
            Ok((StatusCode::SERVICE_UNAVAILABLE, true, _)) => offered.refused.push(due.elapsed()),
            _ => offered.failed += 1,
        }
    }

    /// The status of the answer, whether it says when to come again, and the id.
    async fn exchange(&self, due: Instant) -> Result<(StatusCode, bool, String), BoxError> {
        let idle = lock(&self.idle).pop();
        let mut client = match idle {
            Some(client) => client,
            None => Client::connect(self.to).await?,
        };
        let id = id();
        let request = client.sign(&id)?;
        lock(&self.offered).late.push(due.elapsed());
        let response = client.request(request).await?;
        lock(&self.idle).push(client);
        let comes_again = response.headers().contains_key(header::RETRY_AFTER);
        Ok((response.status(), comes_again, id))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
