//! The file on the disk, apart from what SQLite does with it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Opens a file to sync it.
///
/// POSIX drops all locks of a process on a file, and SQLite's are such, when the process closes any
/// handle of it. So this one stays open, and is the only one for its file, until the file is deleted.
#[cfg(unix)]
pub(super) fn open(path: &Path) -> io::Result<Arc<File>> {
    use std::os::unix::fs::MetadataExt;
    static OPEN: Mutex<Vec<(FileId, Arc<File>)>> = Mutex::new(Vec::new());
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let deleted = |file: &File| file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
    open.retain(|(_, file)| Arc::strong_count(file) > 1 || !deleted(file));
    let id = FileId::of(path)?;
    if let Some((_, file)) = open.iter().find(|(known, _)| *known == id) {
        return Ok(file.clone());
    }
    let file = Arc::new(open_to_sync(path)?);
    open.push((id, file.clone()));
    Ok(file)
}

#[cfg(not(unix))]
pub(super) fn open(path: &Path) -> io::Result<Arc<File>> {
    open_to_sync(path).map(Arc::new)
}

/// Some systems sync only what may be written.
fn open_to_sync(path: &Path) -> io::Result<File> {
    File::options().write(true).open(path)
}

/// A mark that a sync of the file has failed, seen by all processes: an empty file beside it.
///
/// What that sync was to write may never be on disk, although the system takes it for written. So all of the
/// log has to be copied once more, by somebody who has the file alone. The mark need not survive a power cut,
/// after which SQLite copies the whole log anyway.
#[derive(Debug)]
pub(super) struct Unsynced {
    path: PathBuf,
    /// It could not be written down yet.
    unwritten: AtomicBool,
}

impl Unsynced {
    pub(super) fn of(path: &Path) -> Self {
        let mut mark = path.as_os_str().to_owned();
        mark.push("-unsynced");
        Self { path: mark.into(), unwritten: AtomicBool::new(false) }
    }

    pub(super) fn is_marked(&self) -> bool {
        if self.unwritten.load(Ordering::SeqCst) {
            self.mark();
            return true;
        }
        // What can't be looked up may be there.
        !matches!(self.path.try_exists(), Ok(false))
    }

    pub(super) fn mark(&self) {
        let created = File::create(&self.path);
        let was_unwritten = self.unwritten.swap(created.is_err(), Ordering::SeqCst);
        if let (Err(error), false) = (created, was_unwritten) {
            let path = self.path.display();
            tracing::error!(%error, %path, "it can't be noted that a sync failed; trying again");
        }
    }

    pub(super) fn clear(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
