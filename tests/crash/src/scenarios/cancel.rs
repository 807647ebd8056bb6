//! S14: whoever waits for an answer is gone before it comes, wherever that may be.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use hyper::body::Frame;
use inhook::events::Handled;
use inhook::inbox::{Inbox, Job, LeaseOptions, Ledger, Outcome};
use inhook::sign::Signer;
use inhook::{BoxError, Failure, MemoryInbox, SqliteInbox, Verifier, Worker, presets};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tower::{ServiceExt, service_fn};

use super::Run;
use crate::client::{Answer, body, delivery, id, request};
use crate::here::Here;
use crate::naive::Naive;
use crate::receiver::{PUT, SECRET, app};
use crate::table::Figure;

/// More often than any of the futures here has to be polled.
const POLLS: usize = 10;
const ATTEMPTS: u32 = 1_000;
const LEASE: Duration = Duration::from_millis(100);
const ENDLESS: Duration = Duration::from_secs(24 * 60 * 60);

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let open = async |name: &str| SqliteInbox::open(run.directory.join(name)).await.map(Arc::new);
    let memory = || Arc::new(MemoryInbox::new().max_deliveries(1 << 20).max_bytes(1 << 30));
    let rounds = run.rounds(20, 500);
    let mut accepts = Accepts::default();
    cut_accepts(open("accepts.db").await?, None, rounds, &mut accepts).await?;
    cut_accepts(memory(), None, rounds, &mut accepts).await?;
    let mut naive = Accepts::default();
    cut_accepts(open("naive.db").await?, Some(Naive::MarksFirst), 10, &mut naive).await?;

    let rounds = run.rounds(6, 200);
    let mut leases = Leases::default();
    cut_leases(open("leases.db").await?, LEASE, rounds, &mut leases).await?;
    cut_leases(memory(), LEASE, rounds, &mut leases).await?;
    let mut endless = Leases::default();
    cut_leases(open("endless.db").await?, ENDLESS, 2, &mut endless).await?;
    Ok(vec![accepts.figure(&naive), leases.figure(&endless)])
}

/// Polls a future so many times at most, at any moments, and drops it.
async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        match fastrand::u8(..4) {
            0 => tokio::time::sleep(Duration::from_micros(fastrand::u64(..2_000))).await,
            _ => tokio::task::yield_now().await,
        }
    }
    None
}

/// Deliveries whose senders were cut off and came again.
#[derive(Debug, Default)]
struct Accepts {
    sent: usize,
    cut: usize,
    lost: usize,
    /// Accepted or handled more than once.
    double: usize,
    /// Stored in part.
    half: usize,
}

impl Accepts {
    fn figure(&self, control: &Self) -> Figure {
        let Self { sent, cut, lost, double, half } = self;
        Figure {
            case: "S14",
            what: format!(
                "{sent} deliveries to SQLite and memory; {cut} cut off at an await or \
                 mid-request, and sent again"
            ),
            target: "0 lost, each accepted once, none in part".into(),
            measured: format!("{lost} lost, {double} accepted twice, {half} in part"),
            control: format!(
                "an intake that marks the id and then stores loses {} of {}",
                control.lost, control.sent
            ),
            met: (*lost, *double, *half) == (0, 0, 0) && *cut > 0 && control.lost > 0,
        }
    }
}

async fn cut_accepts<I: Inbox + Ledger>(
    inbox: Arc<I>,
    naive: Option<Naive>,
    rounds: usize,
    accepts: &mut Accepts,
) -> Result<(), BoxError> {
    let here = Here::serve(inbox.clone(), naive).await?;
    let router = app(inbox.clone(), naive)?;
    let mut sent = Vec::new();
    for _ in 0..rounds {
        let mut partners = JoinSet::new();
        for n in 0..2 * POLLS {
            let (router, address) = (router.clone(), here.address);
            partners.spawn(async move {
                let id = id();
                let first = if n < POLLS {
                    drop_after(n, call(&router, &id)).await.transpose()?
                } else {
                    hang_up(address, &id).await?;
                    None
                };
                Ok::<_, BoxError>((first, again(&router, &id).await?, id))
            });
        }
        while let Some(partner) = partners.join_next().await {
            sent.push(partner??);
        }
    }
    let handled = handle_all(&*inbox).await?;
    for (first, again, id) in sent {
        let answers = || first.iter().chain([&again]);
        let new = answers().filter(|answer| answer.new).count();
        let bodies = handled.get(&id).map_or(&[][..], |bodies| bodies);
        accepts.sent += 1;
        accepts.cut += usize::from(first.is_none());
        accepts.lost += usize::from(answers().any(Answer::is_ok) && bodies.is_empty());
        accepts.double += new.max(bodies.len()).saturating_sub(1);
        accepts.half += bodies.iter().filter(|found| **found != body(&id)).count();
    }
    Ok(())
}

/// A request of several pieces, without a server.
async fn call(router: &Router, id: &str) -> Result<Answer, BoxError> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET)?;
    let (head, body) = request(&signer, id)?.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let pieces = bytes.chunks(300).map(|piece| bytes.slice_ref(piece)).collect();
    let body = Body::new(Pieces { pieces, comes: false });
    let response = router.clone().oneshot(axum::http::Request::from_parts(head, body)).await?;
    let new = response.headers().get(PUT).is_some_and(|put| put == "New");
    Ok(Answer { status: response.status(), new })
}

