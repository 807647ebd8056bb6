//! Another file system.

use std::path::Path;

use tempfile::TempDir;

/// A directory on another file system than that one. Where there is none, it says so.
pub(crate) fn another_than(one: &Path) -> Option<TempDir> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let places = ["/dev/shm", "/run", "/tmp", "/var/tmp", env!("CARGO_TARGET_TMPDIR")];
    let found = places.into_iter().map(Path::new).find_map(|place| {
        let differs = device(place).is_some_and(|other| Some(other) != device(one));
        differs.then(|| tempfile::tempdir_in(place).ok()).flatten()
    });
    if found.is_none() {
        eprintln!("there is only one file system here, so nothing is put on another one");
    }
    found
}
