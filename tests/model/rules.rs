//! The rules of an inbox and its ledger, written from their documentation: a model that is pure, so
//! slow and plain that it can be checked by reading it.
//!
//! Where the documentation leaves a choice (when exactly a sweep comes by, what a clock that jumps
//! does to what it passed), the model is told what the inbox did, and says whether it may.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;

use inhook::inbox::{Put, Settled, State};

use super::op::{Edge, End, MINUTE, Name, PROCESSES, SECOND, Setup};

/// A moment by both clocks, in milliseconds since 1970 and since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: i64,
    pub(crate) steady: i64,
}

impl Moment {
    fn plus(self, time: i64) -> Self {
        Self { wall: self.wall + time, steady: self.steady + time }
    }
}

/// How the rules of one kind of inbox differ from those of another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) setup: Setup,
    /// Whether due times outlive the process, and are by the wall clock therefore.
    pub(crate) by_wall_clock: bool,
    /// Whether settled deliveries stay in the ledger, with their bytes for `setup.retain`.
    pub(crate) lists_settled: bool,
    /// Whether keys expire at whole seconds after 1970: a little later than they might.
    pub(crate) whole_seconds: bool,
    /// Of each source, from its accept on.
    pub(crate) windows: [i64; 2],
    /// For how long a request of each source is fresh: a key is not forgotten before.
    pub(crate) freshness: [i64; 2],
}

/// A lease that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) name: Name,
    hand: u64,
}

/// What is known of a delivery.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) body: usize,
    pub(crate) position: u64,
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) total_attempts: u32,
    pub(crate) revivals: u32,
    pub(crate) last_error: Option<String>,
    pub(crate) received_at: i64,
    /// When it was accepted or last revived.
    started_at: i64,
    /// Its number in the order of all changes of hands.
    hand: u64,
    /// Whether it is run, or was given back, as one whose lease lapsed.
    suspect: bool,
    /// Pending: when it is due. Leased: when the lease lapses.
    due: Moment,
    /// Until when each process holds the lease by its own clock, if it granted or renewed it.
    held: [Option<i64>; PROCESSES],
    pub(crate) bytes: Bytes,
    /// Once it is settled.
    pub(crate) expires_at: Option<i64>,
    /// The latest that the wall clock showed since it was settled: what was due by then may have
    /// been dropped, though the clock was set back.
    seen: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    Kept,
    /// Until then, and perhaps longer.
    Until(i64),
    Gone,
}

/// A job of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) lease: Lease,
    pub(crate) attempt: u32,
}

/// What [`Model::lease`] gives.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) jobs: Vec<Grant>,
    pub(crate) suspect_due: bool,
    pub(crate) next_due: Option<i64>,
    pub(crate) buried: Vec<Name>,
}

/// Whether a lease that was to be extended is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    Yes,
    No,
    /// It was taken over, and settled since.
    Perhaps,
}

/// What the ledger finds of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With its bytes.
    Whole,
    /// It can't be touched: a worker has it.
    Leased,
    /// Only its key.
    BytesGone,
    NotFound,
}

/// The last error of a delivery whose worker vanished in its last attempt.
const VANISHED: &str = "its worker vanished in the last attempt: the lease ended unsettled";

#[derive(Debug)]
pub(crate) struct Model {
    rules: Rules,
    pub(crate) rows: BTreeMap<Name, Row>,
    positions: u64,
    hands: u64,
    /// Whether it is the turn of a retry, where a process keeps that.
    retry_next: [bool; PROCESSES],
    /// How many duplicates had another body, at least and at most.
    pub(crate) changed: (u64, u64),
}

impl Model {
    pub(crate) fn new(rules: Rules) -> Self {
        let retry_next = [false; PROCESSES];
        Self { rules, rows: BTreeMap::new(), positions: 0, hands: 0, retry_next, changed: (0, 0) }
    }

    /// The wall clock was moved, or time passed.
    pub(crate) fn passed(&mut self, now: Moment) {
        for row in self.rows.values_mut() {
            row.seen = row.seen.max(now.wall);
        }
    }

    /// A process died and came back.
    pub(crate) fn restarted(&mut self, process: usize) {
        self.retry_next[process] = false;
        for row in self.rows.values_mut() {
            row.held[process] = None;
        }
    }

    /// A sweep came by: what was due is dropped.
    pub(crate) fn swept(&mut self, now: Moment) {
        self.rows.retain(|_, row| {
            if let Bytes::Until(until) = row.bytes
                && until <= now.wall
            {
                row.bytes = Bytes::Gone;
            }
            row.may_have_bytes() || row.may_be_known(now, &self.rules)
        });
    }

