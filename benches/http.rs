//! What a request costs over loopback HTTP beside a bare axum route, in one run:
//! `cargo bench --bench http`. It needs `wrk` and `taskset`, and two cores: the server has one, the
//! load the other. Where the load is the bottleneck, requests per second say little of the server,
//! so requests per second of the server's CPU time are printed as well.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use inhook::sign::{Message, Signer};
use inhook::{
    DedupLayer, Events, Failure, Intake, MemoryDedup, MemoryInbox, Verifier, VerifyLayer, Worker,
    presets,
};
use tower::ServiceBuilder;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ROUNDS: usize = 5;
const SECONDS: u32 = 4;
/// More than a round sends.
const REQUESTS: usize = 500_000;

fn main() {
    match std::env::args().skip_while(|arg| arg != "--serve").nth(1) {
        Some(what) => serve(&what),
        None => compare(),
    }
}

/// The server's side, in a process of its own.
#[tokio::main(flavor = "current_thread")]
async fn serve(what: &str) {
    let reads_body = post(|_: Bytes| async { StatusCode::OK });
    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let layer = VerifyLayer::new(verifier);
    let inbox = Arc::new(MemoryInbox::new());
    let app = match what {
        "bare" => Router::new().route("/", reads_body),
        "verify" => Router::new().route("/", reads_body).route_layer(layer),
        "dedup" => {
            let dedup = MemoryDedup::new().max_deliveries(REQUESTS);
            let guard = ServiceBuilder::new().layer(layer).layer(DedupLayer::new(Arc::new(dedup)));
            Router::new().route("/", reads_body).route_layer(guard)
        }
        _ => {
            let intake = ServiceBuilder::new().layer(layer).service(Intake::new(inbox.clone()));
            Router::new().route_service("/", intake)
        }
    };
    let events = Events::builder().fallback(async |_| Ok::<_, Failure>(()));
    let worker = Worker::new(inbox, events.build().unwrap()).concurrency(128);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    inhook::run(inhook::serve(listener, app), worker, inhook::stop_signal()).await.unwrap();
}

fn compare() {
    let directory = tempfile::tempdir().unwrap();
    let script = write_load(directory.path());
    let modes = ["bare", "verify", "dedup", "memory"];
    let mut rounds = modes.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (mode, rounds) in modes.iter().zip(&mut rounds) {
            rounds.push(round(mode, &script));
        }
    }
    println!("1 KB bodies, median of {ROUNDS} rounds of {SECONDS} s");
    println!(
        "{:<32}{:>10}{:>7}{:>7}{:>11}{:>7}",
        "", "requests/s", "ratio", "busy", "per CPU-s", "ratio"
    );
    let names = [
        "bare axum route",
        "VerifyLayer (target 0.82)",
        "… MemoryDedup (0.70)",
        "… MemoryInbox, Worker (0.75)",
    ];
    let mut bare = None;
    for (name, rounds) in names.iter().zip(rounds) {
        let rate = median(rounds.iter().map(|(rate, _)| *rate));
        let busy = median(rounds.iter().map(|(_, busy)| *busy));
        let cost = median(rounds.iter().map(|(rate, busy)| rate / busy));
        let (bare_rate, bare_cost) = *bare.get_or_insert((rate, cost));
        let (by_rate, by_cost) = (rate / bare_rate, cost / bare_cost);
        let busy = busy * 100.0;
        println!("{name:<32}{rate:>10.0}{by_rate:>7.2}{busy:>5.0} %{cost:>11.0}{by_cost:>7.2}");
    }
}

/// Requests with an id each, signed beforehand, as a script for wrk.
fn write_load(directory: &Path) -> String {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let body = format!(r#"{{"type":"user.created","data":"{}"}}"#, "x".repeat(993));
    let sent_at = std::time::SystemTime::now();
    let lines = directory.join("signatures");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&lines).unwrap());
    let mut time = String::new();
    for n in 0..REQUESTS {
        let message = Message::new(body.clone()).id(format!("msg_{n}")).sent_at(sent_at);
        let headers = signer.sign(&message).unwrap();
        let header = |name| headers.get(name).unwrap().to_str().unwrap().to_owned();
        writeln!(file, "{}", header("webhook-signature")).unwrap();
        time = header("webhook-timestamp");
    }
    file.flush().unwrap();
    let script = directory.join("load.lua");
    // Concatenation, because `wrk.format` would make the load the bottleneck.
    let source = format!(
        r#"
local signatures, n = {{}}, 0
local body = '{body}'
local head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" ..
  "Content-Length: " .. #body .. "\r\nwebhook-timestamp: {time}\r\nwebhook-id: msg_"
local tail = "\r\n\r\n" .. body
function init()
  for line in io.lines("{lines}") do signatures[#signatures + 1] = line end
end
function request()
  local id = n % #signatures
  n = n + 1
  return head .. id .. "\r\nwebhook-signature: " .. signatures[id + 1] .. tail
end
"#,
        lines = lines.display(),
    );
    std::fs::write(&script, source).unwrap();
    script.to_str().unwrap().to_owned()
}

/// The requests per second of one server, started for this round only, and the share of the time
/// that it was busy.
fn round(mode: &str, script: &str) -> (f64, f64) {
    let server = std::env::current_exe().unwrap();
    let mut server = Server(
        Command::new("taskset")
            .args(["-c", "0"])
            .arg(server)
            .args(["--serve", mode])
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset is needed"),
    );
    let mut address = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let (start, before) = (Instant::now(), cpu_seconds(server.0.id()));
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "-c64", &format!("-d{SECONDS}s"), "-s", script])
        .arg(format!("http://{}/", address.trim()))
        .output()
        .expect("wrk is needed");
    let busy = (cpu_seconds(server.0.id()) - before) / start.elapsed().as_secs_f64();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !report.contains("Non-2xx"), "{mode}: {report}");
    let rate = report.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    (rate.unwrap_or_else(|| panic!("{report}")).trim().parse().unwrap(), busy)
}

/// User and system time of a process: the 14th and 15th field, in ticks of 10 ms.
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

/// A server that ends with its round.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
