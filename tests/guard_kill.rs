//! S11: a handler of the user's own, which stores what it gets in a queue, behind `DedupLayer`; its process
//! is killed under load. Nothing that was answered 200 is lost. What runs twice is counted: the queue is a
//! second store, so a crash between it and the commit repeats the work.
//!
//! There are 8 kills, or as many as `INHOOK_KILLS` says:
//! `INHOOK_KILLS=1000 cargo test --all-features --test guard_kill -- --nocapture`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use inhook::dedup::Dedup;
use inhook::sign::{Message, Signer};
use inhook::{
    DedupLayer, Delivery, MemoryDedup, RedisDedup, Verifier, VerifyLayer, presets, serve,
};
use tower::ServiceBuilder;

#[path = "common/redis.rs"]
mod redis_server;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SENDERS: usize = 8;
/// Deliveries from one kill to the next.
const PER_KILL: usize = 50;
/// What the receiver's process is told: the queue's file, and Redis or nothing.
const QUEUE: &str = "INHOOK_TEST_QUEUE";
const REDIS: &str = "INHOOK_TEST_REDIS";

/// The receiver: this test again, in a process of its own.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn receive(queue: &str) {
    match std::env::var(REDIS) {
        Ok(url) => answer(RedisDedup::connect(&url).await.unwrap(), queue).await,
        Err(_) => answer(MemoryDedup::new(), queue).await,
    }
}

async fn answer(dedup: impl Dedup, queue: &str) {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(queue).unwrap();
    let file = Arc::new(Mutex::new(file));
    let enqueue = move |delivery: Delivery| async move {
        let id = delivery.id().unwrap().to_owned();
        // Durable before the answer, as a handler has to be that nothing else makes durable.
        tokio::task::spawn_blocking(move || {
            file.lock().unwrap().write_all(format!("begun {id}\n").as_bytes()).unwrap();
            // Long enough to be killed in.
            thread::sleep(Duration::from_millis(3));
            let mut file = file.lock().unwrap();
            file.write_all(format!("{id}\n").as_bytes()).unwrap();
            file.sync_data().unwrap();
        })
        .await
        .unwrap();
        StatusCode::NO_CONTENT
    };
    let verify = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let dedup = DedupLayer::builder(Arc::new(dedup))
        .timeout(Duration::from_millis(500))
        .lease(Duration::from_secs(1))
        .build()
        .unwrap();
    let guard = ServiceBuilder::new().layer(VerifyLayer::new(verify)).layer(dedup);
    let app = Router::new().route("/", post(enqueue)).route_layer(guard);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening on {}", listener.local_addr().unwrap());
    serve(listener, app).run(std::future::pending()).await.unwrap();
}

struct Receiver {
    process: Child,
    url: String,
}

impl Receiver {
    fn start(test: &str, queue: &Path, redis: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(QUEUE, queue).stdout(Stdio::piped());
        if let Some(redis) = redis {
            command.env(REDIS, redis);
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| Some(line.unwrap().strip_prefix("listening on ")?.to_owned()));
        thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://{}/", address.expect("it listens")) }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn kills() -> usize {
    std::env::var("INHOOK_KILLS").map_or(8, |kills| kills.parse().expect("a number of kills"))
}

/// Sends each id until it is answered 2xx, while the receiver is killed again and again; returns how often
/// each was enqueued.
fn kill_under_load(test: &str, redis: Option<&str>) -> HashMap<String, usize> {
    let directory = tempfile::tempdir().unwrap();
    let queue = directory.path().join("queue");
    let receiver = Receiver::start(test, &queue, redis);
    let url = Arc::new(Mutex::new(receiver.url.clone()));
    let (kills, next) = (kills(), Arc::new(AtomicUsize::new(0)));
    let ids = kills * PER_KILL;
    let acked = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (next, url, acked) = (next.clone(), url.clone(), acked.clone());
            thread::spawn(move || {
                loop {
                    let id = next.fetch_add(1, Ordering::SeqCst);
                    if id >= ids {
                        return;
                    }
                    let deadline = Instant::now() + Duration::from_secs(60);
                    loop {
                        // Not held while it is sent.
                        let to = url.lock().unwrap().clone();
                        if send(&to, id) {
                            break;
                        }
                        assert!(Instant::now() < deadline, "{id} is never accepted");
                        thread::sleep(Duration::from_millis(10));
                    }
                    acked.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut receiver = Some(receiver);
    for kill in 1..=kills {
        // Not by the clock, but in the midst of the work.
        while acked.load(Ordering::SeqCst) < kill * ids / (kills + 1) {
            thread::sleep(Duration::from_millis(1));
        }
        drop(receiver.take());
        let started = Receiver::start(test, &queue, redis);
        url.lock().unwrap().clone_from(&started.url);
        receiver = Some(started);
    }
    for sender in senders {
        sender.join().unwrap();
    }
    drop(receiver);
    let mut enqueued = HashMap::new();
    let mut cut_off = 0usize;
    for line in std::fs::read_to_string(&queue).unwrap().lines() {
        match line.strip_prefix("begun ") {
            Some(_) => cut_off += 1,
            None => {
                cut_off -= 1;
                *enqueued.entry(line.to_owned()).or_default() += 1;
            }
        }
    }
    assert!(cut_off > 0, "no kill hit a handler at work");
    enqueued
}

fn send(url: &str, id: usize) -> bool {
    let body = r#"{"type":"ping"}"#;
    let message = Message::new(body).id(format!("msg_{id}"));
    let headers = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap().sign(&message).unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(3)))
        .build()
        .into();
    let mut request = agent.post(url);
    for (name, value) in &headers {
        request = request.header(name.as_str(), value.to_str().unwrap());
    }
    request.send(body).is_ok_and(|response| response.status().is_success())
}

fn check(enqueued: &HashMap<String, usize>) {
    let (kills, ids) = (kills(), kills() * PER_KILL);
    for id in 0..ids {
        assert!(enqueued.contains_key(&format!("msg_{id}")), "{id} was answered 2xx, and is lost");
    }
    let again: usize = enqueued.values().map(|times| times - 1).sum();
    println!("{ids} deliveries, {kills} kills: 0 lost, {again} enqueued twice");
    // Only what was in flight at a kill can be repeated.
    assert!(again <= kills * SENDERS, "{again}");
}

#[test]
fn s11_memory_in_front_of_a_queue_loses_nothing() {
    if let Ok(queue) = std::env::var(QUEUE) {
        return receive(&queue);
    }
    check(&kill_under_load("s11_memory_in_front_of_a_queue_loses_nothing", None));
}

#[test]
fn s11_redis_in_front_of_a_queue_loses_nothing() {
    if let Ok(queue) = std::env::var(QUEUE) {
        return receive(&queue);
    }
    let Some(server) = redis_server::Server::start(&[]) else { return };
    let url = server.url();
    check(&kill_under_load("s11_redis_in_front_of_a_queue_loses_nothing", Some(&url)));
}
