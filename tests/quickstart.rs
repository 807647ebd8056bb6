//! The real example binary over real HTTP: the journey of a delivery, SIGKILL under load, the end.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use inhook::SqliteInbox;
use inhook::inbox::{Filter, Ledger, State};
use inhook::sign::{Message, Signer};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

mod common;
use common::SHORTLINKS;

const SECRET: &str = "a secret for this test only";
const PATIENCE: Duration = Duration::from_secs(30);

/// A line of the example's standard output.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
struct Handled {
    handled: String,
    event: String,
    attempt: u32,
}

/// The running example; it is killed when it is dropped.
struct Quickstart {
    child: Child,
    url: String,
    curl: String,
    handled: Arc<Mutex<Vec<Handled>>>,
    output: Option<thread::JoinHandle<()>>,
}

impl Quickstart {
    fn start(db: &Path) -> Self {
        let mut child = command()
            .args(["--listen", "127.0.0.1:0", "--db"])
            .arg(db)
            .env("INHOOK_SECRET", SECRET)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let (mut url, mut curl) = (String::new(), String::new());
        let mut line = String::new();
        while curl.is_empty() {
            line.clear();
            assert_ne!(errors.read_line(&mut line).unwrap(), 0, "it ended before it listened");
            if let Some(listening) = line.strip_prefix("listening on ") {
                url = listening.trim().to_owned();
            }
            if line.starts_with("curl ") {
                curl = line.trim().to_owned();
            }
        }
        // Whatever else it says must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        let handled = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = handled.clone();
        let output = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                seen.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, url, curl, handled, output: Some(output) }
    }

    /// The status of the answer, or what the connection had to say.
    fn post(&self, id: &str, event: &str, destination: &str) -> Result<u16, ureq::Error> {
        post(&self.url, id, event, destination)
    }

    fn health(&self) -> u16 {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.get(format!("{}/healthz", self.url)).call().unwrap().status().as_u16()
    }

    fn handled(&self) -> Vec<Handled> {
        self.handled.lock().unwrap().clone()
    }

    /// Waits until so many jobs of this id were handled, and returns the last.
    fn wait_for(&self, id: &str) -> Handled {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.handled().into_iter().rfind(|line| line.handled == id) {
                return found;
            }
            assert!(Instant::now() < deadline, "{id} is not handled: {:?}", self.handled());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal, waits for the end, and returns the exit code and all that was handled.
    fn end(mut self, signal: Signal) -> (Option<i32>, Vec<Handled>) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(id, signal).unwrap();
        let status = self.child.wait().unwrap();
        self.output.take().unwrap().join().unwrap();
        (status.code(), self.handled())
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command() -> Command {
    // `cargo test` builds the examples beside the tests.
    let tests = std::env::current_exe().unwrap();
    let path: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples/quickstart");
    assert!(path.exists(), "{} is missing: cargo build --example quickstart", path.display());
    Command::new(path)
}

fn post(url: &str, id: &str, event: &str, destination: &str) -> Result<u16, ureq::Error> {
    let now = jiff::Timestamp::now();
    let body = format!(
        r#"{{"event":"{event}","data":{{"id":"x7Kp2","destination":"{destination}"}},"webhook_id":"{id}","delivered_at":"{now:.3}"}}"#
    );
    send(url, body, SECRET)
}

fn send(url: &str, body: String, secret: &str) -> Result<u16, ureq::Error> {
    let signer = Signer::new(SHORTLINKS, secret).unwrap();
    let headers = signer.sign(&Message::new(body.clone())).unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let mut request = agent.post(format!("{url}/webhooks/shortlinks"));
    for (name, value) in &headers {
        request = request.header(name.as_str(), value.to_str().unwrap());
    }
    Ok(request.send(body)?.status().as_u16())
}

/// The ledger of a file, from a second process.
fn ledger(db: &Path, state: State) -> Vec<inhook::inbox::Entry> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let inbox = SqliteInbox::open(db).await.unwrap();
        inbox.list(Filter::state(state)).await.unwrap()
    })
}

