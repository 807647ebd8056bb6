//! Where the file is: locked for one process, and not where the primary is.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::BoxError;

/// Locks the spill until the file that is returned is dropped.
///
/// Not the spill's own file: POSIX drops all locks that a process holds on a file when it closes any
/// descriptor of it, SQLite's own among them.
pub(super) fn lock(spill: &Path) -> Result<File, BoxError> {
    // Under whatever name: a link to a spill is that spill.
    let real = spill.canonicalize().unwrap_or_else(|_| spill.to_owned());
    let mut path = real.into_os_string();
    path.push(".lock");
    let path = PathBuf::from(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let name = path.display();
    let file = options.open(&path).map_err(|error| format!("{name} can't be opened: {error}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "the spill {} is in use by another process, or by another Spill in this one; end that one, or choose another path: each needs its own",
            spill.display()
        )
        .into()),
        Err(TryLockError::Error(error)) => Err(format!(
            "{name} can't be locked (is it on a network file system?): {error}"
        )
        .into()),
    }
}

pub(super) fn warn_of_same_disk(primary: Option<&Path>, spill: &Path) {
    if let Some(primary) = primary
        && let (Some(device), Some(other)) = (device(primary), device(spill))
        && device == other
    {
        tracing::warn!(
            primary = %primary.display(),
            spill = %spill.display(),
            "the spill is on the same file system as the primary, so what stops one will stop the other; choose a path on another disk"
        );
    }
}

/// The device that a file is on, without opening it, where that can be told.
fn device(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    let device = std::fs::metadata(path).ok().map(|it| std::os::unix::fs::MetadataExt::dev(&it));
    #[cfg(not(unix))]
    let device = path.metadata().ok().and(None);
    device
}