    pub(crate) fn put(&mut self, now: Moment, name: Name, body: usize, answer: Put) -> Put {
        let hand = self.next_hand();
        let Some(row) = self.rows.get_mut(&name).filter(|row| {
            let known = row.may_be_known(now, &self.rules);
            known && !(row.may_be_forgotten() && answer == Put::New)
        }) else {
            self.accept(now, name, body, hand);
            return Put::New;
        };
        if row.body != body {
            self.changed.0 += u64::from(row.must_have_bytes());
            self.changed.1 += u64::from(row.may_have_bytes());
        }
        let rested = now.wall - row.started_at >= MINUTE;
        if row.state != State::Dead || !rested || !self.rules.setup.revives {
            return Put::Duplicate;
        }
        row.revivals += 1;
        row.started_at = now.wall;
        row.restart(now, hand);
        Put::Revived
    }

    fn accept(&mut self, now: Moment, name: Name, body: usize, hand: u64) {
        self.positions += 1;
        let row = Row {
            body,
            position: self.positions,
            state: State::Pending,
            attempts: 0,
            total_attempts: 0,
            revivals: 0,
            last_error: None,
            received_at: now.wall,
            started_at: now.wall,
            hand,
            suspect: false,
            due: now,
            held: [None; PROCESSES],
            bytes: Bytes::Kept,
            expires_at: None,
            seen: now.wall,
        };
        self.rows.insert(name, row);
    }

    pub(crate) fn lease(
        &mut self,
        now: Moment,
        by: usize,
        max: usize,
        length: i64,
        suspects: bool,
    ) -> Batch {
        let buried = self.bury(now, by);
        let mut jobs = Vec::new();
        let turn = if self.rules.by_wall_clock { by } else { 0 };
        let chosen = match suspects {
            true => self.queue(now, by, true).into_iter().take(max).collect(),
            false => self.in_turn(self.queue(now, by, false), max, self.retry_next[turn]),
        };
        for name in chosen {
            let hand = self.next_hand();
            let Some(row) = self.rows.get_mut(&name) else { continue };
            row.state = State::Leased;
            row.suspect = suspects;
            row.hand = hand;
            row.attempts += 1;
            row.total_attempts += 1;
            row.held = [None; PROCESSES];
            row.hold(now, by, length);
            self.retry_next[turn] = row.total_attempts == 1;
            jobs.push(Grant { lease: Lease { name, hand }, attempt: row.attempts });
        }
        let suspect_due = !self.queue(now, by, true).is_empty();
        let next_due = self.rows.values().filter_map(|row| self.waits(row, now, by)).min();
        Batch { jobs, suspect_due, next_due, buried }
    }

    /// What was never tried and what was, in turn.
    fn in_turn(&self, due: Vec<Name>, max: usize, mut retry_next: bool) -> Vec<Name> {
        let is_retry = |name: &Name| self.rows[name].total_attempts > 0;
        let (retries, first): (VecDeque<_>, VecDeque<_>) = due.into_iter().partition(is_retry);
        let mut lanes = [first, retries];
        let mut taken = Vec::new();
        while taken.len() < max {
            let preferred = usize::from(retry_next);
            let next = lanes[preferred].pop_front();
            let Some(next) = next.or_else(|| lanes[1 - preferred].pop_front()) else { break };
            taken.push(next);
            retry_next = !retry_next;
        }
        taken
    }

    /// What is due: oldest first, and of the suspects those whose lease lapsed before those that were given back.
    fn queue(&self, now: Moment, by: usize, suspects: bool) -> Vec<Name> {
        let due = |row: &Row| match row.state {
            State::Pending => row.suspect == suspects && self.waits(row, now, by).is_none(),
            State::Leased => suspects && self.waits(row, now, by).is_none(),
            _ => false,
        };
        let mut due: Vec<_> = self.rows.iter().filter(|(_, row)| due(row)).collect();
        due.sort_by_key(|(_, row)| {
            (row.state == State::Pending, self.clock(row.due), row.position)
        });
        due.into_iter().map(|(name, _)| *name).collect()
    }

    /// Leases that lapsed in the last attempt leave dead letters.
    fn bury(&mut self, now: Moment, by: usize) -> Vec<Name> {
        let mut buried = self.queue(now, by, true);
        buried.retain(|name| {
            let row = &self.rows[name];
            row.state == State::Leased && row.attempts >= self.rules.setup.max_attempts
        });
        for name in &buried {
            let Some(row) = self.rows.get_mut(name) else { continue };
            row.state = State::Dead;
            row.last_error = Some(VANISHED.into());
        }
        buried
    }

