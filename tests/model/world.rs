//! An inbox and the model side by side: each step is done to both, and every answer and the whole
//! ledger are compared.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use inhook::clock::Clock;
use inhook::delivery::Key;
use inhook::inbox::{
    Inbox, InboxError, Job, Lease, LeaseOptions, Ledger, LedgerError, OnDeadDuplicate, Outcome,
    Put, Settled,
};
use inhook::testing::FakeClock;
use inhook::{MemoryInbox, SqliteInbox};

use super::op::{Case, Edge, End, Name, Op, PROCESSES, Setup, Then, millis};
use super::partner::{self, Partners};
use super::planted::{Bug, Planted};
use super::promise::Promise;
use super::rules::{self, Answer, Grant, Lost, Model, Moment, Rules, same};

mod ledger;

pub(crate) trait Store: Inbox + Ledger {}

impl<T: Inbox + Ledger> Store for T {}

/// For how long a store may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Memory,
    /// Two processes on one file.
    Sqlite,
    /// A `MemoryInbox` with a bug.
    Planted(Bug),
}

/// The answers that are counted.
pub(crate) const ANSWERS: [&str; 19] = [
    "crash",
    "put: New",
    "put: New, once forgotten",
    "put: Revived",
    "put: Duplicate",
    "lease: job",
    "lease: suspect",
    "lease: buried",
    "extend: kept",
    "extend: lost",
    "settle: Recorded",
    "settle: Stale",
    "replay: due again",
    "replay: Leased",
    "replay: BytesGone",
    "replay: NotFound",
    "discard: given up",
    "discard: Leased",
    "discard: NotFound",
];

/// How often each of them was given.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

pub(crate) struct World {
    kind: Kind,
    setup: Setup,
    clock: Arc<FakeClock>,
    /// Since the start, in milliseconds.
    steady: i64,
    /// The true time at the start, and how far the wall clock is off.
    start: i64,
    off: i64,
    partners: Partners,
    names: BTreeMap<Key, Name>,
    keys: BTreeMap<Name, Key>,
    directory: tempfile::TempDir,
    inboxes: Vec<Arc<dyn Store>>,
    model: Model,
    promise: Promise,
    /// All that were granted, oldest first.
    leases: Vec<(Lease, rules::Lease)>,
    /// The steps so far, and what was answered.
    pub(crate) trace: Vec<String>,
    pub(crate) tally: Tally,
}

impl World {
    pub(crate) async fn new(kind: Kind, setup: Setup) -> Self {
        let clock = Arc::new(FakeClock::new());
        let partners = Partners::new(&clock);
        let keys: BTreeMap<Name, Key> =
            Name::all().map(|name| (name, partners.deliver(name, 0).unwrap().key())).collect();
        let since_1970 = clock.now().duration_since(partner::time(0)).unwrap();
        let mut world = Self {
            kind,
            setup,
            steady: 0,
            start: since_1970.as_millis().try_into().unwrap(),
            off: 0,
            partners,
            names: keys.iter().map(|(name, key)| (*key, *name)).collect(),
            keys,
            directory: tempfile::tempdir().unwrap(),
            inboxes: Vec::new(),
            model: Model::new(rules(kind, setup)),
            promise: Promise::default(),
            leases: Vec::new(),
            trace: Vec::new(),
            tally: Tally::new(),
            clock,
        };
        for _ in 0..if let Kind::Sqlite = kind { PROCESSES } else { 1 } {
            let inbox = world.open().await;
            world.inboxes.push(inbox);
        }
        world
    }

