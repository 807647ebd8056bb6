//! The file: how it is opened, what is in it, and what is refused.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::BoxError;

/// What a file is for. One must not be taken for the other: a spill drops what it hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inbox) enum Purpose {
    Inbox,
    Spill,
}

impl Purpose {
    /// `inhk` or `inhs`: marks the file as ours.
    const fn application_id(self) -> i32 {
        match self {
            Self::Inbox => 0x696e_686b,
            Self::Spill => 0x696e_6873,
        }
    }
}

const VERSION: i32 = 2;
/// How a file of an older version becomes one of the next.
const UPGRADES: &[(i32, &str)] = &[(
    1,
    "ALTER TABLE delivery RENAME COLUMN suspect TO lane;
     UPDATE delivery SET lane = iif(lane = 1, 2, total_attempts > 0) WHERE state = 0;
     UPDATE delivery SET lane = iif(lane = 1, 2, total_attempts > 1) WHERE state = 1;
     CREATE INDEX delivery_source ON delivery (lane, source, due_at) WHERE state = 0;",
)];
/// The first release without a known way to lose a committed transaction in WAL mode.
const MIN_SQLITE: i32 = 3_051_003;
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
/// How long a lock of another process is waited for.
const BUSY: Duration = Duration::from_millis(400);
/// The same while the file is created, when nobody is waiting for an answer.
const CREATE_BUSY: Duration = Duration::from_secs(5);

/// A rowid table with a unique index: on random keys it takes three times the inserts of a WITHOUT
/// ROWID table. The partial indexes hold only rows that something will still happen to.
const SCHEMA: &str = "
    CREATE TABLE delivery (
        position INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        state INTEGER NOT NULL,          -- 0 pending, 1 leased, 2 done, 3 skipped, 4 dead
        fence INTEGER NOT NULL,          -- rises whenever it changes hands
        lane INTEGER NOT NULL DEFAULT 0, -- 0 first attempt, 1 another one, 2 suspect
        attempts INTEGER NOT NULL DEFAULT 0,
        total_attempts INTEGER NOT NULL DEFAULT 0,
        revivals INTEGER NOT NULL DEFAULT 0,
        due_at INTEGER,                  -- pending: when it is due; leased: when the lease lapses
        started_at INTEGER NOT NULL,     -- when it was accepted or last revived
        expires_at INTEGER,              -- when the key is forgotten, once it is settled
        sweep_at INTEGER,                -- when the bytes are dropped, then when the key is
        ttl INTEGER NOT NULL,
        freshness INTEGER NOT NULL,
        source TEXT NOT NULL,
        id TEXT,
        event TEXT,
        secret TEXT NOT NULL,
        signed_at INTEGER,
        received_at INTEGER NOT NULL,
        last_error TEXT,
        headers BLOB,
        body BLOB
    ) STRICT;
    CREATE INDEX delivery_pending ON delivery (lane, due_at) WHERE state = 0;
    CREATE INDEX delivery_source ON delivery (lane, source, due_at) WHERE state = 0;
    CREATE INDEX delivery_leased ON delivery (due_at) WHERE state = 1;
    CREATE INDEX delivery_skipped ON delivery (position) WHERE state = 3;
    CREATE INDEX delivery_dead ON delivery (position) WHERE state = 4;
    CREATE INDEX delivery_sweep ON delivery (sweep_at) WHERE sweep_at IS NOT NULL;
    -- How many are in each state; 5 counts the duplicates that differ, 6 the health probes. 7
    -- is the highest fence of a row that was dropped.
    CREATE TABLE count (state INTEGER PRIMARY KEY, deliveries INTEGER NOT NULL) STRICT;
    INSERT INTO count VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0);
";

/// Creates the file if it is missing, and makes it an inbox.
pub(super) fn create(path: &Path, purpose: Purpose) -> Result<(), BoxError> {
    create_private(path)?;
    refuse_foreign(path, purpose)?;
    // Others may be creating it at the same time.
    let mut connection = connect(path, CREATE_BUSY)?;
    claim(&mut connection, path, purpose)
}