/// For jobs that don't fail: such a job is never pending again.
fn wait_until_all_is_handled(db: &Path) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !(ledger(db, State::Pending).is_empty() && ledger(db, State::Leased).is_empty()) {
        assert!(Instant::now() < deadline, "not everything is handled");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_delivery_is_answered_handled_once_and_printed() {
    let directory = tempfile::tempdir().unwrap();
    let quickstart = Quickstart::start(&directory.path().join("q.db"));
    for (id, event) in
        [("wh_1", "link.created"), ("wh_2", "link.clicked"), ("wh_3", "link.deleted")]
    {
        assert_eq!(quickstart.post(id, event, "https://example.com").unwrap(), 200);
        let handled = quickstart.wait_for(id);
        assert_eq!(handled, Handled { handled: id.into(), event: event.into(), attempt: 1 });
        assert_eq!(quickstart.post(id, event, "https://example.com").unwrap(), 200, "a duplicate");
    }
    assert_eq!(quickstart.health(), 200);
    assert_eq!(send(&quickstart.url, "{}".into(), "another secret, not ours").unwrap(), 401);
    assert_eq!(send(&quickstart.url, "{}".into(), SECRET).unwrap(), 401, "without its time");
    let (code, handled) = quickstart.end(Signal::SIGTERM);
    assert_eq!((code, handled.len()), (Some(0), 3));
}

#[test]
fn the_printed_curl_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let quickstart = Quickstart::start(&directory.path().join("q.db"));
    // The parts of the command, so that this holds without curl as well.
    let quoted: Vec<&str> = quickstart.curl.split('\'').skip(1).step_by(2).collect();
    let [_, signature, body] = quoted[..] else { panic!("{}", quickstart.curl) };
    let url = quickstart.curl.split(' ').nth(2).unwrap();
    let (name, value) = signature.split_once(": ").unwrap();
    let response = ureq::post(url).header(name, value).send(body).unwrap();
    assert_eq!(response.status(), 200);
    let id: serde_json::Value = serde_json::from_str(body).unwrap();
    quickstart.wait_for(id["webhook_id"].as_str().unwrap());

    if Command::new("curl").arg("--version").output().is_ok() {
        let output = Command::new("sh").args(["-c", &quickstart.curl]).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    } else {
        eprintln!("curl is not installed, so the command was only taken apart");
    }
    assert_eq!(quickstart.handled().len(), 1);
}

#[test]
fn a_link_that_fails_twice_is_handled_at_the_third_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let quickstart = Quickstart::start(&directory.path().join("q.db"));
    assert_eq!(quickstart.post("wh_1", "link.created", "https://fail.example").unwrap(), 200);
    assert_eq!(quickstart.wait_for("wh_1").attempt, 3);
}

#[test]
fn a_poisonous_link_is_a_dead_letter_after_five_attempts_and_stays_a_duplicate() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("q.db");
    let quickstart = Quickstart::start(&db);
    let poison = |quickstart: &Quickstart| {
        assert_eq!(quickstart.post("wh_1", "link.created", "https://poison.example").unwrap(), 200);
    };
    poison(&quickstart);
    let deadline = Instant::now() + PATIENCE;
    while ledger(&db, State::Dead).is_empty() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    poison(&quickstart);
    assert_eq!(quickstart.end(Signal::SIGKILL).0, None);

    let quickstart = Quickstart::start(&db);
    poison(&quickstart);
    let (_, handled) = quickstart.end(Signal::SIGINT);
    assert_eq!(handled, []);
    let dead = ledger(&db, State::Dead);
    assert_eq!((dead.len(), dead[0].attempts, dead[0].total_attempts), (1, 5, 5));
    assert_eq!(dead[0].revivals, 0, "not within a minute");
}

#[test]
fn healthz_says_whether_the_store_works() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("q.db");
    let quickstart = Quickstart::start(&db);
    assert_eq!(quickstart.health(), 200);
    let away = directory.path().join("away.db");
    std::fs::rename(&db, &away).unwrap();
    assert_eq!(quickstart.post("wh_1", "link.created", "https://example.com").unwrap(), 503);
    assert_eq!(quickstart.health(), 503);
    std::fs::rename(&away, &db).unwrap();
    assert_eq!(quickstart.health(), 200);
    assert_eq!(quickstart.post("wh_1", "link.created", "https://example.com").unwrap(), 200);
    quickstart.wait_for("wh_1");
}

#[test]
fn a_stop_drains_and_exits_with_zero() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let directory = tempfile::tempdir().unwrap();
        let db = directory.path().join("q.db");
        let quickstart = Quickstart::start(&db);
        for n in 0..20 {
            assert_eq!(quickstart.post(&format!("wh_{n}"), "link.created", "x").unwrap(), 200);
        }
        let start = Instant::now();
        let (code, handled) = quickstart.end(signal);
        assert_eq!(code, Some(0), "{signal}");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        // What was not begun waits in the file; nothing is left in the middle.
        let (pending, leased) = (ledger(&db, State::Pending), ledger(&db, State::Leased));
        assert_eq!((handled.len() + pending.len(), leased.len()), (20, 0));
    }
}

