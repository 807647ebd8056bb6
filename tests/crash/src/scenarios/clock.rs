//! C9: the wall clock jumps.

use std::collections::HashMap;
use std::future::pending;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use inhook::clock::{Clock, SystemClock};
use inhook::events::Handled;
use inhook::inbox::{Inbox, Job, LeaseOptions, Ledger, Outcome};
use inhook::testing::FakeClock;
use inhook::{BoxError, Failure, SqliteInbox, Verifier, Worker, presets};
use tokio::task::JoinSet;
use tower::service_fn;

use super::Run;
use crate::child::PATIENCE;
use crate::client::{delivery, id};
use crate::receiver::SECRET;
use crate::table::Figure;
use walk::{Walk, walk};

mod walk;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// From now to some time before 1970.
const BEFORE_1970: i64 = -70 * 365 * DAY;
const LIVE_LEASE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 1_000_000;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let file = |name: &str| run.directory.join(name);
    let steps = run.rounds(2_000, 50_000);
    let walked = walk(&file("walk.db"), steps).await?;
    let naive = walk::naive(steps)?;
    let mut late = Vec::new();
    for waits in Waits::ALL {
        late.push(lateness(&file(&format!("{waits:?}.db")), waits, HOUR).await?);
    }
    let day = lateness(&file("day.db"), Waits::Retry, DAY).await?;
    let deliveries = run.rounds(400, 10_000);
    let live = leap(&file("live.db"), true, deliveries).await?;
    let shared = leap(&file("shared.db"), false, 300).await?;
    let Walk { jumps, puts, again, early, forgotten_late, lapsed, stuck, refused } = walked;
    let hour = Duration::from_secs(3_600);
    Ok(vec![
        Figure {
            case: "C9",
            what: format!(
                "{steps} steps, {jumps} jumps of the clock, {puts} accepts, {again} of them anew"
            ),
            target: "windows change by the jump at most, no lease lapses, nothing waits longer"
                .into(),
            measured: format!(
                "{early} accepted too early, {forgotten_late} too late, {lapsed} leases lapsed, \
                 {refused} refused, {stuck} jobs stuck"
            ),
            control: format!("a window that ends when its start is ahead: {naive} too early"),
            met: early + forgotten_late + lapsed + stuck + refused == 0 && again > 0 && naive > 0,
        },
        Figure {
            case: "C9",
            what: "work that waits while the clock is set back by an hour".into(),
            target: "late by an hour at most, and not at all if it was never tried".into(),
            measured: format!(
                "never tried: {:?} late; a retry: {:?}; a lapsed lease: {:?}, of a process \
                 before: {:?}",
                late[0], late[1], late[2], late[3]
            ),
            control: format!("set back by a day, a retry is {day:?} late"),
            met: late[0].is_zero() && late.iter().all(|late| *late <= hour) && day > hour,
        },
        Figure {
            case: "C9",
            what: format!(
                "{} deliveries handled while the clock leaps {} times",
                live.handled, live.leaps
            ),
            target: "each handled once, no lease lapses".into(),
            measured: format!(
                "{} run again, {} leases lapsed, {} left",
                live.again, live.lapsed, live.left
            ),
            control: format!(
                "for a second process, which goes by the wall clock, {} lapse",
                shared.lapsed
            ),
            met: live.again + live.lapsed == 0 && live.left == 0 && shared.lapsed > 0,
        },
    ])
}

fn verifier(clock: &Arc<impl Clock + 'static>) -> Result<Verifier, BoxError> {
    let verifier = Verifier::builder("crash", presets::STANDARD_WEBHOOKS, SECRET);
    Ok(verifier.clock(clock.clone()).build()?)
}

/// Sets the wall clock.
fn jump(clock: &FakeClock, millis: i64) {
    let by = Duration::from_millis(millis.unsigned_abs());
    let now = clock.now();
    clock.jump_to(if millis < 0 { now - by } else { now + by });
}

/// What waits for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    NeverTried,
    Retry,
    /// Its worker is gone, and its lease has ended.
    Lapsed,
    /// The same, and so is the process.
    LapsedElsewhere,
}

impl Waits {
    const ALL: [Self; 4] = [Self::NeverTried, Self::Retry, Self::Lapsed, Self::LapsedElsewhere];
}

