//! The one thread that writes. An answer means that the transaction's log is on disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::file::File;
use super::rows::Rows;
use super::writer::{Accepts, Ended, QUEUE_WAIT, Shared, Step, inbox_error};
use crate::inbox::InboxError;

/// The longest transaction: in steps, in KiB, and in the time that its steps take.
const BATCH_STEPS: usize = 512;
const BATCH_KIB: u32 = 8 << 10;
const BATCH_TIME: Duration = Duration::from_millis(20);
/// How long an accept may wait for its turn once there has been a queue for [`QUEUE_WAIT`]. A short
/// burst waits it out; under lasting overload, waiting longer would only make every answer late.
const OVERLOAD_WAIT: Duration = Duration::from_millis(50);
/// How often what has expired is looked for after some was found, and after nothing was. While there
/// is more of it, every transaction does its share.
const SWEEP_SOME: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(60);
/// How long a sweep may take where nobody waits. Otherwise it is this part of what the transaction took
/// so far: dropping a delivery costs a third of all that was done with it before, so this keeps up with
/// any load, and no step waits much longer.
const SWEEP_AT_REST: Duration = Duration::from_millis(5);
const SWEEP_PART: u32 = 3;
/// How many deliveries are dropped between two looks at the clock.
const SWEPT_AT_ONCE: u32 = 16;
/// How often the thread looks whether another process has written to the file.
const LOOK: Duration = Duration::from_millis(250);
/// After how many KiB of deliveries the log is checkpointed. It is some five times as long by then: whole
/// pages go to it, those of the indexes as well.
const CHECKPOINT_KIB: u32 = 2 << 10;

pub(super) struct Thread {
    file: File,
    rows: Rows,
    shared: Arc<Shared>,
    /// When last nobody waited.
    last_idle: Instant,
    /// About how much the log grew since the last checkpoint.
    written_kib: u32,
    next_sweep: Instant,
    next_look: Instant,
}

impl Thread {
    pub(super) fn new(file: File, rows: Rows, shared: Arc<Shared>) -> Self {
        Self {
            file,
            rows,
            shared,
            last_idle: Instant::now(),
            written_kib: 0,
            next_sweep: Instant::now(),
            next_look: Instant::now(),
        }
    }

