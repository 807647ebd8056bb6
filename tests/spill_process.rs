//! The spill of a process of its own: what it says at its start, whom it refuses, and SIGKILL under load
//! while its primary fails and recovers. There are 4 kills, or as many as `INHOOK_KILLS` says.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::routing::get;
use inhook::events::Handled;
use inhook::inbox::Job;
use inhook::sign::{Message, Signer};
use inhook::{Failure, Intake, Spill, SqliteInbox, Verifier, VerifyLayer, Worker, presets, serve};
use rusqlite::Connection;
use tower::ServiceBuilder;

#[cfg(unix)]
#[path = "common/device.rs"]
mod device;

const SECRET: &str = "It's a Secret to Everybody";
const PATIENCE: Duration = Duration::from_secs(60);
/// What the receiver's process is told: its two files.
const PRIMARY: &str = "INHOOK_TEST_PRIMARY";
const SPILL: &str = "INHOOK_TEST_SPILL";

/// The receiver: this test again, in a process of its own.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn receive(primary: &str) {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .init();
    let primary = Arc::new(SqliteInbox::open(primary).await.unwrap());
    let spill = match Spill::open(primary, std::env::var(SPILL).unwrap()).await {
        Ok(spill) => Arc::new(spill),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    let verify = VerifyLayer::new(Verifier::new("acme", presets::GITHUB, SECRET).unwrap());
    let intake = ServiceBuilder::new().layer(verify).service(Intake::new(spill.clone()));
    let waiting = get(async move || spill.waiting().await.unwrap().to_string());
    let app = Router::new().route_service("/", intake).route("/waiting", waiting);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening on {}", listener.local_addr().unwrap());
    serve(listener, app).run(std::future::pending()).await.unwrap();
}

/// The receiver, from outside; it is killed when it is dropped.
struct Receiver {
    process: Child,
    url: String,
    errors: Option<JoinHandle<String>>,
}

