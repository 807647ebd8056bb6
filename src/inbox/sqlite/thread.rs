//! The one thread that writes. An answer means that the transaction's log is on disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Notify;

use super::error::inbox_error;
use super::file::File;
use super::queue::Queue;
use super::rows::Rows;
use super::step::{Accepts, Ended, QUEUE_WAIT, Step, behind, caught};
use crate::inbox::InboxError;

/// How often what has expired is looked for after some was found, and after nothing was.
const SWEEP_SOME: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(60);
/// How long nobody must have wanted anything, while there is more to drop, before a transaction drops it
/// that does nothing else.
const REST: Duration = Duration::from_millis(10);
/// How much any other transaction drops meanwhile, for each delivery that it settles and at least. Each is
/// dropped twice at most, its bytes and then its key, so this keeps up with what comes, and accepts hardly
/// wait for it.
const SWEPT_PER_SETTLED: u32 = 3;
const SWEPT_AT_LEAST: u32 = 16;
/// The longest sweep, and how many deliveries are dropped between two looks at the clock.
const SWEEP_TIME: Duration = Duration::from_millis(5);
const SWEPT_AT_ONCE: u32 = 16;
/// How often the thread looks whether another process has written to the file: with the lease that
/// follows, a worker begins within 250 ms.
const LOOK: Duration = Duration::from_millis(200);
/// After how many KiB of deliveries the log is checkpointed. It is some five times as long by then: whole
/// pages go to it, those of the indexes as well.
const CHECKPOINT_KIB: u32 = 2 << 10;

pub(super) struct Thread {
    file: File,
    rows: Rows,
    shared: Arc<Shared>,
    /// About how much the log grew since the last checkpoint.
    written_kib: u32,
    next_sweep: Instant,
    /// Whether the last sweep left some.
    more_to_sweep: bool,
    next_look: Instant,
}

impl Thread {
    pub(super) fn new(file: File, rows: Rows, shared: Arc<Shared>) -> Self {
        Self {
            file,
            rows,
            shared,
            written_kib: 0,
            next_sweep: Instant::now(),
            more_to_sweep: false,
            next_look: Instant::now(),
        }
    }

