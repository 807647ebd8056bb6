//! A random walk of an inbox through time, beside what it may do by then.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inhook::clock::Clock;
use inhook::inbox::{Inbox, Job, Lease, LeaseOptions, Outcome, Put, Settled};
use inhook::testing::FakeClock;
use inhook::{BoxError, Delivery, SqliteInbox};

use super::{ATTEMPTS, BEFORE_1970, DAY, HOUR, MINUTE, jump, verifier};
use crate::client::delivery;

const IDS: usize = 48;
const LEASE: i64 = MINUTE;

/// What was seen.
#[derive(Debug, Default)]
pub struct Walk {
    pub jumps: usize,
    pub puts: usize,
    /// Accepted again.
    pub again: usize,
    /// Accepted again before the end of the window, less the largest jump ahead in it.
    pub early: usize,
    /// Not accepted again after its end, and the widest jump in it.
    pub forgotten_late: usize,
    /// Leased again before the lease ended.
    pub lapsed: usize,
    /// Not leased although it was due, by more than the clock was set back since.
    pub stuck: usize,
    /// Settled or renewed under the newest lease, and refused.
    pub refused: usize,
}

/// The time that has passed, and by how much the wall clock has jumped in all.
struct Time {
    clock: Arc<FakeClock>,
    passed: i64,
    jumped: i64,
}

impl Time {
    fn new() -> Self {
        Self { clock: Arc::new(FakeClock::new()), passed: 0, jumped: 0 }
    }

    fn pass(&mut self) {
        let by = match fastrand::u8(..20) {
            0 => fastrand::i64(0..2 * DAY),
            1..5 => fastrand::i64(0..6 * HOUR),
            _ => fastrand::i64(0..2 * MINUTE),
        };
        self.clock.advance(Duration::from_millis(by.unsigned_abs()));
        self.passed += by;
    }

    fn jump(&mut self) {
        let by = match fastrand::u8(..10) {
            _ if self.is_before_1970() => -BEFORE_1970,
            0 => BEFORE_1970,
            1..4 => HOUR,
            4..7 => -HOUR,
            7 | 8 => DAY,
            _ => -DAY,
        };
        jump(&self.clock, by);
        self.jumped += by;
    }

    fn is_before_1970(&self) -> bool {
        self.clock.now() < SystemTime::UNIX_EPOCH
    }
}

/// A delivery that was accepted.
struct Known {
    delivery: Delivery,
    accepted: i64,
    /// What the clock had jumped by then, and since: at least and at most.
    jumped: i64,
    range: (i64, i64),
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    New,
    Retry { due: i64, jumped: i64 },
    Leased { lease: Lease, until: i64, jumped: i64, life: usize },
    Done { at: i64 },
}

impl Known {
    fn new(delivery: Delivery, time: &Time) -> Self {
        let (accepted, jumped) = (time.passed, time.jumped);
        Self { delivery, accepted, jumped, range: (0, 0), state: State::New }
    }

    fn jumps(&mut self, time: &Time) {
        let by = time.jumped - self.jumped;
        self.range = (self.range.0.min(by), self.range.1.max(by));
    }

    /// Whether it must not be accepted again yet.
    fn is_inside(&self, time: &Time) -> bool {
        let State::Done { .. } = self.state else { return true };
        time.passed - self.accepted < millis(self.delivery.ttl(true)) - self.range.1
    }

    /// Whether it must be accepted again.
    fn is_outside(&self, time: &Time) -> bool {
        let State::Done { at } = self.state else { return false };
        let window = self.accepted + millis(self.delivery.ttl(true));
        // At the last moment itself it is still known.
        let end = window.max(at + millis(self.delivery.freshness()) + 1);
        time.passed >= end + self.range.1 - self.range.0
    }

    /// Whether it must be there for a worker.
    fn is_due(&self, time: &Time) -> bool {
        let (due, jumped) = match self.state {
            State::New => return true,
            State::Retry { due, jumped } => (due, jumped),
            State::Leased { until, jumped, .. } => (until, jumped),
            State::Done { .. } => return false,
        };
        time.passed >= due + (jumped - time.jumped).max(0)
    }
}

pub async fn walk(db: &Path, steps: usize) -> Result<Walk, BoxError> {
    let mut time = Time::new();
    let clock = time.clock.clone();
    let verifier = verifier(&clock)?;
    let open = async || SqliteInbox::options().clock(clock.clone()).open(db).await;
    let mut inbox = open().await?;
    let mut life = 0;
    let mut known: HashMap<String, Known> = HashMap::new();
    let mut seen = Walk::default();
    for _ in 0..steps {
        match fastrand::u8(..20) {
            0..8 => {
                put(&inbox, &time, &mut known, &mut seen, |id| delivery(&verifier, id, clock.now()))
                    .await?
            }
            8..11 => {
                let most = if fastrand::u8(..4) == 0 { 10_000 } else { 3 };
                lease(&inbox, &time, life, most, &mut known, &mut seen).await?;
            }
            11..15 => settle(&inbox, &time, life, &mut known, &mut seen).await?,
            15 | 16 => time.pass(),
            17 | 18 => {
                time.jump();
                seen.jumps += 1;
                known.values_mut().for_each(|known| known.jumps(&time));
            }
            _ if fastrand::bool() => {
                drop(inbox);
                inbox = open().await?;
                life += 1;
            }
            _ => {}
        }
    }
    Ok(seen)
}