/// The partner comes again until it is answered 200.
async fn again(router: &Router, id: &str) -> Result<Answer, BoxError> {
    for _ in 0..100 {
        let answer = call(router, id).await?;
        if answer.is_ok() {
            return Ok(answer);
        }
    }
    Err("a store that works accepts nothing".into())
}

/// A body that keeps whoever reads it waiting before each piece.
struct Pieces {
    pieces: VecDeque<Bytes>,
    comes: bool,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.comes = !self.comes;
        if self.comes {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Sends some of a request, or all of it, and is gone.
async fn hang_up(to: SocketAddr, id: &str) -> Result<(), BoxError> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET)?;
    let (head, body) = request(&signer, id)?.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut text = format!("POST /hook HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str()?));
    }
    let bytes = [text.as_bytes(), b"\r\n", &body].concat();
    let sent = if fastrand::bool() { bytes.len() } else { fastrand::usize(..bytes.len()) };
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&bytes[..sent]).await?;
    tokio::time::sleep(Duration::from_micros(fastrand::u64(..4_000))).await;
    Ok(())
}

/// Handles all that is there; the bodies by id.
async fn handle_all<I: Inbox>(inbox: &I) -> Result<HashMap<String, Vec<String>>, BoxError> {
    let mut handled: HashMap<String, Vec<String>> = HashMap::new();
    loop {
        let jobs = inbox.lease(LeaseOptions::new(256, ENDLESS, ATTEMPTS)).await?.jobs;
        if jobs.is_empty() {
            return Ok(handled);
        }
        for job in jobs {
            let id = job.id().unwrap_or_default().to_owned();
            handled.entry(id).or_default().push(String::from_utf8_lossy(job.body()).into_owned());
            let _ = inbox.settle(job.lease(), Outcome::Done).await?;
        }
    }
}

/// Jobs whose workers were cut off.
#[derive(Debug, Default)]
struct Leases {
    cut: usize,
    checked: usize,
    stuck: u64,
}

impl Leases {
    fn figure(&self, control: &Self) -> Figure {
        Figure {
            case: "S14",
            what: format!(
                "workers dropped {} times; leases, renewals, settlements at each poll; \
                 {} jobs left",
                self.cut, self.checked
            ),
            target: "each can be leased again when its lease has ended".into(),
            measured: format!("{} are stuck", self.stuck),
            control: format!("with leases of a day {} are stuck", control.stuck),
            met: self.stuck == 0 && self.checked > 0 && control.stuck > 0,
        }
    }
}

async fn cut_leases<I: Inbox + Ledger>(
    inbox: Arc<I>,
    lease: Duration,
    rounds: usize,
    leases: &mut Leases,
) -> Result<(), BoxError> {
    let verifier = Verifier::new("crash", presets::STANDARD_WEBHOOKS, SECRET)?;
    let put = async |deliveries: usize| {
        for _ in 0..deliveries {
            inbox.put(delivery(&verifier, &id(), SystemTime::now())?).await?;
        }
        Ok::<_, BoxError>(())
    };
    for _ in 0..rounds {
        put(16).await?;
        let worker = Worker::new(inbox.clone(), service_fn(handle))
            .concurrency(8)
            .lease(lease)
            .heartbeat(lease / 3);
        let lives = Duration::from_millis(fastrand::u64(..80));
        let _ = tokio::time::timeout(lives, worker.run(pending())).await;
        for polls in 0..POLLS {
            put(4).await?;
            drop_after(polls, inbox.lease(LeaseOptions::new(2, lease, ATTEMPTS))).await;
            let jobs = inbox.lease(LeaseOptions::new(3, lease, ATTEMPTS)).await?.jobs;
            let held: Vec<_> = jobs.iter().map(Job::lease).collect();
            drop_after(polls, inbox.extend(&held, lease)).await;
            let retry = Outcome::Retry { after: Duration::ZERO, error: "again".into() };
            for (held, outcome) in held.iter().zip([Outcome::Done, retry, Outcome::Released]) {
                drop_after(polls, inbox.settle(*held, outcome)).await;
            }
        }
        leases.cut += 1;
        // A renewal may have been on its way when its worker was dropped.
        tokio::time::sleep(2 * LEASE).await;
        let mut options = LeaseOptions::new(10_000, ENDLESS, ATTEMPTS);
        let mut jobs = inbox.lease(options.clone()).await?.jobs;
        options.suspects = true;
        jobs.extend(inbox.lease(options).await?.jobs);
        let stats = inbox.stats().await?;
        leases.checked += jobs.len();
        leases.stuck += stats.pending + stats.leased - jobs.len() as u64;
        for job in jobs {
            let _ = inbox.settle(job.lease(), Outcome::Done).await?;
        }
    }
    Ok(())
}

async fn handle(_: Job) -> Result<Handled, Failure> {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(..40))).await;
    Ok(Handled::Done)
}
