//! The durable inbox: one SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::record::to_millis;
use super::{
    Batch, Detail, Entry, Filter, Inbox, InboxError, Lease, LeaseOptions, Ledger, LedgerError,
    OnDeadDuplicate, Outcome, Put, Record, Settled, Stats,
};
use crate::clock::{Clock, SystemClock};
use crate::delivery::{Delivery, Key};
use crate::error::BoxError;

mod beside;
mod checkpoint;
mod disk;
mod error;
mod file;
mod integrity;
mod queue;
mod read;
mod rows;
mod schema;
mod step;
mod thread;
mod writer;

use beside::Beside;
use file::File;
use read::Reader;
use rows::Rows;
use schema::Purpose;
use step::Accepts;
use writer::Writer;

/// The least `max_bytes`.
const MIN_BYTES: u64 = 1 << 20;
/// How long a probe of the store may take.
const PROBE: Duration = Duration::from_secs(1);

/// An inbox in a SQLite file: the embedded default.
///
/// A delivery is answered after its transaction is in the write-ahead log and the log is synced
/// (`synchronous=FULL`), so it survives a crash of the process and a power cut. Deliveries that
/// arrive together share a transaction; a lone one waits for nobody.
///
/// The file belongs to this machine: not on a network file system, whose locks don't hold. A
/// receiver and a worker may share it from two processes. It is created with mode 0600. The `-wal`
/// file beside it is part of it; to copy it while it is in use: `sqlite3 inhook.db ".backup copy.db"`.
///
/// After a checkpoint whose sync failed (a broken disk) all of the log is copied once more before anything
/// is accepted. Inboxes, of whatever process, make way for that; a tool that has the file open must be
/// closed for a moment, and a check of the integrity ended. A file whose name ends with `-unsynced` marks
/// it until then. No tool may checkpoint the file meanwhile: it would not know what is missing.
///
/// Once a file was opened, the process keeps a handle of it to the end; one of a file that was deleted it lets
/// go when it opens the next.
///
/// ```no_run
/// # async fn example() -> Result<(), inhook::BoxError> {
/// let inbox = inhook::SqliteInbox::open("inhook.db").await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SqliteInbox {
    path: PathBuf,
    writer: Writer,
    reader: Reader,
    clock: Arc<dyn Clock>,
}

impl SqliteInbox {
    /// Opens the file, or creates it. One of an older version is brought up to date; a process of the
    /// older version that has it open then fails, so end that one first.
    ///
    /// # Errors
    ///
    /// The file can't be opened, is not an inbox, or was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, BoxError> {
        Self::options().open(path).await
    }

    /// Opens a file with other than the default settings.
    pub fn options() -> SqliteOptions {
        SqliteOptions {
            retain_done: Duration::from_secs(7 * 24 * 60 * 60),
            on_dead_duplicate: OnDeadDuplicate::Revive,
            max_bytes: None,
            purpose: Purpose::Inbox,
            max_batch: queue::MAX_STEPS,
            clock: Arc::new(SystemClock),
        }
    }

    /// How many transactions with accepted deliveries (or probes of the store's health) there were
    /// since the file was opened: far fewer than deliveries under load, since those that arrive
    /// together share one.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Reads the whole file and says what is wrong with it, in SQLite's words and in ours: nothing, if
    /// it is sound. Deliveries are accepted meanwhile, but the log can't be shortened, so it grows
    /// by what is written. It takes some seconds for a gigabyte.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub async fn check_integrity(&self) -> Result<Vec<String>, InboxError> {
        let path = self.path.clone();
        let check = tokio::task::spawn_blocking(move || integrity::check(&path));
        check.await.map_err(InboxError::unavailable)?
    }

    /// Forgets a delivery that another store has taken over, its key too: it is known there.
    pub(crate) async fn forget(&self, lease: Lease) -> Result<Settled, InboxError> {
        self.writer.run(0, Accepts::No, move |rows, db| rows.forget(db, lease)).await
    }
}

#[async_trait]
impl Inbox for SqliteInbox {
    async fn put(&self, delivery: Delivery) -> Result<Put, InboxError> {
        self.put_record(Record::new(delivery, true)).await
    }

    async fn put_record(&self, record: Record) -> Result<Put, InboxError> {
        let bytes = record.bytes();
        self.writer.run(bytes, Accepts::Yes, move |rows, db| rows.put(db, &record)).await
    }

    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError> {
        self.writer.run(0, Accepts::No, move |rows, db| rows.lease(db, options)).await
    }