    pub(super) fn run(&mut self, mut queue: Queue) {
        loop {
            let wake = self.next_sweep.min(self.next_look);
            let wait = wake.saturating_duration_since(Instant::now());
            let Some(batch) = queue.take(wait) else { return self.file.close() };
            if !batch.is_empty() || self.next_sweep <= Instant::now() {
                self.turn(batch);
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
        self.file.give_up();
        if self.file.is_harmed() {
            self.next_sweep = self.next_sweep.min(soon(SWEEP_SOME));
        }
        if self.file.changed_by_others() {
            self.shared.wake();
        }
    }

    /// One transaction and its answers.
    fn turn(&mut self, batch: Vec<Step>) {
        let mut ended = Vec::with_capacity(batch.len());
        let mut wrote = false;
        let kib = batch.iter().map(Step::kib).fold(0, u32::saturating_add);
        let mut steps = batch.into_iter();
        let result = match self.file.connect() {
            Ok(connection) => {
                let before = connection.total_changes();
                let result = self.commit(&connection, &mut steps, &mut ended);
                let changes = connection.total_changes().saturating_sub(before);
                wrote = changes > 0;
                self.note_written(kib, changes);
                self.file.keep(connection, &result);
                result
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            ended.extend(steps.map(|step| step.refuse(error.clone())));
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

    /// A step takes its bytes, or some of a page for each row that it changes: it may be a thousand.
    fn note_written(&mut self, kib: u32, changes: u64) {
        let changes = u32::try_from(changes).unwrap_or(u32::MAX);
        self.written_kib = self.written_kib.saturating_add(kib.max(changes));
    }

    /// Only an accept that was written shows that deliveries can be accepted; one that failed shows
    /// that they may not be.
    fn note_health(&self, result: &Result<(), InboxError>, ended: &[Ended], wrote: bool) {
        let accepts = |failed| {
            ended.iter().any(|step| step.accepts == Accepts::Yes && step.failed.is_some() == failed)
        };
        let accepted = result.is_ok() && accepts(false);
        if accepted {
            self.shared.committed_accepts();
        }
        if result.is_err() || accepts(true) {
            self.shared.set_last_accept(None);
        } else if accepted && wrote {
            self.shared.set_last_accept(Some(Instant::now()));
        }
    }

    fn commit(
        &mut self,
        connection: &Connection,
        steps: &mut std::vec::IntoIter<Step>,
        ended: &mut Vec<Ended>,
    ) -> Result<(), InboxError> {
        // A process that only works off the file need not wait for others that read it.
        let accepts = steps.as_slice().iter().any(|step| step.accepts == Accepts::Yes);
        // What has waited for its turn has had it, however long the others are waited for.
        let start = Instant::now();
        let blocked = if accepts { self.file.sync(connection) } else { None };
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
            .map_err(inbox_error)?;
        self.rows.room.look(connection).map_err(inbox_error)?;
        for step in steps.by_ref() {
            let ran = match &blocked {
                Some(error) if step.accepts == Accepts::Yes => step.refuse(error.clone()),
                _ => self.step(connection, step, start),
            };
            let failed = ran.failed.clone();
            ended.push(ran);
            // Some errors make SQLite undo the whole transaction by itself.
            if connection.is_autocommit() {
                return Err(failed.unwrap_or_else(undone));
            }
        }
        self.sweep(connection, ended.is_empty());
        // As with a step; and nothing may be written behind the end of the transaction.
        if connection.is_autocommit() {
            return Err(undone());
        }
        self.rows.write_counts(connection).map_err(inbox_error)?;
        self.file.commit(transaction)
    }

    /// One step, in a savepoint: a bad row fails alone.
    fn step(&mut self, connection: &Connection, step: Step, start: Instant) -> Ended {
        if start.saturating_duration_since(step.since) > QUEUE_WAIT {
            return step.refuse(behind());
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

    /// Drops a share of what has expired, if it is time to. What fails here is tried again later, and
    /// holds up nobody, unless it makes SQLite undo the whole transaction.
    fn sweep(&mut self, connection: &Connection, at_rest: bool) {
        if self.rows.room.is_short() {
            self.next_sweep = self.next_sweep.min(soon(SWEEP_SOME));
        }
        let due = self.next_sweep <= Instant::now() || (self.more_to_sweep && !at_rest);
        if !due || execute(connection, "SAVEPOINT step").is_err() {
            return;
        }
        let share = self.rows.settled().saturating_mul(SWEPT_PER_SETTLED).max(SWEPT_AT_LEAST);
        let counts = self.rows.counts();
        let most = if at_rest { u32::MAX } else { share };
        let pause = caught(|| self.drop_expired(connection, most));
        if let Err(error) = &pause {
            self.undo(connection, counts);
            self.more_to_sweep = false;
            tracing::warn!(%error, "what has expired could not be dropped; trying again later");
        }
        let _ = execute(connection, "RELEASE step");
        self.next_sweep = soon(pause.unwrap_or(SWEEP));
    }

    /// Drops so many at most. Returns how long to wait until there may be more.
    fn drop_expired(&mut self, connection: &Connection, most: u32) -> rusqlite::Result<Duration> {
        let (start, mut dropped) = (Instant::now(), 0u32);
        self.more_to_sweep = true;
        while dropped < most && start.elapsed() < SWEEP_TIME {
            let swept = self.rows.sweep(connection, SWEPT_AT_ONCE)?;
            dropped = dropped.saturating_add(swept);
            if swept < SWEPT_AT_ONCE {
                self.more_to_sweep = false;
                return Ok(if dropped == 0 { SWEEP } else { SWEEP_SOME });
            }
        }
        Ok(REST)
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

/// What the thread tells the outside.
#[derive(Debug, Default)]
pub(super) struct Shared {
    commits: AtomicU64,
    last_accept: Mutex<Option<Instant>>,
    /// Something may be due.
    ready: Notify,
}

impl Shared {
    /// Wakes all who wait, since some may not take what is due, or else the next one who will.
    pub(super) fn wake(&self) {
        self.ready.notify_waiters();
        self.ready.notify_one();
    }

    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) fn committed_accepts(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_last_accept(&self, last: Option<Instant>) {
        *self.last_accept.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    pub(super) fn last_accept(&self) -> Option<Instant> {
        *self.last_accept.lock().unwrap_or_else(PoisonError::into_inner)
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