/// A connection for the writer, which lets the file grow to `max_bytes`.
pub(super) fn open(path: &Path, max_bytes: Option<u64>) -> Result<Connection, BoxError> {
    let connection = connect(path, BUSY)?;
    // A newer Inhook may have changed the file since it was first opened.
    check_version(&connection, path)?;
    // Checkpoints run where they don't hold up accepts.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    // For the pages that a savepoint may have to bring back: a temporary file makes a worker slower.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    if let Some(max_bytes) = max_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(max_bytes)?.checked_div(page).unwrap_or(i64::MAX);
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(connection)
}

/// A connection that reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, BoxError> {
    let connection = connect(path, BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// A connection that runs checkpoints.
pub(super) fn open_checkpointer(path: &Path) -> Result<Connection, BoxError> {
    connect(path, BUSY)
}

/// A connection that has the file alone, or an error that says that it is locked. Nobody else remembers
/// anything of the log then, so this one finds it out anew.
pub(super) fn open_alone(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open_file(path, Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    // The lock is taken, and the log found, at the first read.
    pragma(&connection, "user_version")?;
    Ok(connection)
}

fn connect(path: &Path, busy: Duration) -> Result<Connection, BoxError> {
    let version = rusqlite::version_number();
    if version < MIN_SQLITE {
        let found = rusqlite::version();
        return Err(format!("SQLite {found} is too old: 3.51.3 or newer is needed; feature `sqlite-bundled` brings one").into());
    }
    let connection = open_file(path, busy)?;
    connection.set_prepared_statement_cache_capacity(32);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(format!(
            "{} can't use a write-ahead log (is it on a network file system?)",
            path.display()
        )
        .into());
    }
    // The log is synced before COMMIT returns, so what was answered 200 survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if synchronous != 2 {
        return Err("SQLite was built without `synchronous=FULL`".into());
    }
    Ok(connection)
}

/// A connection whose end leaves the log alone. Only the writer may copy it, and not after a sync that
/// failed.
fn open_file(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, FLAGS)?;
    connection.busy_timeout(busy)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Makes an empty file ours, brings an older one up to date, and refuses a newer one.
fn claim(connection: &mut Connection, path: &Path, purpose: Purpose) -> Result<(), BoxError> {
    if is_empty(connection)? || pragma(connection, "user_version")? < VERSION {
        // Other processes may do the same: what is to be done is looked at under the lock.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if is_empty(&transaction)? {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", purpose.application_id())?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        for (from, change) in UPGRADES {
            if pragma(&transaction, "user_version")? == *from {
                transaction.execute_batch(change)?;
                transaction.pragma_update(None, "user_version", from.saturating_add(1))?;
                tracing::info!(path = %path.display(), from, "the inbox was brought up to date");
            }
        }
        transaction.commit()?;
    }
    check_version(connection, path)
}

fn check_version(connection: &Connection, path: &Path) -> Result<(), BoxError> {
    let (path, version) = (path.display(), pragma(connection, "user_version")?);
    if version == VERSION {
        return Ok(());
    }
    Err(format!("{path} has version {version}, and this Inhook reads version {VERSION}: use the Inhook that wrote it").into())
}

/// Looks before anything is changed, be it only the journal's mode.
fn refuse_foreign(path: &Path, purpose: Purpose) -> Result<(), BoxError> {
    let connection = open_file(path, CREATE_BUSY)?;
    let found = pragma(&connection, "application_id")?;
    if found == purpose.application_id() || is_empty(&connection)? {
        return Ok(());
    }
    let is = |purpose: Purpose| found == purpose.application_id();
    let (path, what) = match (path.display(), is(Purpose::Inbox), is(Purpose::Spill)) {
        (path, true, _) => (path, "an inbox, and a spill needs a file of its own"),
        (path, _, true) => (path, "a spill, and no inbox"),
        (path, ..) => (path, "a SQLite file, but not an inbox"),
    };
    Err(format!("{path} is {what}; choose another path").into())
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 && pragma(connection, "application_id")? == 0)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Creates the file for its owner only; SQLite gives its `-wal` and `-shm` the same mode.
///
/// A file that is there is never opened here: POSIX drops all locks that a process holds on a file
/// when it closes any descriptor of it, SQLite's own among them.
fn create_private(path: &Path) -> Result<(), BoxError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(format!("{} can't be created: {error}", path.display()).into())
        }
        _ => Ok(()),
    }
}