    /// One that was settled meanwhile is neither renewed nor lost.
    pub(crate) fn extend(&mut self, now: Moment, by: usize, lease: Lease, length: i64) -> Lost {
        let Some(row) = self.rows.get_mut(&lease.name) else { return Lost::Perhaps };
        match (row.hand == lease.hand, row.state) {
            (true, State::Leased) => {
                row.hold(now, by, length);
                Lost::No
            }
            (true, _) => Lost::No,
            (false, State::Done | State::Skipped) => Lost::Perhaps,
            (false, _) => Lost::Yes,
        }
    }

    pub(crate) fn settle(&mut self, now: Moment, lease: Lease, end: End, error: &str) -> Settled {
        let rules = self.rules;
        let held = |row: &&mut Row| row.state == State::Leased && row.hand == lease.hand;
        let Some(row) = self.rows.get_mut(&lease.name).filter(held) else {
            return Settled::Stale;
        };
        match end {
            End::Done => row.finish(State::Done, now, lease.name, &rules),
            End::Skipped => row.finish(State::Skipped, now, lease.name, &rules),
            End::Retry { after } => {
                row.state = State::Pending;
                row.due = now.plus(after);
                row.last_error = Some(error.into());
            }
            End::Dead => {
                row.state = State::Dead;
                row.last_error = Some(error.into());
            }
            End::Released => {
                row.state = State::Pending;
                row.due = now;
                row.attempts -= 1;
                row.total_attempts -= 1;
            }
        }
        // An attempt that was not run to its end proves nothing.
        row.suspect &= matches!(end, End::Released);
        Settled::Recorded
    }

    pub(crate) fn replay(&mut self, now: Moment, by: usize, name: Name, answer: Answer) -> Answer {
        let hand = self.next_hand();
        let found = self.find_idle(now, by, name).choose(answer);
        self.adopt(name, found);
        if let (Answer::Whole, Some(row)) = (found, self.rows.get_mut(&name)) {
            row.restart(now, hand);
        }
        found
    }

    /// Of one whose bytes are gone already there is nothing to give up, and that is no error.
    pub(crate) fn discard(&mut self, now: Moment, by: usize, name: Name, answer: Answer) -> Answer {
        let (hand, rules) = (self.next_hand(), self.rules);
        let mut allowed = self.find_idle(now, by, name);
        for found in &mut allowed.0 {
            if *found == Answer::BytesGone {
                *found = Answer::Whole;
            }
        }
        let found = allowed.choose(answer);
        self.adopt(name, found);
        if let (Answer::Whole, Some(row)) = (found, self.rows.get_mut(&name)) {
            row.hand = hand;
            if row.expires_at.is_none() {
                row.finish(State::Skipped, now, name, &rules);
            }
            row.bytes = Bytes::Gone;
        }
        found
    }

    pub(crate) fn get(&mut self, now: Moment, name: Name, answer: Answer) -> Answer {
        let settled = self.rows.get(&name).is_some_and(|row| row.expires_at.is_some());
        if settled && !self.rules.lists_settled {
            return Answer::NotFound;
        }
        let found = self.find(now, name).choose(answer);
        self.adopt(name, found);
        found
    }

    /// What may be found of a delivery that no worker has, or that one has.
    fn find_idle(&self, now: Moment, by: usize, name: Name) -> Allowed {
        match self.rows.get(&name) {
            Some(row) if row.state == State::Leased && self.waits(row, now, by).is_some() => {
                Allowed(vec![Answer::Leased])
            }
            _ => self.find(now, name),
        }
    }

    fn find(&self, now: Moment, name: Name) -> Allowed {
        let Some(row) = self.rows.get(&name) else { return Allowed(vec![Answer::NotFound]) };
        let bare = !row.must_have_bytes();
        let may_be = [
            (Answer::Whole, row.may_have_bytes()),
            (Answer::BytesGone, bare && row.may_be_known(now, &self.rules)),
            (Answer::NotFound, bare && row.may_be_forgotten()),
        ];
        Allowed(may_be.into_iter().filter_map(|(found, may)| may.then_some(found)).collect())
    }

    /// What was found out is so.
    fn adopt(&mut self, name: Name, found: Answer) {
        if let (Answer::BytesGone | Answer::NotFound, Some(row)) = (found, self.rows.get_mut(&name))
        {
            row.bytes = Bytes::Gone;
        }
    }