/// How much longer it waits when the clock is set back, to five minutes.
async fn lateness(db: &Path, waits: Waits, set_back: i64) -> Result<Duration, BoxError> {
    const LEASE: Duration = Duration::from_secs(60);
    const STEP: Duration = Duration::from_secs(300);
    let clock = Arc::new(FakeClock::new());
    let open = async || SqliteInbox::options().clock(clock.clone()).open(db).await;
    let mut inbox = open().await?;
    inbox.put(delivery(&verifier(&clock)?, &id(), clock.now())?).await?;
    let options = LeaseOptions::new(1, LEASE, ATTEMPTS);
    if waits != Waits::NeverTried {
        let job = inbox.lease(options.clone()).await?.jobs.pop().ok_or("it is not due")?;
        if waits == Waits::Retry {
            let retry = Outcome::Retry { after: LEASE, error: "again".into() };
            let _ = inbox.settle(job.lease(), retry).await?;
        }
    }
    if waits == Waits::LapsedElsewhere {
        drop(inbox);
        inbox = open().await?;
    }
    jump(&clock, -set_back);
    if waits != Waits::NeverTried {
        clock.advance(LEASE);
    }
    let mut late = Duration::ZERO;
    while inbox.lease(options.clone()).await?.jobs.is_empty()
        && inbox.lease(LeaseOptions::suspect(LEASE, ATTEMPTS)).await?.jobs.is_empty()
    {
        clock.advance(STEP);
        late += STEP;
    }
    Ok(late)
}

/// The clock of the operating system, set wrongly.
#[derive(Debug, Default)]
struct Wrong {
    millis: AtomicI64,
}

impl Clock for Wrong {
    fn now(&self) -> SystemTime {
        let millis = self.millis.load(Ordering::Relaxed);
        let by = Duration::from_millis(millis.unsigned_abs());
        let now = SystemTime::now();
        if millis < 0 { now - by } else { now + by }
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

#[derive(Debug, Default)]
struct Live {
    leaps: usize,
    handled: usize,
    /// How many runs there were beyond the first of each.
    again: usize,
    /// How many jobs were to be had while they ran.
    lapsed: usize,
    left: u64,
}

/// Real time passes, and a worker handles what comes in. Something asks for lapsed leases all the
/// while: in the worker's process, or in one that knows the leases by the wall clock alone.
async fn leap(db: &Path, here: bool, deliveries: usize) -> Result<Live, BoxError> {
    let clock = Arc::new(Wrong::default());
    let open = async || SqliteInbox::options().clock(clock.clone()).open(db).await.map(Arc::new);
    let inbox = open().await?;
    let asked = if here { inbox.clone() } else { open().await? };
    let runs: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let handler = service_fn({
        let runs = runs.clone();
        move |job| handle(job, runs.clone())
    });
    let worker = Worker::new(inbox.clone(), handler)
        .concurrency(8)
        .lease(LIVE_LEASE)
        .heartbeat(LIVE_LEASE / 10);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(worker.run(pending()).await) });
    let lapsed = Arc::new(AtomicUsize::new(0));
    let count = lapsed.clone();
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let suspect = LeaseOptions::suspect(LIVE_LEASE, ATTEMPTS);
            let Ok(batch) = asked.lease(suspect).await else { continue };
            count.fetch_add(batch.jobs.len(), Ordering::Relaxed);
            for job in batch.jobs {
                let _ = asked.settle(job.lease(), Outcome::Done).await;
            }
        }
    });
    let system = Arc::new(SystemClock::default());
    let verifier = verifier(&system)?;
    let mut live = Live::default();
    for _ in 0..deliveries {
        inbox.put(delivery(&verifier, &id(), system.now())?).await?;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..15))).await;
        if fastrand::u8(..10) == 0 {
            let wrong = [0, HOUR, -HOUR, DAY, -DAY, BEFORE_1970];
            clock.millis.store(wrong[fastrand::usize(..wrong.len())], Ordering::Relaxed);
            live.leaps += 1;
        }
    }
    clock.millis.store(0, Ordering::Relaxed);
    let end = Instant::now() + PATIENCE;
    loop {
        let stats = inbox.stats().await?;
        live.left = stats.pending + stats.leased;
        if live.left == 0 || Instant::now() > end {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
    live.handled = runs.len();
    live.again = runs.values().map(|runs| runs - 1).sum();
    live.lapsed = lapsed.load(Ordering::Relaxed);
    Ok(live)
}

/// A few take longer than a lease.
async fn handle(job: Job, runs: Arc<Mutex<HashMap<String, usize>>>) -> Result<Handled, Failure> {
    let id = job.id().unwrap_or_default().to_owned();
    *runs.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
    let longer = LIVE_LEASE + LIVE_LEASE / 4;
    let shorter = Duration::from_millis(fastrand::u64(..40));
    tokio::time::sleep(if fastrand::u8(..40) == 0 { longer } else { shorter }).await;
    Ok(Handled::Done)
}
