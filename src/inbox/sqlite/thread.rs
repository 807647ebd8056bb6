//! The one thread that writes. An answer means that the transaction's log is on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::checkpoint::{self, Checkpointer};
use super::rows::Rows;
use super::schema;
use super::writer::{Accepts, Ended, QUEUE_WAIT, Shared, Step, describe, inbox_error};
use crate::error::BoxError;
use crate::inbox::InboxError;

/// The longest transaction, in steps and in KiB.
const BATCH_STEPS: usize = 512;
const BATCH_KIB: u32 = 8 << 10;
/// How often what has expired is looked for: while there is more of it, and otherwise.
const SWEEP_MORE: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(60);
/// How often the thread looks whether another process has written to the file.
const LOOK: Duration = Duration::from_millis(250);
/// After about how many KiB the log is checkpointed, and how long the log may get in bytes.
const CHECKPOINT_KIB: u32 = 8 << 10;
const MAX_WAL: u64 = 64 << 20;

pub(super) struct Thread {
    path: PathBuf,
    file: FileId,
    wal: PathBuf,
    /// The log that the connection writes to, once it has.
    wal_file: Option<FileId>,
    /// `None` after an I/O error, until it can be opened again.
    connection: Option<Connection>,
    /// Whether the log may hold transactions that were never synced: a crash in the middle of a
    /// commit can leave one that readers see. Answering a duplicate of it would be a false 200.
    unsynced: bool,
    rows: Rows,
    checkpointer: Checkpointer,
    shared: Arc<Shared>,
    /// About how much the log grew since the last checkpoint.
    written_kib: u32,
    next_sweep: Instant,
    next_look: Instant,
    /// SQLite's mark of what others have committed.
    data_version: i64,
}

impl Thread {
    pub(super) fn open(path: PathBuf, rows: Rows, shared: Arc<Shared>) -> Result<Self, BoxError> {
        schema::create(&path)?;
        Ok(Self {
            connection: Some(schema::open(&path)?),
            checkpointer: Checkpointer::start(&path)?,
            file: FileId::of(&path)?,
            wal: checkpoint::wal_path(&path),
            wal_file: None,
            path,
            unsynced: true,
            rows,
            shared,
            written_kib: 0,
            next_sweep: Instant::now(),
            next_look: Instant::now(),
            data_version: 0,
        })
    }

    pub(super) fn run(&mut self, steps: &Receiver<Step>) {
        loop {
            let wake = self.next_sweep.min(self.next_look);
            let wait = wake.saturating_duration_since(Instant::now());
            let first = match steps.recv_timeout(wait) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut kib = 0u32;
            let mut batch = Vec::new();
            // Whatever queued up during the last commit goes into this one: there is no timer.
            for step in first.into_iter().chain(std::iter::from_fn(|| steps.try_recv().ok())) {
                kib = kib.saturating_add(step.kib).saturating_add(1);
                batch.push(step);
                if batch.len() >= BATCH_STEPS || kib >= BATCH_KIB {
                    break;
                }
            }
            if !batch.is_empty() || self.next_sweep <= Instant::now() {
                self.turn(batch);
                self.written_kib = self.written_kib.saturating_add(kib);
                self.checkpoint_when_long();
            }
            self.look_at_others();
        }
    }

