//! The syncs that go around SQLite: those of the receiver itself, of its file. They fail like SQLite's own.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::c_int;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use crate::faults::FAULTS;
use crate::shadow::Shadow;
use crate::vfs::{fails, sync_shadow};

/// The databases that are open through the [`vfs`](crate::vfs), by their paths.
static DATABASES: Mutex<Option<HashMap<PathBuf, Database>>> = Mutex::new(None);

struct Database {
    /// To read what is to be synced. Never closed: that would drop SQLite's locks.
    file: File,
    shadow: Option<Shadow>,
    /// How many failed syncs the receiver's handle has heard of.
    heard: u64,
}

/// A connection opens this database, before the receiver opens a handle of its own.
pub fn opened(path: &Path, shadows: Option<&Path>) {
    let mut databases = DATABASES.lock().unwrap_or_else(PoisonError::into_inner);
    databases.get_or_insert_default().entry(path.to_owned()).or_insert_with(|| {
        let shadow = shadows.map(|directory| Shadow::open(directory, path));
        let heard = shadow.as_ref().map_or(0, |shadow| shadow.failures().load(Ordering::SeqCst));
        Database { file: File::open(path).unwrap(), shadow, heard }
    });
}

thread_local! {
    static INSIDE_SQLITE: Cell<bool> = const { Cell::new(false) };
}

/// What SQLite's own file system syncs is nothing that goes around it.
pub fn inside_sqlite<T>(work: impl FnOnce() -> T) -> T {
    INSIDE_SQLITE.set(true);
    let result = work();
    INSIDE_SQLITE.set(false);
    result
}

/// In place of the system's function of this name, which is what `File::sync_data` calls.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    if !INSIDE_SQLITE.get()
        && let Some(synced) = sync_database(descriptor)
    {
        if synced {
            return 0;
        }
        // SAFETY: it is this thread's.
        unsafe { *libc::__errno_location() = libc::EIO };
        return -1;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { libc::syscall(libc::SYS_fdatasync, descriptor) as c_int }
}

/// Whether a sync of a database succeeds; `None` where it is to be done by the system.
fn sync_database(descriptor: c_int) -> Option<bool> {
    let mut databases = DATABASES.lock().unwrap_or_else(PoisonError::into_inner);
    let databases = databases.as_mut()?;
    let path = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
    let Database { file, shadow, heard } = databases.get_mut(&path)?;
    if FAULTS.lies(false) {
        return Some(true);
    }
    let Some(shadow) = shadow else { return fails(false).then_some(false) };
    let size = file.metadata().ok()?.len();
    let read = |page: &mut [u8], at| {
        // The last page may be half there.
        let mut read = 0;
        while let Ok(n @ 1..) = file.read_at(&mut page[read..], at + read as u64) {
            read += n;
        }
    };
    let synced = sync_shadow(shadow, false, heard, size, read);
    shadow.failures_beside().fetch_add((!synced).into(), Ordering::SeqCst);
    Some(synced)
}