    pub(crate) fn forget(&mut self, name: Name) {
        self.rows.remove(&name);
    }

    /// Whether a delivery must be in the list, and whether it may be.
    pub(crate) fn is_listed(&self, row: &Row) -> (bool, bool) {
        let unsettled = row.expires_at.is_none();
        let kept = row.must_have_bytes() || !row.may_be_forgotten();
        (unsettled || self.rules.lists_settled && kept, unsettled || self.rules.lists_settled)
    }

    /// The nth delivery to which it will happen, and how long until then.
    pub(crate) fn nth(&self, now: Moment, edge: Edge, nth: usize) -> Option<(Name, i64)> {
        let waits = |row: &Row| self.edge(row, now, edge).filter(|wait| *wait > 0);
        let waits: Vec<_> =
            self.rows.iter().filter_map(|(name, row)| Some((*name, waits(row)?))).collect();
        waits.get(nth.checked_rem(waits.len())?).copied()
    }

    fn edge(&self, row: &Row, now: Moment, edge: Edge) -> Option<i64> {
        match edge {
            Edge::Due => self.waits(row, now, 0),
            Edge::Revival => {
                (row.state == State::Dead).then_some(row.started_at + MINUTE - now.wall)
            }
            Edge::Retention => match row.bytes {
                Bytes::Until(until) => Some(until - now.wall),
                Bytes::Kept | Bytes::Gone => None,
            },
            Edge::Expiry => row.expires_at.map(|at| at - now.wall),
        }
    }

    /// How long until it is due, or until a process takes its lease for lapsed; `None` if that is
    /// so, or if it waits for nothing. A process does not take a lease for lapsed that it granted
    /// or renewed itself, before its own clock says so.
    fn waits(&self, row: &Row, now: Moment, by: usize) -> Option<i64> {
        let stored = self.clock(row.due) - self.clock(now);
        let held = row.held[by].map(|until| until - now.steady);
        match row.state {
            // Only what was tried waits for a time.
            State::Pending if row.suspect || row.total_attempts == 0 => None,
            State::Pending => Some(stored),
            State::Leased if stored > 0 => Some(stored),
            State::Leased => held,
            _ => None,
        }
        .filter(|wait| *wait > 0)
    }

    /// The clock that due times are judged by.
    fn clock(&self, moment: Moment) -> i64 {
        if self.rules.by_wall_clock { moment.wall } else { moment.steady }
    }

    fn next_hand(&mut self) -> u64 {
        self.hands += 1;
        self.hands
    }
}

impl Row {
    /// Pending, due now, with new attempts, in another hand.
    fn restart(&mut self, now: Moment, hand: u64) {
        self.state = State::Pending;
        self.hand = hand;
        self.suspect = false;
        self.attempts = 0;
        self.due = now;
        self.bytes = Bytes::Kept;
        self.expires_at = None;
    }

    fn hold(&mut self, now: Moment, by: usize, length: i64) {
        self.due = now.plus(length);
        self.held[by] = Some(now.steady + length);
    }

    fn finish(&mut self, to: State, now: Moment, name: Name, rules: &Rules) {
        let Name(source, _) = name;
        let window = self.started_at + rules.windows[source];
        self.state = to;
        self.expires_at = Some(window.max(now.wall + rules.freshness[source]));
        self.seen = now.wall;
        self.bytes = match rules.setup.retain {
            retain if rules.lists_settled && retain > 0 => Bytes::Until(now.wall + retain),
            _ => Bytes::Gone,
        };
    }

    fn may_be_known(&self, now: Moment, rules: &Rules) -> bool {
        self.expires_at
            .is_none_or(|at| now.wall < if rules.whole_seconds { at.max(0) + SECOND } else { at })
    }

    fn may_be_forgotten(&self) -> bool {
        self.expires_at.is_some_and(|at| self.seen >= at)
    }

    fn may_have_bytes(&self) -> bool {
        self.bytes != Bytes::Gone
    }

    fn must_have_bytes(&self) -> bool {
        match self.bytes {
            Bytes::Kept => true,
            Bytes::Until(until) => self.seen < until,
            Bytes::Gone => false,
        }
    }
}

/// Answers of which each is right.
struct Allowed(Vec<Answer>);

impl Allowed {
    /// The answer if it is right, or one that would have been.
    fn choose(&self, answer: Answer) -> Answer {
        if self.0.contains(&answer) { answer } else { self.0[0] }
    }
}

/// For properties that compare.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, expected: T, found: T) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: by the rules {expected:?}, and not {found:?}"))
}