#[test]
fn wrong_arguments_end_it_with_a_message() {
    for args in [
        &["--port", "1"][..],
        &["--listen"],
        &["--listen", "nowhere"],
        &["--db", "/no/such/place.db"],
    ] {
        // Where it is started, it would leave its file.
        let directory = tempfile::tempdir().unwrap();
        let started = command().args(args).current_dir(&directory).stdin(Stdio::null()).output();
        let output = started.unwrap();
        assert!(!output.status.success(), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
    let mut child = command()
        .args(["--listen", "127.0.0.1:0", "--db", "/no/such/place.db"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    child.wait().unwrap();
    assert!(errors.contains("INHOOK_SECRET is not set"), "{errors}");
    assert!(errors.contains("/no/such/place.db can't be created"), "{errors}");
}

#[test]
fn d12_copies_at_two_processes_on_one_file_are_accepted_once() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("q.db");
    let processes = [Quickstart::start(&db), Quickstart::start(&db)];
    let copies: Vec<_> = (0..64)
        .map(|n| {
            let (url, id) = (processes[n % 2].url.clone(), format!("wh_{}", n % 4));
            thread::spawn(move || {
                loop {
                    match post(&url, &id, "link.created", "https://example.com").unwrap() {
                        // The other process holds the lock: the partner comes again.
                        503 => {}
                        status => return status,
                    }
                }
            })
        })
        .collect();
    for copy in copies {
        assert_eq!(copy.join().unwrap(), 200);
    }
    let deadline = Instant::now() + PATIENCE;
    while ledger(&db, State::Done).len() < 4 {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    let ends = processes.map(|process| process.end(Signal::SIGTERM));
    let handled: Vec<Handled> = ends.into_iter().flat_map(|(_, handled)| handled).collect();
    assert_eq!(handled.len(), 4, "{handled:?}");
}

#[test]
fn s7_what_was_answered_200_survives_sigkill_under_load() {
    const KILLS: u64 = 5;
    const CLIENTS: u64 = 8;
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("q.db");
    let next = Arc::new(AtomicU64::new(0));
    let acked: Arc<Mutex<HashSet<String>>> = Arc::default();
    let mut runs: HashMap<String, u64> = HashMap::new();
    let mut count = |handled: Vec<Handled>| {
        for line in handled {
            *runs.entry(line.handled).or_default() += 1;
        }
    };
    for round in 1..=KILLS {
        let quickstart = Quickstart::start(&db);
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (url, stop) = (quickstart.url.clone(), stop.clone());
                let (next, acked) = (next.clone(), acked.clone());
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let id = format!("wh_{}", next.fetch_add(1, Ordering::Relaxed));
                        if post(&url, &id, "link.created", "https://example.com")
                            .is_ok_and(|status| status == 200)
                        {
                            acked.lock().unwrap().insert(id);
                        }
                    }
                })
            })
            .collect();
        // Under load means: a good number of answers in this round.
        let deadline = Instant::now() + PATIENCE;
        while acked.lock().unwrap().len() < 100 * usize::try_from(round).unwrap() {
            assert!(Instant::now() < deadline, "there is no load");
            thread::sleep(Duration::from_millis(1));
        }
        let (code, handled) = quickstart.end(Signal::SIGKILL);
        assert_eq!(code, None);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        count(handled);
    }

    let quickstart = Quickstart::start(&db);
    let acked = acked.lock().unwrap().clone();
    // Duplicates of what was accepted before the kills stay duplicates.
    for id in acked.iter().take(50) {
        assert_eq!(quickstart.post(id, "link.created", "https://example.com").unwrap(), 200);
    }
    // Jobs that were running wait for their lease of 5 s, and then run one at a time.
    wait_until_all_is_handled(&db);
    let (code, handled) = quickstart.end(Signal::SIGTERM);
    assert_eq!(code, Some(0));
    count(handled);

    let lost: Vec<&String> = acked.iter().filter(|id| !runs.contains_key(*id)).collect();
    assert_eq!(lost, Vec::<&String>::new(), "of {} answered", acked.len());
    let again: u64 = runs.values().map(|runs| runs - 1).sum();
    assert!(again <= 16 * KILLS, "{again} runs too many: more than were running at the kills");
}

/// The command line and the example, over real HTTP.
#[cfg(feature = "cli")]
#[test]
fn what_the_command_line_sends_is_handled_once_each() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("q.db");
    let quickstart = Quickstart::start(&db);
    let body = directory.path().join("body.json");
    std::fs::write(&body, r#"{"data":{"destination":"https://example.com"}}"#).unwrap();
    let sent = Command::new(env!("CARGO_BIN_EXE_inhook"))
        .args(["send", &format!("{}/webhooks/shortlinks", quickstart.url)])
        .args(["--scheme", "examples/shortlinks.toml", "--secret-env", "INHOOK_SECRET"])
        .args(["--event", "link.created", "--repeat", "20", "--duplicates", "2"])
        .args(["--concurrency", "4"])
        .arg(&body)
        .env("INHOOK_SECRET", SECRET)
        .output()
        .unwrap();
    let said = String::from_utf8(sent.stdout).unwrap();
    assert!(said.contains("60 x 200 OK"), "{said} {}", String::from_utf8_lossy(&sent.stderr));
    assert_eq!(sent.status.code(), Some(0));
    // What a stop finds pending is left to the next start.
    wait_until_all_is_handled(&db);
    let (_, handled) = quickstart.end(Signal::SIGTERM);
    let ids: HashSet<&String> = handled.iter().map(|line| &line.handled).collect();
    assert_eq!((handled.len(), ids.len()), (20, 20), "{handled:?}");
}