    pub(super) fn run(&mut self, steps: &Receiver<Step>) {
        let mut left = None;
        loop {
            let first = match left.take().or_else(|| steps.try_recv().ok()) {
                Some(first) => Some(first),
                None => {
                    let wake = self.next_sweep.min(self.next_look);
                    let first = steps.recv_timeout(wake.saturating_duration_since(Instant::now()));
                    self.last_idle = Instant::now();
                    match first {
                        Ok(first) => Some(first),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            if first.is_some() || self.next_sweep <= Instant::now() {
                // Whatever queued up during the last commit goes into this one: there is no timer.
                let mut batch = Batch::new(first, steps);
                self.turn(&mut batch);
                left = batch.first;
                self.checkpoint_when_long();
            }
            self.look_at_others();
        }
    }

    /// Wakes a worker here if another process has written to the file: it may be work.
    fn look_at_others(&mut self) {
        if Instant::now() < self.next_look {
            return;
        }
        self.next_look = soon(LOOK);
        if self.file.changed_by_others() {
            self.shared.wake();
        }
    }

    /// One transaction and its answers.
    fn turn(&mut self, batch: &mut Batch<'_>) {
        let mut ended = Vec::new();
        let mut wrote = false;
        let result = match self.file.connect() {
            Ok(connection) => {
                let before = connection.total_changes();
                let result = self.commit(&connection, batch, &mut ended);
                wrote = connection.total_changes() != before;
                self.file.keep(connection, &result);
                result
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            ended.extend(batch.waiting().map(|step| step.refuse(error.clone())));
            self.rows.reset_counts(Default::default());
            // A sweep that is due waits as well.
            self.next_sweep = self.next_sweep.max(soon(SWEEP_SOME));
            let path = self.file.path().display();
            tracing::error!(%error, %path, "the inbox could not commit");
        }
        // Here and not where the answer is awaited: a caller may be gone by then.
        if self.rows.take_wakes() {
            self.shared.wake();
        }
        self.note_health(&result, &ended, wrote);
        for step in ended {
            step.reply(result.clone());
        }
    }

    /// Only an accept that was written shows that deliveries can be accepted; one that failed shows
    /// that they may not be.
    fn note_health(&self, result: &Result<(), InboxError>, ended: &[Ended], wrote: bool) {
        let accepts = |failed| {
            ended.iter().any(|step| step.accepts == Accepts::Yes && step.failed.is_some() == failed)
        };
        if result.is_err() || accepts(true) {
            self.shared.set_last_accept(None);
        } else if accepts(false) {
            self.shared.committed_accepts();
            if wrote {
                self.shared.set_last_accept(Some(Instant::now()));
            }
        }
    }

    fn commit(
        &mut self,
        connection: &Connection,
        batch: &mut Batch<'_>,
        ended: &mut Vec<Ended>,
    ) -> Result<(), InboxError> {
        // A process that only works off the file need not wait for others that read it.
        batch.accepts = self.file.is_synced() || batch.begins_with_accept();
        let blocked = if batch.accepts { self.file.sync(connection) } else { None };
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
            .map_err(inbox_error)?;
        self.rows.room.look(connection).map_err(inbox_error)?;
        batch.start = Instant::now();
        for step in batch.by_ref() {
            let ran = match &blocked {
                Some(error) if step.accepts == Accepts::Yes => step.refuse(error.clone()),
                _ => self.step(connection, step),
            };
            let failed = ran.failed.clone();
            ended.push(ran);
            // Some errors make SQLite undo the whole transaction by itself.
            if connection.is_autocommit() {
                return Err(failed.unwrap_or_else(undone));
            }
        }
        self.written_kib = self.written_kib.saturating_add(batch.kib);
        let time = match ended.is_empty() {
            true => SWEEP_AT_REST,
            false => batch.start.elapsed().checked_div(SWEEP_PART).unwrap_or_default(),
        };
        self.sweep(connection, time);
        self.rows.write_counts(connection).map_err(inbox_error)?;
        transaction.commit().map_err(inbox_error)
    }

    /// One step, in a savepoint: a bad row fails alone.
    fn step(&mut self, connection: &Connection, step: Step) -> Ended {
        let overload = step.accepts == Accepts::Yes && self.last_idle.elapsed() > QUEUE_WAIT;
        if step.since.elapsed() > if overload { OVERLOAD_WAIT } else { QUEUE_WAIT } {
            return step.refuse(InboxError::Busy("the writer is behind".into()));
        }
        if let Err(error) = execute(connection, "SAVEPOINT step") {
            return step.refuse(inbox_error(error));
        }
        let counts = self.rows.counts();
        let ended = step.run(&mut self.rows, connection);
        if ended.failed.is_some() {
            self.undo(connection, counts);
        }
        // This fails only if the transaction is gone, which the caller checks.
        let _ = execute(connection, "RELEASE step");
        ended
    }

    /// Drops what has expired, if it is time to, for so long. What fails here is tried again later, and
    /// holds up nobody.
    fn sweep(&mut self, connection: &Connection, time: Duration) {
        if self.rows.room.is_short() {
            self.next_sweep = self.next_sweep.min(soon(SWEEP_SOME));
        }
        let start = Instant::now();
        if start < self.next_sweep || execute(connection, "SAVEPOINT step").is_err() {
            return;
        }
        let counts = self.rows.counts();
        let pause = self.drop_expired(connection, start.checked_add(time).unwrap_or(start));
        if let Err(error) = &pause {
            self.undo(connection, counts);
            tracing::warn!(%error, "what has expired could not be dropped; trying again later");
        }
        let _ = execute(connection, "RELEASE step");
        self.next_sweep = soon(pause.unwrap_or(SWEEP));
    }

    /// Returns how long to wait until there may be more.
    fn drop_expired(
        &mut self,
        connection: &Connection,
        end: Instant,
    ) -> rusqlite::Result<Duration> {
        let mut pause = SWEEP;
        loop {
            let swept = self.rows.sweep(connection, SWEPT_AT_ONCE)?;
            if swept == 0 {
                return Ok(pause);
            }
            // A page or so for each, in the log as well.
            self.written_kib = self.written_kib.saturating_add(swept);
            if Instant::now() >= end {
                return Ok(Duration::ZERO);
            }
            pause = SWEEP_SOME;
        }
    }

    fn undo(&mut self, connection: &Connection, counts: [i64; 6]) {
        self.rows.reset_counts(counts);
        let _ = execute(connection, "ROLLBACK TO step");
    }

    /// Copies the log into the file, nearly all of it on another thread.
    fn checkpoint_when_long(&mut self) {
        self.file.finish_checkpoint();
        if self.written_kib >= CHECKPOINT_KIB {
            self.written_kib = 0;
            self.file.checkpoint();
        }
    }
}

/// What goes into one transaction.
struct Batch<'q> {
    /// Afterwards, what has to wait for the next one.
    first: Option<Step>,
    rest: &'q Receiver<Step>,
    /// Whether it may have accepts: not before the file is synced, for which it is too late by then.
    accepts: bool,
    steps: usize,
    kib: u32,
    start: Instant,
}

impl<'q> Batch<'q> {
    fn new(first: Option<Step>, rest: &'q Receiver<Step>) -> Self {
        Self { first, rest, accepts: true, steps: 0, kib: 0, start: Instant::now() }
    }

    fn begins_with_accept(&self) -> bool {
        self.first.as_ref().is_some_and(|first| first.accepts == Accepts::Yes)
    }

    /// Whoever waits now.
    fn waiting(&mut self) -> impl Iterator<Item = Step> {
        self.first.take().into_iter().chain(self.rest.try_iter().take(BATCH_STEPS))
    }
}

impl Iterator for Batch<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let full = self.steps >= BATCH_STEPS || self.kib >= BATCH_KIB;
        if full || self.start.elapsed() >= BATCH_TIME {
            return None;
        }
        let step = self.first.take().or_else(|| self.rest.try_recv().ok())?;
        if step.accepts == Accepts::Yes && !self.accepts {
            self.first = Some(step);
            return None;
        }
        self.steps = self.steps.saturating_add(1);
        self.kib = self.kib.saturating_add(step.kib).saturating_add(1);
        Some(step)
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute([])
}

fn undone() -> InboxError {
    InboxError::unavailable("SQLite undid the transaction")
}

fn soon(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now)
}