impl Receiver {
    fn command(test: &str, primary: &Path, spill: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(PRIMARY, primary).env(SPILL, spill);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(test: &str, primary: &Path, spill: &Path) -> Self {
        let mut process = Self::command(test, primary, spill).spawn().unwrap();
        let stderr = process.stderr.take().unwrap();
        let errors = Some(thread::spawn(move || std::io::read_to_string(stderr).unwrap()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| Some(line.unwrap().strip_prefix("listening on ")?.to_owned()));
        thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://{}/", address.expect("it listens")), errors }
    }

    /// Ends it, and is all that it said on stderr.
    fn end(mut self) -> String {
        self.process.kill().unwrap();
        self.errors.take().unwrap().join().unwrap()
    }

    fn waiting(&self) -> u64 {
        let mut answer = ureq::get(format!("{}waiting", self.url)).call().unwrap();
        answer.body_mut().read_to_string().unwrap().parse().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn send(url: &str, id: &str) -> bool {
    let message = Message::new("{}").id(id).event("push");
    let headers = Signer::new(presets::GITHUB, SECRET).unwrap().sign(&message).unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into();
    let mut request = agent.post(url);
    for (name, value) in &headers {
        request = request.header(name.as_str(), value.to_str().unwrap());
    }
    request.send("{}").is_ok_and(|response| response.status().is_success())
}

/// The directory, and the paths of the two files in it.
fn files() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let [primary, spill] = ["primary.db", "spill.db"].map(|name| directory.path().join(name));
    (directory, primary, spill)
}

/// A connection to the primary that can take its write lock away.
fn blocker(primary: &Path) -> Connection {
    let connection = Connection::open(primary).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

#[test]
fn a_second_process_is_refused_and_told_why() {
    const TEST: &str = "a_second_process_is_refused_and_told_why";
    if let Ok(primary) = std::env::var(PRIMARY) {
        return receive(&primary);
    }
    let (_directory, primary, spill) = files();
    let first = Receiver::start(TEST, &primary, &spill);
    let mut second = Receiver::command(TEST, &primary, &spill).spawn().unwrap();
    let mut errors = String::new();
    second.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(!second.wait().unwrap().success());
    assert!(errors.contains("spill.db is in use by another process"), "{errors}");
    drop(first);
    // The lock goes with the process, however that ended.
    Receiver::start(TEST, &primary, &spill);
}

#[cfg(unix)]
#[test]
fn the_same_file_system_is_warned_of_at_the_start_and_another_is_not() {
    const TEST: &str = "the_same_file_system_is_warned_of_at_the_start_and_another_is_not";
    if let Ok(primary) = std::env::var(PRIMARY) {
        return receive(&primary);
    }
    let (directory, primary, spill) = files();
    let receiver = Receiver::start(TEST, &primary, &spill);
    let errors = receiver.end();
    assert!(errors.contains("same file system"), "{errors}");

    let Some(other) = device::another_than(directory.path()) else { return };
    let receiver = Receiver::start(TEST, &primary, &other.path().join("spill.db"));
    assert_eq!(receiver.end(), "");
}

/// What the worker, in this process, got: how often, and with which time of receipt.
type Runs = Arc<Mutex<HashMap<String, Vec<SystemTime>>>>;

/// A worker on the primary's file, in a process that is not killed.
fn work(primary: &Path, runs: &Runs) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let runs = runs.clone();
    let inbox = Arc::new(runtime.block_on(SqliteInbox::open(primary)).unwrap());
    let handler = tower::service_fn(move |job: Job| {
        let mut runs = runs.lock().unwrap();
        runs.entry(job.id().unwrap().to_owned()).or_default().push(job.received_at());
        async { Ok::<_, Failure>(Handled::Done) }
    });
    runtime.spawn(Worker::new(inbox, handler).run(std::future::pending()));
    runtime
}

#[test]
fn s7_what_was_spilled_survives_sigkill_and_runs_once() {
    const TEST: &str = "s7_what_was_spilled_survives_sigkill_and_runs_once";
    const SENDERS: usize = 32;
    const PER_ROUND: usize = 80;
    let kills = std::env::var("INHOOK_KILLS").map_or(4, |kills| kills.parse().unwrap());
    if let Ok(primary) = std::env::var(PRIMARY) {
        return receive(&primary);
    }
    let (_directory, primary, spill) = files();
    let mut receiver = Receiver::start(TEST, &primary, &spill);
    let runs = Runs::default();
    let worker = work(&primary, &runs);
    let url = Arc::new(Mutex::new(receiver.url.clone()));
    let (next, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let acked: Arc<Mutex<HashMap<String, (SystemTime, SystemTime)>>> = Arc::default();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (url, next, stop, acked) = (url.clone(), next.clone(), stop.clone(), acked.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let id = next.fetch_add(1, Ordering::SeqCst).to_string();
                    let (to, before) = (url.lock().unwrap().clone(), SystemTime::now());
                    if send(&to, &id) {
                        // Some are sent again. The primary may see that one first.
                        if id.ends_with('7') {
                            send(&to, &id);
                        }
                        acked.lock().unwrap().insert(id, (before, SystemTime::now()));
                    } else {
                        // It was killed just now.
                        thread::sleep(Duration::from_millis(20));
                    }
                }
            })
        })
        .collect();
    let until = |done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(1));
        }
    };
    let blocker = blocker(&primary);
    let mut left_at_kills = Vec::new();
    for round in 0..kills {
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let sent = acked.lock().unwrap().len();
        until(&|| acked.lock().unwrap().len() >= sent + PER_ROUND);
        let waited = receiver.waiting();
        // It is killed with the primary broken, or in the midst of handing over.
        if round % 2 == 1 {
            blocker.execute_batch("ROLLBACK").unwrap();
            until(&|| receiver.waiting() < waited / 2);
        }
        left_at_kills.push(receiver.waiting());
        drop(receiver);
        if round % 2 == 0 {
            blocker.execute_batch("ROLLBACK").unwrap();
        }
        receiver = Receiver::start(TEST, &primary, &spill);
        url.lock().unwrap().clone_from(&receiver.url);
    }
    stop.store(true, Ordering::SeqCst);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    until(&|| receiver.waiting() == 0);
    let acked = acked.lock().unwrap();
    until(&|| acked.keys().all(|id| runs.lock().unwrap().contains_key(id)));
    worker.shutdown_timeout(Duration::from_secs(5));

    let runs = runs.lock().unwrap();
    let answered = acked.len();
    println!(
        "{answered} answered 200, kills with {left_at_kills:?} in the spill: all handled once"
    );
    for (id, received) in runs.iter() {
        assert_eq!(received.len(), 1, "{id} is handled once");
    }
    let millis =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    for (id, (before, after)) in acked.iter() {
        let received = millis(runs[id][0]);
        assert!((millis(*before)..=millis(*after)).contains(&received), "{id} keeps its time");
    }
}
