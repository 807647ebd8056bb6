//! The file on the disk, apart from what SQLite does with it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

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
/// handle of it. So this one stays open as long as the process lives, and there is one for each file.
pub(super) fn open(path: &Path) -> io::Result<Arc<File>> {
    static OPEN: Mutex<Vec<(FileId, Arc<File>)>> = Mutex::new(Vec::new());
    let id = FileId::of(path)?;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let (true, Some((_, file))) = (cfg!(unix), open.iter().find(|(known, _)| *known == id)) {
        return Ok(file.clone());
    }
    // Some systems sync only what may be written.
    let file = Arc::new(File::options().write(true).open(path)?);
    open.push((id, file.clone()));
    Ok(file)
}
