//! The one thread that writes: it takes what has queued up, runs it in one transaction, and
//! answers all of it after COMMIT returned, so an answer means that the log is on disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::checkpoint::{self, Checkpointer};
use super::rows::Rows;
use super::schema;
use crate::error::BoxError;
use crate::inbox::InboxError;

/// How long a step may wait for its turn.
const QUEUE_WAIT: Duration = Duration::from_millis(500);
/// The queue's bound in KiB; a step counts as one at least, so it bounds their number too.
const QUEUE_KIB: u32 = 64 << 10;
/// The longest transaction, in steps and in KiB.
const BATCH_STEPS: usize = 512;
const BATCH_KIB: u32 = 8 << 10;
/// How often bytes and keys whose time has come are looked for, while there is work or not.
const SWEEP_BUSY: Duration = Duration::from_secs(1);
const SWEEP_IDLE: Duration = Duration::from_secs(60);
/// After about how many KiB the log is checkpointed, and how long the log may get in bytes.
const CHECKPOINT_KIB: u32 = 8 << 10;
const MAX_WAL: u64 = 64 << 20;
/// A commit this recent shows that the store works.
const FRESH: Duration = Duration::from_secs(1);

/// The way to the writer's thread, which ends when the last handle is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Sender<Step>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
}

/// What the thread tells the outside.
#[derive(Debug, Default)]
struct Shared {
    commits: AtomicU64,
    last_commit: Mutex<Option<Instant>>,
}

/// Whether a step accepts a delivery. It must not before a checkpoint has shown that all that the
/// log holds is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepts {
    Yes,
    No,
}

impl Writer {
    pub(super) fn start(path: PathBuf, rows: Rows) -> Result<Self, BoxError> {
        let connection = schema::open(&path)?;
        let checkpointer = Checkpointer::start(&path)?;
        let (queue, steps) = channel();
        let shared = Arc::new(Shared::default());
        let room = Arc::new(Semaphore::new(QUEUE_KIB.try_into()?));
        let mut thread = Thread {
            file: FileId::of(&path)?,
            wal: checkpoint::wal_path(&path),
            path,
            connection: Some(connection),
            unsynced: true,
            rows,
            checkpointer,
            shared: shared.clone(),
            written_kib: 0,
            next_sweep: Instant::now(),
        };
        thread::Builder::new().name("inhook-sqlite".into()).spawn(move || thread.run(&steps))?;
        Ok(Self { queue, room, shared })
    }

    /// Runs a step in the next transaction and returns once that is on disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        accepts: Accepts,
        step: impl FnOnce(&mut Rows, &Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, InboxError> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(QUEUE_KIB).clamp(1, QUEUE_KIB);
        let room = self.room.clone().acquire_many_owned(kib);
        let room = match tokio::time::timeout(QUEUE_WAIT, room).await {
            Ok(Ok(room)) => room,
            _ => return Err(InboxError::Busy("the writer's queue is full".into())),
        };
        let (sender, answer) = oneshot::channel();
        let work = Box::new(move |turn: Turn<'_>| {
            let result = match turn {
                // Nothing is done for a caller that has gone.
                Turn::Run(..) if sender.is_closed() => Err(stopped()),
                Turn::Run(rows, connection) => step(rows, connection).map_err(inbox_error),
                Turn::Refused(error) => Err(error),
            };
            Ended {
                failed: result.is_err(),
                reply: Box::new(move |committed| drop(sender.send(committed.and(result)))),
            }
        });
        let step = Step { work, accepts, kib, since: Instant::now(), _room: room };
        self.queue.send(step).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// How many transactions accepted deliveries.
    pub(super) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Whether a commit in the last second shows that the store works.
    pub(super) fn committed_just_now(&self) -> bool {
        let last = *self.shared.last_commit.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < FRESH)
    }
}

/// A queued step. Its room in the queue is given back when it is answered.
struct Step {
    work: Box<dyn FnOnce(Turn<'_>) -> Ended + Send>,
    accepts: Accepts,
    kib: u32,
    since: Instant,
    _room: OwnedSemaphorePermit,
}

/// What a step gets when it is its turn.
enum Turn<'t> {
    Run(&'t mut Rows, &'t Connection),
    Refused(InboxError),
}

/// A step that ran or was refused. Its caller learns of it once the transaction has ended.
struct Ended {
    failed: bool,
    reply: Box<dyn FnOnce(Result<(), InboxError>) + Send>,
}

impl Step {
    fn refuse(self, error: InboxError) -> Ended {
        (self.work)(Turn::Refused(error))
    }
}

struct Thread {
    path: PathBuf,
    wal: PathBuf,
    file: FileId,
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
}

