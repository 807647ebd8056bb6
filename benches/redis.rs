//! What a claim costs beside a bare `SET key value NX PX` of the same client, in one run:
//! `cargo bench --features redis --bench redis`. It starts a `redis-server` of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inhook::dedup::{Claim, Dedup, Ticket};
use inhook::sign::{Message, Signer};
use inhook::{RedisDedup, Verifier, presets};
use redis::IntoConnectionInfo;
use redis::aio::MultiplexedConnection;
use tokio::sync::Barrier;

#[path = "../tests/common/redis.rs"]
mod redis_server;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const CALLERS: usize = 64;
/// Of each caller, in each round.
const CALLS: usize = 100;
const ROUNDS: usize = 30;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let server = redis_server::Server::start(&[]).expect("redis-server is needed");
    let dedup = Arc::new(RedisDedup::connect(&server.url()).await.unwrap());
    let info = server.url().into_connection_info().unwrap();
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let client = redis::Client::open(info.set_tcp_settings(tcp)).unwrap();
    let bare = client.get_multiplexed_async_connection().await.unwrap();

    let (mut claims, mut sets) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let keys = (0..CALLERS).map(|caller| keys(round, caller)).collect();
        sets.extend(times(keys, |keys| set(bare.clone(), keys)).await);
        let tickets = (0..CALLERS).map(|caller| tickets(round, caller)).collect();
        claims.extend(times(tickets, |tickets| claim(dedup.clone(), tickets)).await);
    }
    println!("{CALLERS} callers               p50       p99");
    let (bare, bare_p99) = (percentile(&mut sets, 50), percentile(&mut sets, 99));
    println!("bare SET NX PX     {bare:>7.0} µs{bare_p99:>7.0} µs");
    let (claim, claim_p99) = (percentile(&mut claims, 50), percentile(&mut claims, 99));
    println!("RedisDedup::claim  {claim:>7.0} µs{claim_p99:>7.0} µs");
    println!("ratio              {:>7.2}    (target 1.30)", claim / bare);
}

/// What all callers measured. They begin together, each with what was made for it before.
async fn times<T, F>(work: Vec<T>, caller: impl Fn(T) -> F) -> Vec<Duration>
where
    F: Future<Output = Vec<Duration>> + Send + 'static,
{
    let together = Arc::new(Barrier::new(work.len()));
    let callers: Vec<_> = work
        .into_iter()
        .map(|work| {
            let (together, caller) = (together.clone(), caller(work));
            tokio::spawn(async move {
                together.wait().await;
                caller.await
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.unwrap());
    }
    times
}

async fn set(mut connection: MultiplexedConnection, keys: Vec<String>) -> Vec<Duration> {
    let mut times = Vec::with_capacity(CALLS);
    for key in keys {
        let start = Instant::now();
        let mut command = redis::cmd("SET");
        command.arg(key).arg("0123456789abcdef0123456789abcdef").arg("NX").arg("PX").arg(30_000);
        let answer: redis::Value = command.query_async(&mut connection).await.unwrap();
        times.push(start.elapsed());
        assert_eq!(answer, redis::Value::Okay);
    }
    times
}

/// As long as those of claims.
fn keys(round: usize, caller: usize) -> Vec<String> {
    (0..CALLS).map(|n| format!("bench:{round:-<50}-{caller:->9}-{n:->10}")).collect()
}

async fn claim(dedup: Arc<RedisDedup>, tickets: Vec<Ticket>) -> Vec<Duration> {
    let mut times = Vec::with_capacity(CALLS);
    for ticket in tickets {
        let start = Instant::now();
        let claim = dedup.claim(&ticket).await.unwrap();
        times.push(start.elapsed());
        assert_eq!(claim, Claim::Granted);
    }
    times
}

fn tickets(round: usize, caller: usize) -> Vec<Ticket> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let ticket = |n| {
        let message = Message::new("{}").id(format!("msg_{round}_{caller}_{n}"));
        let delivery = verifier.verify(signer.request(&message).unwrap()).unwrap();
        Ticket::new(&delivery, Duration::from_secs(30))
    };
    (0..CALLS).map(ticket).collect()
}

/// In microseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[times.len() * percent / 100].as_secs_f64() * 1e6
}
