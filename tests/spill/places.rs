//! Where the file of a spill is, and who may use it.

use super::*;

#[tokio::test]
async fn a_spill_belongs_to_one_at_a_time() {
    let files = Files::new();
    let spill = files.open().await;
    let error = Spill::open(files.primary().await, files.spill_path()).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("spill.db") && error.contains("choose another path"), "{error}");
    drop(spill);
    files.open().await;
}

#[tokio::test]
async fn a_spill_in_the_primarys_own_file_is_refused() {
    let files = Files::new();
    let primary = files.primary().await;
    let error = Spill::open(primary, files.primary_path()).await.unwrap_err().to_string();
    assert!(error.contains("an inbox, and a spill needs a file of its own"), "{error}");
    let error = Spill::open(files.primary().await, files.directory.path().join("no/spill.db"));
    let error = error.await.unwrap_err().to_string();
    assert!(error.contains("no/spill.db.lock can't be opened"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_of_a_spill_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new();
    let _spill = files.open().await;
    for name in ["spill.db", "spill.db-wal", "spill.db.lock"] {
        let metadata = std::fs::metadata(files.directory.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

/// What stops the one would stop the other.
#[cfg(unix)]
#[tokio::test]
async fn a_spill_on_the_disk_of_the_primary_is_said() {
    let said = |spill: &Path| {
        let (text, spill) = (LOG.text(), spill.display().to_string());
        let warns = "the spill is on the same file system as the primary";
        text.lines().any(|line| line.contains(warns) && line.contains(&spill))
    };
    let files = Files::new();
    if let Some(elsewhere) = device::another_than(files.directory.path()) {
        let spill = elsewhere.path().join("spill.db");
        Spill::open(files.primary().await, &spill).await.unwrap();
        assert!(!said(&spill), "{}", LOG.text());
    }
    files.open().await;
    assert!(said(&files.spill_path()), "{}", LOG.text());
    // A spill is on the disk of its primary, as one that has a spill itself.
    let second = files.directory.path().join("second.db");
    Spill::open(files.open().await, &second).await.unwrap();
    assert!(said(&second), "{}", LOG.text());
}