impl Thread {
    fn run(&mut self, steps: &Receiver<Step>) {
        loop {
            let wait = self.next_sweep.saturating_duration_since(Instant::now());
            let first = match steps.recv_timeout(wait) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut kib = 0u32;
            let mut batch = Vec::new();
            // Whatever queued up during the last commit goes into this one: there is no timer.
            for step in first.into_iter().chain(std::iter::from_fn(|| steps.try_recv().ok())) {
                kib = kib.saturating_add(step.kib);
                batch.push(step);
                if batch.len() >= BATCH_STEPS || kib >= BATCH_KIB {
                    break;
                }
            }
            self.turn(batch, kib);
        }
    }

    /// One transaction, its answers, and what follows from it.
    fn turn(&mut self, batch: Vec<Step>, kib: u32) {
        let rows = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let accepts = batch.iter().any(|step| step.accepts == Accepts::Yes);
        let mut ended = Vec::with_capacity(batch.len());
        let result = match self.connect() {
            Ok(connection) => {
                let result = self.transact(&connection, batch, &mut ended);
                self.keep(connection, &result);
                result.map_err(inbox_error)
            }
            Err(error) => {
                ended.extend(batch.into_iter().map(|step| step.refuse(error.clone())));
                Err(error)
            }
        };
        if let Err(error) = &result {
            self.rows.reset_counts([0; 6]);
            tracing::error!(%error, path = %self.path.display(), "the inbox could not commit");
        } else {
            self.shared.commits.fetch_add(accepts.into(), Ordering::Relaxed);
        }
        *self.shared.last_commit.lock().unwrap_or_else(PoisonError::into_inner) =
            result.is_ok().then(Instant::now);
        for step in ended {
            (step.reply)(result.clone());
        }
        self.written_kib = self.written_kib.saturating_add(kib).saturating_add(rows);
        self.checkpoint_when_long();
    }

    /// A connection to the file that is at the path.
    fn connect(&mut self) -> Result<Connection, InboxError> {
        if FileId::of(&self.path).ok() != Some(self.file) {
            // Whatever is written now would be gone after a restart.
            self.connection = None;
            let path = self.path.display();
            return Err(InboxError::unavailable(format!(
                "{path} was moved or deleted while it was open; put it back, or restart"
            )));
        }
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => {
                self.unsynced = true;
                schema::open(&self.path).map_err(InboxError::unavailable)
            }
        }
    }

    /// Keeps the connection, unless the error may have left it in an unknown state.
    fn keep(&mut self, connection: Connection, result: &rusqlite::Result<()>) {
        let code = result.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
        let usable = match code {
            None => result.is_ok(),
            Some(code) => matches!(code, ErrorCode::DatabaseBusy | ErrorCode::DiskFull),
        };
        self.connection = usable.then_some(connection);
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
        self.sweep(connection)?;
        self.rows.write_counts(connection)?;
        transaction.commit()
    }

    /// One step, in a savepoint: a bad row fails alone.
    fn step(&mut self, connection: &Connection, step: Step) -> Ended {
        if step.since.elapsed() > QUEUE_WAIT {
            return step.refuse(InboxError::Busy("the writer is behind".into()));
        }
        let run = |sql| connection.prepare_cached(sql).and_then(|mut sql| sql.execute([]));
        if let Err(error) = run("SAVEPOINT step") {
            return step.refuse(inbox_error(error));
        }
        let counts = self.rows.counts();
        let ended = (step.work)(Turn::Run(&mut self.rows, connection));
        if ended.failed {
            self.rows.reset_counts(counts);
            // This fails only if the transaction is gone, which the caller checks.
            let _ = run("ROLLBACK TO step");
        }
        let _ = run("RELEASE step");
        ended
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
                "another process reads the file, which blocks the checkpoint that comes first"
                    .into(),
            )),
            Err(error) => Some(inbox_error(error)),
        }
    }

    fn sweep(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let now = Instant::now();
        if now < self.next_sweep {
            return Ok(());
        }
        let more = self.rows.sweep(connection)?;
        let pause = if more { SWEEP_BUSY } else { SWEEP_IDLE };
        self.next_sweep = now.checked_add(pause).unwrap_or(now);
        Ok(())
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

fn inbox_error(error: rusqlite::Error) -> InboxError {
    match describe(&error) {
        InboxError::Unavailable(_) => InboxError::unavailable(error),
        described => described,
    }
}

fn describe(error: &rusqlite::Error) -> InboxError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => {
            InboxError::Busy("another process holds the file's write lock".into())
        }
        Some(ErrorCode::DiskFull) => InboxError::Full("the disk is full".into()),
        _ => InboxError::unavailable(error.to_string()),
    }
}

fn stopped() -> InboxError {
    InboxError::unavailable("the inbox is closed")
}

fn undone() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    rusqlite::Error::SqliteFailure(code, Some("SQLite undid the transaction".into()))
}
