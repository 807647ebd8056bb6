//! S16: thousands of clients that send slowly, and partners beside them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use inhook::sign::Signer;
use inhook::{BoxError, presets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Run;
use crate::child::Receiver;
use crate::client::{Client, id, request};
use crate::latencies::Latencies;
use crate::naive::Naive;
use crate::process::{memory, raise_open_files};
use crate::receiver::{SECRET, Spec};
use crate::table::Figure;

const PARTNERS: usize = 8;
/// How many requests a partner sends on one connection.
const REQUESTS: usize = 10;
/// What a slow client may have beyond its deadline.
const GRACE: Duration = Duration::from_secs(1);
/// How many slow clients connect in a second.
const PACE: usize = 1_000;
/// Files of this process beside the slow clients' connections.
const RESERVED: u64 = 500;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let files = raise_open_files();
    let (wanted, deadline) = match run.short {
        true => (Slow { headers: 500, bodies: 100 }, Duration::from_secs(3)),
        // What a receiver has by default.
        false => (Slow { headers: 5_000, bodies: 1_000 }, Duration::from_secs(10)),
    };
    let slow = wanted.within(files.saturating_sub(RESERVED));
    if slow.headers < wanted.headers {
        eprintln!("slow: {files} files may be open, so there are fewer slow clients");
    }
    let patience = run.short.then_some(deadline);
    let spec = Spec { patience, ..Spec::new(run.directory.join("inbox.db")) };
    let tested = besiege(&spec, slow, deadline).await?;
    let control = Spec {
        patience: Some(Duration::from_secs(3_600)),
        naive: Some(Naive::WaitsForEver),
        ..Spec::new(run.directory.join("control.db"))
    };
    let control = besiege(&control, slow, deadline).await?;
    let Besieged { sent, ok, reaped, left, early, late, peak } = tested;
    let clients = slow.headers + slow.bodies;
    let share = 100.0 * ok as f64 / sent as f64;
    Ok(vec![Figure {
        case: "S16",
        what: format!(
            "{} slow headers and {} slow bodies with {deadline:?} each, {sent} requests beside them",
            slow.headers, slow.bodies
        ),
        target: "all reaped by 1 s after, none before; >= 99.9 % answered 200".into(),
        measured: format!(
            "{reaped} reaped, {early} before; after it {late}; {share:.3} %; {} MiB",
            peak >> 20
        ),
        control: format!("without time-outs {} of {clients} are left", control.left),
        met: reaped == clients
            && early == 0
            && left == 0
            && late.max() <= GRACE
            && share >= 99.9
            && control.left == clients,
    }])
}

#[derive(Clone, Copy)]
struct Slow {
    headers: usize,
    bodies: usize,
}

impl Slow {
    /// As many as there can be connections, in the same proportion.
    fn within(self, connections: u64) -> Self {
        let all = (self.headers + self.bodies) as u64;
        let scaled = |count: usize| (count as u64 * connections.min(all) / all) as usize;
        Self { headers: scaled(self.headers), bodies: scaled(self.bodies) }
    }
}

#[derive(Default)]
struct Besieged {
    /// Requests of partners, and how many of them were answered 200.
    sent: usize,
    ok: usize,
    /// Slow clients that were answered 408 or cut off, and those that still were connected.
    reaped: usize,
    left: usize,
    /// Those that were reaped before their deadline.
    early: usize,
    /// How long after its deadline a slow client was reaped.
    late: Latencies,
    /// The most memory that the receiver had.
    peak: u64,
}

async fn besiege(spec: &Spec, slow: Slow, deadline: Duration) -> Result<Besieged, BoxError> {
    let receiver = Receiver::start(spec).await?;
    let to = receiver.address();
    let over = Arc::new(AtomicBool::new(false));
    let (sent, ok) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut partners = JoinSet::new();
    for _ in 0..PARTNERS {
        let (over, sent, ok) = (over.clone(), sent.clone(), ok.clone());
        partners.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                sent.fetch_add(REQUESTS, Ordering::Relaxed);
                let Ok(mut client) = Client::connect(to).await else { continue };
                for _ in 0..REQUESTS {
                    let answer = client.send(&id()).await;
                    ok.fetch_add(usize::from(answer.is_ok_and(|a| a.is_ok())), Ordering::Relaxed);
                }
            }
        });
    }
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET)?;
    let mut clients = JoinSet::new();
    let start = Instant::now();
    let all = slow.headers + slow.bodies;
    for n in 0..all {
        // Spread out, and each kind among the other.
        let due = start + Duration::from_secs_f64(n as f64 / PACE as f64);
        tokio::time::sleep_until(due.into()).await;
        let body = n * slow.bodies / all != (n + 1) * slow.bodies / all;
        let (head, trickle) = if body { slow_body(&signer).await? } else { slow_headers() };
        clients.spawn(dawdle(to, head, trickle, deadline));
    }
    let mut besieged = Besieged::default();
    while let Some(client) = clients.join_next().await {
        match client?? {
            Some(after) => {
                besieged.reaped += 1;
                besieged.early += usize::from(after + GRACE / 4 < deadline);
                besieged.late.push(after.saturating_sub(deadline));
            }
            None => besieged.left += 1,
        }
    }
    over.store(true, Ordering::Relaxed);
    partners.join_all().await;
    besieged.peak = memory(receiver.id())?.peak;
    (besieged.sent, besieged.ok) = (sent.load(Ordering::Relaxed), ok.load(Ordering::Relaxed));
    Ok(besieged)
}

/// Sends what comes first, and then a byte each second. After what time it was answered 408 or cut
/// off; nothing if it still was not a while after its deadline.
async fn dawdle(
    to: SocketAddr,
    head: Vec<u8>,
    trickle: &'static [u8],
    deadline: Duration,
) -> Result<Option<Duration>, String> {
    let mut stream = TcpStream::connect(to).await.map_err(|error| error.to_string())?;
    let start = Instant::now();
    let reaped = async {
        let (mut answers, mut requests) = stream.split();
        let sends = async {
            let _ = requests.write_all(&head).await;
            for byte in trickle.iter().cycle() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let _ = requests.write_all(&[*byte]).await;
            }
        };
        let mut answer = [0; 12];
        tokio::select! {
            answered = answers.read_exact(&mut answer) => match answered {
                Ok(_) if &answer != b"HTTP/1.1 408" => {
                    Err(format!("it was answered {}", String::from_utf8_lossy(&answer)))
                }
                _ => Ok(()),
            },
            () = sends => Ok(()),
        }
    };
    match tokio::time::timeout(deadline + 2 * GRACE, reaped).await {
        Ok(reaped) => reaped.map(|()| Some(start.elapsed())),
        Err(_) => Ok(None),
    }
}

/// The beginning of headers that have no end.
fn slow_headers() -> (Vec<u8>, &'static [u8]) {
    (b"POST /hook HTTP/1.1\r\nhost: localhost\r\nx-slow: ".to_vec(), b"x")
}

/// A signed request without its body, of which a byte comes at a time.
async fn slow_body(signer: &Signer) -> Result<(Vec<u8>, &'static [u8]), BoxError> {
    let (parts, body) = request(signer, &id())?.into_parts();
    let length = body.collect().await?.to_bytes().len();
    let mut head = format!("POST /hook HTTP/1.1\r\ncontent-length: {length}\r\n").into_bytes();
    for (name, value) in &parts.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n{");
    Ok((head, b" "))
}
