//! The file on the disk, apart from what SQLite does with it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

/// Which file is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path)?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|_| Self(0, 0))
    }
}

/// A file to sync. Each of these is told of a sync that failed, whoever synced, as the system tells each
/// open handle.
#[derive(Debug)]
pub(super) struct Disk {
    handle: Arc<Handle>,
    /// How many failures it has been told of.
    told: AtomicU64,
}

impl Disk {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let handle = Handle::open(path)?;
        let told = AtomicU64::new(handle.failures.load(Ordering::SeqCst));
        Ok(Self { handle, told })
    }

    /// Waits until all that was written to the file is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        let error = match self.handle.file.sync_data() {
            // SQLite knows another way, where there is one.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => Some(error),
            _ => None,
        };
        // The system tells the handle of it once, and it may belong to two of these.
        let failed = self.handle.failures.fetch_add(error.is_some().into(), Ordering::SeqCst);
        let failures = failed.saturating_add(error.is_some().into());
        if self.told.swap(failures, Ordering::SeqCst) == failures {
            return Ok(());
        }
        Err(error.unwrap_or_else(|| io::Error::other("an earlier sync of the file failed")))
    }
}

/// A handle of a file, which all of this process share.
///
/// POSIX drops all locks of a process on a file, and SQLite's are such, when the process closes any
/// handle of it. So this one stays open, and is the only one for its file, until the file is deleted.
#[derive(Debug)]
struct Handle {
    file: File,
    failures: AtomicU64,
}

impl Handle {
    #[cfg(unix)]
    fn open(path: &Path) -> io::Result<Arc<Self>> {
        use std::os::unix::fs::MetadataExt;
        static OPEN: Mutex<Vec<(FileId, Arc<Handle>)>> = Mutex::new(Vec::new());
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let deleted = |file: &File| file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        open.retain(|(_, handle)| Arc::strong_count(handle) > 1 || !deleted(&handle.file));
        let id = FileId::of(path)?;
        if let Some((_, handle)) = open.iter().find(|(known, _)| *known == id) {
            return Ok(handle.clone());
        }
        let handle = Arc::new(Self::new(path)?);
        open.push((id, handle.clone()));
        Ok(handle)
    }

    #[cfg(not(unix))]
    fn open(path: &Path) -> io::Result<Arc<Self>> {
        Self::new(path).map(Arc::new)
    }

    fn new(path: &Path) -> io::Result<Self> {
        // Some systems sync only what may be written.
        let file = File::options().write(true).open(path)?;
        Ok(Self { file, failures: AtomicU64::new(0) })
    }
}