async fn put(
    inbox: &SqliteInbox,
    time: &Time,
    known: &mut HashMap<String, Known>,
    seen: &mut Walk,
    receive: impl FnOnce(&str) -> Result<Delivery, BoxError>,
) -> Result<(), BoxError> {
    let id = format!("crash-{:012}", fastrand::usize(..IDS));
    let before = known.get(&id);
    let delivery = match (before, time.is_before_1970()) {
        // Nothing is fresh then; something may have been verified just before the jump.
        (None, true) => return Ok(()),
        (Some(known), true) => known.delivery.clone(),
        (_, false) => receive(&id)?,
    };
    seen.puts += 1;
    match inbox.put(delivery.clone()).await? {
        Put::New => {
            seen.again += usize::from(before.is_some());
            seen.early += usize::from(before.is_some_and(|known| known.is_inside(time)));
            known.insert(id, Known::new(delivery, time));
        }
        Put::Duplicate => {
            seen.forgotten_late += usize::from(before.is_none_or(|known| known.is_outside(time)));
        }
        Put::Revived => return Err("nothing was dead".into()),
    }
    Ok(())
}

async fn lease(
    inbox: &SqliteInbox,
    time: &Time,
    life: usize,
    most: usize,
    known: &mut HashMap<String, Known>,
    seen: &mut Walk,
) -> Result<(), BoxError> {
    let mut options =
        LeaseOptions::new(most, Duration::from_millis(LEASE.unsigned_abs()), ATTEMPTS);
    let mut jobs = inbox.lease(options.clone()).await?.jobs;
    options.suspects = true;
    jobs.extend(inbox.lease(options).await?.jobs);
    let mut due: HashMap<String, bool> = HashMap::new();
    if most > IDS {
        due = known.iter().map(|(id, known)| (id.clone(), known.is_due(time))).collect();
    }
    for job in &jobs {
        let id = job.id().unwrap_or_default();
        due.remove(id);
        let known = known.get_mut(id).ok_or("a job that nobody sent")?;
        if let State::Leased { until, life: granted, .. } = known.state {
            seen.lapsed += usize::from(granted == life && time.passed < until);
        }
        known.state = leased(job, time, life);
    }
    seen.stuck += due.values().filter(|due| **due).count();
    Ok(())
}

fn leased(job: &Job, time: &Time, life: usize) -> State {
    let (until, jumped) = (time.passed + LEASE, time.jumped);
    State::Leased { lease: job.lease(), until, jumped, life }
}

/// Settles one of the jobs that are leased, or renews its lease.
async fn settle(
    inbox: &SqliteInbox,
    time: &Time,
    life: usize,
    known: &mut HashMap<String, Known>,
    seen: &mut Walk,
) -> Result<(), BoxError> {
    let leased = known.values_mut().filter_map(|known| match known.state {
        State::Leased { lease, .. } => Some((known, lease)),
        _ => None,
    });
    let Some((known, lease)) = fastrand::choice(leased.collect::<Vec<_>>()) else { return Ok(()) };
    let (passed, jumped) = (time.passed, time.jumped);
    let outcome = match fastrand::u8(..4) {
        0 => {
            let by = Duration::from_millis(LEASE.unsigned_abs());
            seen.refused += inbox.extend(&[lease], by).await?.len();
            known.state = State::Leased { lease, until: passed + LEASE, jumped, life };
            return Ok(());
        }
        1 => {
            let after = [0, MINUTE, HOUR][fastrand::usize(..3)];
            known.state = State::Retry { due: passed + after, jumped };
            let after = Duration::from_millis(after.unsigned_abs());
            Outcome::Retry { after, error: "again".into() }
        }
        _ => {
            known.state = State::Done { at: passed };
            Outcome::Done
        }
    };
    seen.refused += usize::from(inbox.settle(lease, outcome).await? == Settled::Stale);
    Ok(())
}

/// The control: a store that takes what it accepted in the future for expired. How often it
/// accepts something too early.
pub fn naive(steps: usize) -> Result<usize, BoxError> {
    let mut time = Time::new();
    let clock = time.clock.clone();
    let verifier = verifier(&clock)?;
    let mut known: HashMap<String, (Known, SystemTime)> = HashMap::new();
    let mut early = 0;
    for _ in 0..steps {
        match fastrand::u8(..20) {
            0..15 if !time.is_before_1970() => {
                let id = format!("crash-{:012}", fastrand::usize(..IDS));
                let delivery = delivery(&verifier, &id, clock.now())?;
                let ttl = delivery.ttl(true);
                if let Some((known, accepted)) = known.get(&id) {
                    if clock.now().duration_since(*accepted).is_ok_and(|age| age < ttl) {
                        continue;
                    }
                    early += usize::from(known.is_inside(&time));
                }
                let mut new = Known::new(delivery, &time);
                new.state = State::Done { at: time.passed };
                known.insert(id, (new, clock.now()));
            }
            15..17 => time.pass(),
            17 | 18 => {
                time.jump();
                known.values_mut().for_each(|(known, _)| known.jumps(&time));
            }
            _ => {}
        }
    }
    Ok(early)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