    async fn extend(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>, InboxError> {
        let leases = leases.to_vec();
        self.writer.run(0, Accepts::No, move |rows, db| rows.extend(db, &leases, lease)).await
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<Settled, InboxError> {
        let settle = move |rows: &mut Rows, db: &_| rows.settle(db, lease, &outcome);
        self.writer.run(0, Accepts::No, settle).await
    }

    async fn ready(&self) {
        self.writer.ready().await;
    }

    async fn health(&self) -> Result<(), InboxError> {
        if self.writer.accepted_just_now() {
            return Ok(());
        }
        let probe = self.writer.run(0, Accepts::Yes, |rows, db| rows.probe(db));
        let hangs = |_| InboxError::Busy("a write takes more than a second".into());
        tokio::time::timeout(PROBE, probe).await.map_err(hangs)?
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

#[async_trait]
impl Ledger for SqliteInbox {
    async fn list(&self, filter: Filter) -> Result<Vec<Entry>, LedgerError> {
        self.reader.list(filter).await
    }

    async fn get(&self, key: Key) -> Result<Detail, LedgerError> {
        self.reader.get(key, to_millis(self.clock.now())).await
    }

    async fn replay(&self, key: Key) -> Result<(), LedgerError> {
        self.writer.run(0, Accepts::No, move |rows, db| rows.replay(db, key)).await?
    }

    async fn discard(&self, key: Key) -> Result<(), LedgerError> {
        self.writer.run(0, Accepts::No, move |rows, db| rows.discard(db, key)).await?
    }

    async fn stats(&self) -> Result<Stats, LedgerError> {
        self.reader.stats().await
    }
}

/// Settings of a [`SqliteInbox`].
#[derive(Debug, Clone)]
#[must_use = "nothing is opened until `open` is called"]
pub struct SqliteOptions {
    retain_done: Duration,
    on_dead_duplicate: OnDeadDuplicate,
    max_bytes: Option<u64>,
    purpose: Purpose,
    max_batch: usize,
    clock: Arc<dyn Clock>,
}

impl SqliteOptions {
    /// For how long handled and skipped deliveries keep their bytes, so that they can be looked at
    /// and replayed: 7 days unless changed, zero for not at all. Their keys stay to the end of the
    /// window either way.
    pub fn retain_done(mut self, retain_done: Duration) -> Self {
        self.retain_done = retain_done;
        self
    }

    /// What a duplicate of a dead delivery does.
    pub fn on_dead_duplicate(mut self, on_dead_duplicate: OnDeadDuplicate) -> Self {
        self.on_dead_duplicate = on_dead_duplicate;
        self
    }

    /// How long the file may get in bytes: as long as the disk allows unless set, and 1 MiB at least.
    /// Accepts are answered 503 from 90 % on, so that what was accepted can still be settled and
    /// what has expired be dropped; that makes room again. Meanwhile the texts of errors are logged,
    /// but not stored. The log beside the file comes on top: some 50 MB under load, and more while somebody
    /// reads the file without an end.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = Some(max_bytes);
        self
    }

    /// A spill's second store.
    pub(in crate::inbox) fn spill(mut self) -> Self {
        self.purpose = Purpose::Spill;
        self
    }

    /// How many steps share a transaction at most, for tests of what happens when more come than are
    /// committed: 512 unless changed.
    #[cfg(feature = "testing")]
    pub fn max_batch(mut self, steps: usize) -> Self {
        self.max_batch = steps;
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the file, or creates it.
    ///
    /// # Errors
    ///
    /// The file can't be opened, is not an inbox, or was written by a newer version.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteInbox, BoxError> {
        // SQLite gives some relative names, such as `:memory:`, a meaning of their own.
        let path: PathBuf = std::path::absolute(path)?;
        if self.max_bytes.is_some_and(|max_bytes| max_bytes < MIN_BYTES) {
            return Err("`max_bytes` must be at least 1 MiB".into());
        }
        tokio::task::spawn_blocking(move || {
            schema::create(&path, self.purpose)?;
            // SQLite follows links, and its log is beside the file itself.
            let path = path.canonicalize()?;
            let rows = Rows::new(&self);
            let reader = Beside::new(&path, schema::open_reader);
            let file = File::open(path.clone(), self.max_bytes, reader.clone())?;
            let writer = Writer::start(file, rows, self.max_batch)?;
            Ok(SqliteInbox { path, writer, reader: Reader::new(reader), clock: self.clock })
        })
        .await?
    }
}
