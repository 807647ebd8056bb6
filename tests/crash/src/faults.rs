//! What goes wrong in the [`vfs`](crate::vfs), and what it has seen. Set while it runs.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The faults of this process.
pub static FAULTS: Faults = Faults {
    chances: [const { AtomicU32::new(0) }; 7],
    log_sync_takes_us: AtomicU64::new(0),
    log_bytes_per_second: AtomicU64::new(0),
    unsynced: AtomicU64::new(0),
    lie: AtomicU32::new(0),
    hold: AtomicBool::new(false),
    room: AtomicU64::new(u64::MAX),
    lengths: [const { AtomicU64::new(0) }; 2],
    journal: Mutex::new(None),
};

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Reading is an I/O error.
    Read,
    /// Writing or truncating is an I/O error.
    Write,
    /// The disk is full.
    Full,
    /// Syncing is an I/O error, and what it was to write is given up.
    Sync,
    /// Another process has the lock.
    Lock,
    /// The same as `Sync`, of the database alone.
    SyncDatabase,
    /// The same as `Sync`, and SQLite is told that it is done.
    SyncUnheard,
}

/// A change of the faults, also as a line of JSON to a receiver's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// How often an operation fails, in a million times.
    Chance(Operation, u32),
    /// How long a sync of the log takes.
    LogSyncTakes(Duration),
    /// How many bytes of the log a sync gets onto the disk in a second; zero for any number.
    LogBytesPerSecond(u64),
    /// Syncs that are not done: `Nothing`, those of the log, or all.
    Lie(Lie),
    /// The next sync of the log says so on standard output and then takes for ever.
    HoldLogSync,
    /// How long the database and its log may get together, in bytes; then the disk is full.
    Room(u64),
}

/// Which syncs are said to be done and are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lie {
    /// None.
    Nothing,
    /// Those of the write-ahead log: what `synchronous=NORMAL` leaves out.
    Log,
    /// All.
    Everything,
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Bytes that contain this id are in the log.
    Written(String),
    /// The last bytes of a transaction are in the log.
    Committed,
    /// The log was synced: all that was in it when there were so many entries before this one.
    Synced { since: usize },
    /// The request with this id was answered 200.
    Answered(String),
}

pub struct Faults {
    chances: [AtomicU32; 7],
    log_sync_takes_us: AtomicU64,
    log_bytes_per_second: AtomicU64,
    /// How many bytes of the log were written since it was last synced.
    unsynced: AtomicU64,
    lie: AtomicU32,
    hold: AtomicBool,
    room: AtomicU64,
    /// Of the database, and of its log.
    lengths: [AtomicU64; 2],
    /// Kept only where somebody asked for it.
    journal: Mutex<Option<Journal>>,
}

#[derive(Default)]
struct Journal {
    seen: Vec<Seen>,
    /// Whether the frame that is being written is the last one of its transaction.
    commits: bool,
}

impl Faults {
    pub fn set(&self, fault: Fault) {
        match fault {
            Fault::Chance(operation, ppm) => {
                self.chances[operation as usize].store(ppm, Ordering::Relaxed);
            }
            Fault::LogSyncTakes(time) => {
                self.log_sync_takes_us.store(time.as_micros() as u64, Ordering::Relaxed);
            }
            Fault::LogBytesPerSecond(rate) => {
                self.log_bytes_per_second.store(rate, Ordering::Relaxed);
            }
            Fault::Lie(lie) => self.lie.store(lie as u32, Ordering::Relaxed),
            Fault::HoldLogSync => self.hold.store(true, Ordering::Relaxed),
            Fault::Room(bytes) => self.room.store(bytes, Ordering::Relaxed),
        }
    }

    /// Whether this operation fails now.
    pub fn hits(&self, operation: Operation) -> bool {
        let chance = self.chances[operation as usize].load(Ordering::Relaxed);
        chance > 0 && fastrand::u32(..1_000_000) < chance
    }

    pub fn lies(&self, about_log: bool) -> bool {
        let lie = self.lie.load(Ordering::Relaxed);
        lie == Lie::Everything as u32 || (about_log && lie == Lie::Log as u32)
    }

    /// Whether the database or its log may get this long.
    pub fn has_room(&self, is_log: bool, length: u64) -> bool {
        let [own, other] =
            [is_log, !is_log].map(|is_log| self.length(is_log).load(Ordering::Relaxed));
        length <= own || length + other <= self.room.load(Ordering::Relaxed)
    }

    /// The length of the database or of its log.
    pub fn length(&self, is_log: bool) -> &AtomicU64 {
        &self.lengths[usize::from(is_log)]
    }

    pub fn before_log_sync(&self) {
        if self.hold.swap(false, Ordering::Relaxed) {
            println!("{}", serde_json::to_string(&crate::receiver::Said::InSync).unwrap());
            std::io::stdout().flush().unwrap();
            loop {
                std::thread::park();
            }
        }
        let takes = self.log_sync_takes_us.load(Ordering::Relaxed);
        let unsynced = self.unsynced.swap(0, Ordering::Relaxed).saturating_mul(1_000_000);
        let rate = self.log_bytes_per_second.load(Ordering::Relaxed);
        let takes = takes.saturating_add(unsynced.checked_div(rate).unwrap_or(0));
        if takes > 0 {
            std::thread::sleep(Duration::from_micros(takes));
        }
    }

    /// From now on, what happens is written down.
    pub fn watch(&self) {
        *self.lock() = Some(Journal::default());
    }

    /// What happened since [`watch`](Self::watch).
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().take().unwrap_or_default().seen
    }

    pub fn note(&self, seen: Seen) {
        if let Some(journal) = &mut *self.lock() {
            journal.seen.push(seen);
        }
    }

    /// These bytes are in the log. Each frame is a header, which says whether its transaction ends
    /// with it, and then a page.
    pub fn log_written(&self, bytes: &[u8]) {
        self.unsynced.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        const FRAME_HEADER: usize = 24;
        let mut journal = self.lock();
        let Some(journal) = &mut *journal else { return };
        if bytes.len() == FRAME_HEADER {
            journal.commits = bytes[4..8] != [0; 4];
            return;
        }
        journal.seen.extend(ids(bytes).map(Seen::Written));
        if std::mem::take(&mut journal.commits) {
            journal.seen.push(Seen::Committed);
        }
    }

    /// How much has been seen by now.
    pub fn seen_so_far(&self) -> usize {
        self.lock().as_ref().map_or(0, |journal| journal.seen.len())
    }

    pub fn synced(&self, is_log: bool, since: usize) {
        if is_log {
            self.note(Seen::Synced { since });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ids in these bytes, as [`client::id`](crate::client::id) makes them.
fn ids(bytes: &[u8]) -> impl Iterator<Item = String> {
    const LENGTH: usize = crate::client::ID_LENGTH;
    bytes.windows(LENGTH).filter(|window| window.starts_with(b"crash-")).filter_map(|window| {
        let digits = window.get(b"crash-".len()..)?;
        let id = digits.iter().all(u8::is_ascii_digit);
        id.then(|| String::from_utf8_lossy(window).into_owned())
    })
}