    /// Wakes a worker here if another process has written to the file: it may be work.
    fn look_at_others(&mut self) {
        let now = Instant::now();
        if now < self.next_look {
            return;
        }
        self.next_look = now.checked_add(LOOK).unwrap_or(now);
        let Some(connection) = &self.connection else { return };
        let version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)));
        // What goes wrong here goes wrong in the next transaction, and is reported there.
        let Ok(version) = version else { return };
        if std::mem::replace(&mut self.data_version, version) != version {
            self.shared.ready.notify_one();
        }
    }

    /// One transaction and its answers.
    fn turn(&mut self, batch: Vec<Step>) {
        let mut ended = Vec::with_capacity(batch.len());
        let mut wrote = false;
        let result = match self.connect() {
            Ok(connection) => {
                let before = connection.total_changes();
                let result = self.transact(&connection, batch, &mut ended);
                wrote = connection.total_changes() != before;
                self.keep(connection, &result);
                result.map_err(inbox_error)
            }
            Err(error) => {
                ended.extend(batch.into_iter().map(|step| step.refuse(error.clone())));
                Err(error)
            }
        };
        if let Err(error) = &result {
            self.rows.reset_counts(Default::default());
            // A sweep that is due waits as well.
            let now = Instant::now();
            self.next_sweep = self.next_sweep.max(now.checked_add(SWEEP).unwrap_or(now));
            tracing::error!(%error, path = %self.path.display(), "the inbox could not commit");
        }
        // Here and not where the answer is awaited: a caller may be gone by then.
        if self.rows.take_wakes() {
            self.shared.ready.notify_one();
        }
        self.note_health(&result, &ended, wrote);
        for step in ended {
            step.reply(result.clone());
        }
    }

    /// Only an accept that was written shows that deliveries can be accepted; one that failed shows
    /// that they may not be.
    fn note_health(&self, result: &Result<(), InboxError>, ended: &[Ended], wrote: bool) {
        let accepts =
            |failed| ended.iter().any(|step| step.accepts == Accepts::Yes && step.failed == failed);
        if result.is_err() || accepts(true) {
            self.shared.set_last_accept(None);
        } else if accepts(false) {
            self.shared.committed_accepts();
            if wrote {
                self.shared.set_last_accept(Some(Instant::now()));
            }
        }
    }

    /// A connection to the file that is at the path.
    fn connect(&mut self) -> Result<Connection, InboxError> {
        let gone = |path: &Path| {
            let path = path.display();
            Err(InboxError::unavailable(format!(
                "{path} was moved or deleted while it was open; put it back, or restart"
            )))
        };
        // Whatever is written to a file that has lost its name would be gone after a restart.
        if FileId::of(&self.path).ok() != Some(self.file) {
            self.connection = None;
            return gone(&self.path);
        }
        if self.wal_file.is_some() && FileId::of(&self.wal).ok() != self.wal_file {
            self.connection = None;
            self.wal_file = None;
            return gone(&self.wal);
        }
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => {
                self.unsynced = true;
                self.wal_file = None;
                // It counts anew for each connection.
                self.data_version = 0;
                schema::open(&self.path).map_err(InboxError::unavailable)
            }
        }
    }

    /// Keeps the connection, unless the error may have left it in an unknown state.
    fn keep(&mut self, connection: Connection, result: &rusqlite::Result<()>) {
        let usable = match result {
            Ok(()) => true,
            Err(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull)
            ),
        };
        self.connection = usable.then_some(connection);
        if usable && self.wal_file.is_none() {
            self.wal_file = FileId::of(&self.wal).ok();
        }
    }

    fn transact(
        &mut self,
        connection: &Connection,
        batch: Vec<Step>,
        ended: &mut Vec<Ended>,
    ) -> rusqlite::Result<()> {
        let blocked = self.sync(connection, &batch);
        let mut steps = batch.into_iter();
        let result = self.commit(connection, &mut steps, blocked.as_ref(), ended);
        if let Err(error) = &result {
            let refused = describe(error);
            ended.extend(steps.map(|step| step.refuse(refused.clone())));
        }
        result
    }

    fn commit(
        &mut self,
        connection: &Connection,
        steps: &mut impl Iterator<Item = Step>,
        blocked: Option<&InboxError>,
        ended: &mut Vec<Ended>,
    ) -> rusqlite::Result<()> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        for step in steps.by_ref() {
            ended.push(match blocked {
                Some(error) if step.accepts == Accepts::Yes => step.refuse(error.clone()),
                _ => self.step(connection, step),
            });
            // Some errors make SQLite undo the whole transaction by itself.
            if connection.is_autocommit() {
                return Err(undone());
            }
        }
        self.sweep(connection);
        self.rows.write_counts(connection)?;
        transaction.commit()
    }

    /// One step, in a savepoint: a bad row fails alone.
    fn step(&mut self, connection: &Connection, step: Step) -> Ended {
        if step.since.elapsed() > QUEUE_WAIT {
            return step.refuse(InboxError::Busy("the writer is behind".into()));
        }
        if let Err(error) = execute(connection, "SAVEPOINT step") {
            return step.refuse(inbox_error(error));
        }
        let counts = self.rows.counts();
        let ended = step.run(&mut self.rows, connection);
        if ended.failed {
            self.undo(connection, counts);
        }
        // This fails only if the transaction is gone, which the caller checks.
        let _ = execute(connection, "RELEASE step");
        ended
    }

    /// Drops what has expired, if it is time to. What fails here is tried again later, and holds up
    /// nobody.
    fn sweep(&mut self, connection: &Connection) {
        let now = Instant::now();
        if now < self.next_sweep || execute(connection, "SAVEPOINT step").is_err() {
            return;
        }
        let counts = self.rows.counts();
        let swept = self.rows.sweep(connection);
        if let Err(error) = &swept {
            self.undo(connection, counts);
            tracing::warn!(%error, "what has expired could not be dropped; trying again later");
        }
        let _ = execute(connection, "RELEASE step");
        let pause = if matches!(swept, Ok(true)) { SWEEP_MORE } else { SWEEP };
        self.next_sweep = now.checked_add(pause).unwrap_or(now);
    }

    fn undo(&mut self, connection: &Connection, counts: [i64; 6]) {
        self.rows.reset_counts(counts);
        let _ = execute(connection, "ROLLBACK TO step");
    }

    /// Before the first accept: everything in the log goes into the file and is synced. Returns why
    /// nothing can be accepted yet.
    fn sync(&mut self, connection: &Connection, batch: &[Step]) -> Option<InboxError> {
        // A process that only works off the file need not wait for others that read it.
        if !self.unsynced || batch.iter().all(|step| step.accepts == Accepts::No) {
            return None;
        }
        match checkpoint::truncate(connection) {
            Ok(true) => {
                self.unsynced = false;
                None
            }
            Ok(false) => Some(InboxError::Busy(
                "another process reads the file or checkpoints it, and a checkpoint comes first"
                    .into(),
            )),
            Err(error) => Some(inbox_error(error)),
        }
    }

    /// Copies the log into the file on another thread, and starts it afresh here if it is long all
    /// the same: under steady load it is never at rest.
    fn checkpoint_when_long(&mut self) {
        if self.written_kib < CHECKPOINT_KIB {
            return;
        }
        self.written_kib = 0;
        self.checkpointer.wake();
        let length = std::fs::metadata(&self.wal).map(|wal| wal.len()).unwrap_or_default();
        if length > MAX_WAL
            && let Some(connection) = &self.connection
            && let Err(error) = checkpoint::truncate(connection)
        {
            tracing::warn!(%error, "the write-ahead log could not be truncated");
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute([])
}

fn undone() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    rusqlite::Error::SqliteFailure(code, Some("SQLite undid the transaction".into()))
}

/// Which file is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path)?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|_| Self(0, 0))
    }
}