    async fn open(&self) -> Arc<dyn Store> {
        let revive = OnDeadDuplicate::Revive;
        let on_dead = if self.setup.revives { revive } else { OnDeadDuplicate::Ignore };
        let memory = |clock| MemoryInbox::new().clock(clock).on_dead_duplicate(on_dead);
        match self.kind {
            Kind::Memory => Arc::new(memory(self.clock.clone())),
            Kind::Planted(bug) => Arc::new(Planted::new(bug, self.clock.clone(), memory)),
            Kind::Sqlite => {
                let options = SqliteInbox::options().clock(self.clock.clone());
                let options = options.retain_done(millis(self.setup.retain));
                let inbox = options.on_dead_duplicate(on_dead).open(self.path()).await.unwrap();
                Arc::new(inbox)
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("inbox.db")
    }

    fn now(&self) -> Moment {
        Moment { wall: self.start + self.steady + self.off, steady: self.steady }
    }

    /// Does all steps; the first that is answered otherwise than the rules say is the error.
    pub(crate) async fn run(&mut self, case: &Case) -> Result<(), String> {
        for op in &case.ops {
            self.trace.push(format!("{op:?}"));
            let answer = self.step(op).await?;
            if let Some(line) = self.trace.last_mut() {
                line.push_str(&format!(" -> {answer}"));
            }
            self.check_ledger(self.inboxes.len() - 1).await?;
        }
        for name in Name::all() {
            self.check_one(name).await?;
        }
        Ok(())
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    async fn step(&mut self, op: &Op) -> Result<String, String> {
        let inboxes = self.inboxes.len();
        let process = |by: usize| by % inboxes;
        match *op {
            Op::Put { by, name, body } => self.put(process(by), name, body).await,
            Op::Lease { by, max, length, suspects } => {
                self.lease(process(by), max, length, suspects).await
            }
            Op::Extend { by, ref leases, length } => self.extend(process(by), leases, length).await,
            Op::Settle { by, lease, end } => self.settle(process(by), lease, end).await,
            Op::Replay { by, name } => self.replay(process(by), name).await,
            Op::Discard { by, name } => self.discard(process(by), name).await,
            Op::List { by, state, source, skip, limit } => {
                self.list(process(by), state, source, skip, limit).await
            }
            Op::Health { by } => {
                let inbox = self.inboxes[process(by)].clone();
                patiently(|| inbox.health()).await?;
                Ok("well".into())
            }
            Op::Advance(time) => {
                self.advance(time);
                Ok(String::new())
            }
            Op::Approach { edge, nth, after, then } => self.approach(edge, nth, after, then).await,
            Op::WallClock(off) => {
                self.off = off;
                self.clock.jump_to(partner::time(self.now().wall));
                self.passed();
                Ok(String::new())
            }
            Op::Crash { process: by } => self.crash(process(by)).await,
        }
    }

    fn advance(&mut self, time: i64) {
        self.steady += time;
        self.clock.advance(millis(time));
        self.passed();
    }

    async fn approach(
        &mut self,
        edge: Edge,
        nth: usize,
        after: i64,
        then: Then,
    ) -> Result<String, String> {
        let Some((name, until)) = self.model.nth(self.now(), edge, nth) else {
            return Ok("nothing".into());
        };
        self.advance(until + after);
        let last = self.inboxes.len() - 1;
        let answer = match (then, self.kind) {
            (Then::Put { body }, _) => self.put(last, name, body).await?,
            (Then::Reopen, Kind::Sqlite) => self.crash(last).await?,
            _ => String::new(),
        };
        Ok(format!("{} ms for {name:?} {answer}", until + after))
    }

    fn passed(&mut self) {
        self.model.passed(self.now());
        self.promise.passed(self.now().wall);
    }

    async fn crash(&mut self, by: usize) -> Result<String, String> {
        match self.kind {
            Kind::Sqlite => {
                self.inboxes.remove(by);
                let inbox = self.open().await;
                self.inboxes.insert(by, inbox);
                self.model.restarted(by);
                // A file that is opened is swept before anything else.
                let inbox = self.inboxes[by].clone();
                patiently(|| inbox.health()).await?;
                self.model.swept(self.now());
            }
            // All is lost, and nobody is left who holds a lease.
            Kind::Memory | Kind::Planted(_) => {
                self.inboxes = vec![self.open().await];
                self.model = Model::new(rules(self.kind, self.setup));
                self.promise = Promise::default();
                self.leases.clear();
            }
        }
        self.count("crash");
        Ok("open again".into())
    }

    async fn put(&mut self, by: usize, name: Name, body: usize) -> Result<String, String> {
        let Some(delivery) = self.partners.deliver(name, body) else {
            return Ok("not signed".into());
        };
        let (inbox, now) = (&self.inboxes[by], self.now());
        is_ready(&**inbox).await;
        let put = patiently(|| inbox.put(delivery.clone())).await?;
        if put != Put::Duplicate && !is_ready(&**inbox).await {
            return Err("nobody is woken for what is due".into());
        }
        let again = self.model.rows.contains_key(&name);
        same("put", self.model.put(now, name, body, put), put)?;
        let window = partner::windows(matches!(self.kind, Kind::Sqlite))[name.0];
        match put {
            Put::New => {
                self.promise.accept(name, now.wall, window)?;
                self.count(if again { "put: New, once forgotten" } else { "put: New" });
            }
            Put::Revived => {
                self.promise.revive(name, now.wall);
                self.count("put: Revived");
            }
            Put::Duplicate => self.count("put: Duplicate"),
        }
        self.check_one(name).await?;
        Ok(format!("{put:?}"))
    }

    async fn lease(
        &mut self,
        by: usize,
        max: usize,
        length: i64,
        suspects: bool,
    ) -> Result<String, String> {
        let mut options = LeaseOptions::new(max, millis(length), self.setup.max_attempts);
        options.suspects = suspects;
        let inbox = &self.inboxes[by];
        let batch = patiently(|| inbox.lease(options.clone())).await?;
        let expected = self.model.lease(self.now(), by, max, length, suspects);

        let named = |key: &Key| self.names.get(key).copied();
        let name = |job: &Job| named(&job.key()).map(|name| (name, job.attempt()));
        let jobs: Vec<_> = batch.jobs.iter().map(name).collect();
        let granted = |grant: &Grant| Some((grant.lease.name, grant.attempt));
        let expected_jobs: Vec<_> = expected.jobs.iter().map(granted).collect();
        same("jobs", expected_jobs, jobs)?;
        let buried: Vec<_> = batch.buried.iter().map(named).collect();
        let expected_buried: Vec<_> = expected.buried.iter().copied().map(Some).collect();
        same("buried", expected_buried, buried)?;
        same("suspect_due", expected.suspect_due, batch.suspect_due)?;
        same("next_due", expected.next_due.map(millis), batch.next_due)?;

        for (job, grant) in batch.jobs.iter().zip(&expected.jobs) {
            let name = grant.lease.name;
            self.promise.begin(name, job)?;
            self.leases.push((job.lease(), grant.lease));
            let row = &self.model.rows[&name];
            same("body", partner::body(name, row.body).as_bytes(), &job.body()[..])?;
            same("source", partner::NAMES[name.0], job.source())?;
            same("id", Some(&*partner::id(name)), job.id())?;
            same("received_at", partner::time(row.received_at), job.received_at())?;
            self.count(if suspects { "lease: suspect" } else { "lease: job" });
            self.check_one(name).await?;
        }
        for name in &expected.buried {
            self.count("lease: buried");
            self.check_one(*name).await?;
        }
        let jobs: Vec<_> = expected.jobs.iter().map(|grant| grant.lease.name).collect();
        Ok(format!("{jobs:?}, buried {:?}", expected.buried))
    }

    /// The lease that many grants ago.
    fn granted(&self, back: usize) -> Option<(Lease, rules::Lease)> {
        let newest = self.leases.len().checked_sub(1)?;
        self.leases.get(newest.checked_sub(back)?).copied()
    }

    async fn extend(&mut self, by: usize, back: &[usize], length: i64) -> Result<String, String> {
        let leases: Vec<_> = back.iter().filter_map(|back| self.granted(*back)).collect();
        let real: Vec<Lease> = leases.iter().map(|(real, _)| *real).collect();
        let inbox = &self.inboxes[by];
        let lost = patiently(|| inbox.extend(&real, millis(length))).await?;
        let mut expected = Vec::new();
        for (real, lease) in &leases {
            let verdict = self.model.extend(self.now(), by, *lease, length);
            let gone = lost.contains(real);
            let right = match verdict {
                Lost::Yes => gone,
                Lost::No => !gone,
                Lost::Perhaps => true,
            };
            if !right {
                return Err(format!("extend: {lease:?} is lost: {verdict:?}, and is not: {gone}"));
            }
            self.count(if gone { "extend: lost" } else { "extend: kept" });
            expected.extend(gone.then_some(*real));
        }
        same("lost", expected, lost.clone())?;
        Ok(format!("lost {}", lost.len()))
    }

    async fn settle(&mut self, by: usize, back: usize, end: End) -> Result<String, String> {
        let Some((real, lease)) = self.granted(back) else { return Ok("no lease".into()) };
        let error = format!("failed at {}", self.steady);
        let outcome = match end {
            End::Done => Outcome::Done,
            End::Skipped => Outcome::Skipped,
            End::Retry { after } => Outcome::Retry { after: millis(after), error: error.clone() },
            End::Dead => Outcome::Dead { error: error.clone() },
            End::Released => Outcome::Released,
        };
        let inbox = &self.inboxes[by];
        is_ready(&**inbox).await;
        let settled = patiently(|| inbox.settle(real, outcome.clone())).await?;
        let waits = matches!(end, End::Retry { .. } | End::Released);
        if settled == Settled::Recorded && waits && !is_ready(&**inbox).await {
            return Err("nobody is woken for what will be due".into());
        }
        same("settle", self.model.settle(self.now(), lease, end, &error), settled)?;
        match (settled, end) {
            (Settled::Recorded, End::Done | End::Skipped) => {
                self.promise.settle(lease.name, self.now().wall);
            }
            (Settled::Recorded, End::Released) => self.promise.give_back(lease.name),
            _ => {}
        }
        self.count(match settled {
            Settled::Recorded => "settle: Recorded",
            Settled::Stale => "settle: Stale",
        });
        self.check_one(lease.name).await?;
        Ok(format!("{settled:?} for {:?}", lease.name))
    }

    async fn replay(&mut self, by: usize, name: Name) -> Result<String, String> {
        let (inbox, key) = (&self.inboxes[by], self.keys[&name]);
        is_ready(&**inbox).await;
        let found = found(async || inbox.replay(key).await).await?;
        if found == Answer::Whole && !is_ready(&**inbox).await {
            return Err("nobody is woken for what is due again".into());
        }
        same("replay", self.model.replay(self.now(), by, name, found), found)?;
        if found == Answer::Whole {
            self.promise.replay(name);
        }
        self.count(match found {
            Answer::Whole => "replay: due again",
            Answer::Leased => "replay: Leased",
            Answer::BytesGone => "replay: BytesGone",
            Answer::NotFound => "replay: NotFound",
        });
        self.check_one(name).await?;
        Ok(format!("{found:?}"))
    }

    async fn discard(&mut self, by: usize, name: Name) -> Result<String, String> {
        let (inbox, key) = (&self.inboxes[by], self.keys[&name]);
        let found = found(async || inbox.discard(key).await).await?;
        same("discard", self.model.discard(self.now(), by, name, found), found)?;
        if found == Answer::Whole {
            self.promise.settle(name, self.now().wall);
        }
        self.count(match found {
            Answer::Leased => "discard: Leased",
            Answer::NotFound => "discard: NotFound",
            Answer::Whole | Answer::BytesGone => "discard: given up",
        });
        self.check_one(name).await?;
        Ok(format!("{found:?}"))
    }
}

fn rules(kind: Kind, setup: Setup) -> Rules {
    let durable = matches!(kind, Kind::Sqlite);
    Rules {
        setup,
        by_wall_clock: durable,
        lists_settled: durable,
        whole_seconds: !durable,
        windows: partner::windows(durable),
        freshness: partner::FRESHNESS,
    }
}

/// A store that is busy has done nothing, so it is asked again.
pub(crate) async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, InboxError>>,
{
    let start = Instant::now();
    loop {
        match ask().await {
            Err(InboxError::Busy(_)) if start.elapsed() < PATIENCE => {}
            answer => return answer.map_err(|error| format!("it failed: {error}")),
        }
    }
}

/// Whether a worker would be woken, said once.
async fn is_ready(inbox: &dyn Store) -> bool {
    let mut ready = inbox.ready();
    poll_fn(|cx| Poll::Ready(ready.as_mut().poll(cx).is_ready())).await
}

async fn found(ask: impl AsyncFn() -> Result<(), LedgerError>) -> Result<Answer, String> {
    patiently(|| async {
        match ask().await {
            Ok(()) => Ok(Answer::Whole),
            Err(LedgerError::Leased) => Ok(Answer::Leased),
            Err(LedgerError::BytesGone) => Ok(Answer::BytesGone),
            Err(LedgerError::NotFound) => Ok(Answer::NotFound),
            Err(error) => Err(inbox_error(error)),
        }
    })
    .await
}

pub(crate) fn inbox_error(error: LedgerError) -> InboxError {
    match error {
        LedgerError::Inbox(error) => error,
        error => InboxError::unavailable(error),
    }
}
