//! What a power cut leaves of a file.
//!
//! The file itself is in the page cache, and survives the death of a process. Beside it, in another
//! directory, is its shadow: what was synced. Both are the same but for pages that were written since,
//! which are marked in a map that all processes share. [`cut`] lets each sector of those survive, or not.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

const PAGE: u64 = 4_096;
const SECTOR: usize = 512;
/// Enough marks for 4 GiB.
const MARKS: usize = 1 << 20;
/// The marks, and then some numbers.
const NUMBERS: usize = 3;
const MAPPED: usize = MARKS + NUMBERS * size_of::<u64>();

/// What the name of a shadow ends with whose file was deleted.
const DELETED: &str = "deleted";

const CLEAN: u8 = 0;
const DIRTY: u8 = 1;
const BEING_SYNCED: u8 = 2;
/// Its sync failed. The system takes it for written, so no later sync writes it.
const GIVEN_UP: u8 = 3;

/// What of the unsynced writes a power cut lets survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// Nothing.
    Nothing,
    /// Any sector or none, torn and out of order.
    Anything,
    /// All: the disk was quick.
    Everything,
}

#[derive(Debug)]
pub struct Shadow {
    /// It is there from the first sync on.
    path: PathBuf,
    marks: Marks,
}

impl Shadow {
    /// The shadow of a file, in this directory.
    pub fn open(directory: &Path, path: &Path) -> Self {
        let [path, marks] = names(directory, path);
        Self { path, marks: Marks::open(&marks).unwrap() }
    }

    /// Some bytes are being written.
    pub fn mark(&self, start: u64, length: u64) {
        for page in start / PAGE..(start + length).div_ceil(PAGE) {
            self.marks.at(page).store(DIRTY, Ordering::SeqCst);
        }
    }

    /// Copies what was written into the shadow. One at a time: what another one is copying is not
    /// synced yet.
    pub fn sync(&self, size: u64, read: impl Fn(&mut [u8], u64)) {
        self.marks.exclusively(|| self.copy(size, read));
    }

    /// A sync that fails: some of what was written reaches the disk, and the rest is given up. If it is
    /// heard of, it counts before anybody else syncs.
    pub fn sync_in_vain(&self, size: u64, read: impl Fn(&mut [u8], u64), heard: bool) {
        self.marks.exclusively(|| {
            for page in (0..size.div_ceil(PAGE)).filter(|_| fastrand::bool()) {
                let mark = self.marks.at(page);
                let _ = mark.compare_exchange(DIRTY, GIVEN_UP, Ordering::SeqCst, Ordering::SeqCst);
            }
            self.copy(size, read);
            self.failures().fetch_add(heard.into(), Ordering::SeqCst);
        });
    }

    /// How many syncs of the file have failed: the system tells each open handle of each, in whatever
    /// process.
    pub fn failures(&self) -> &AtomicU64 {
        self.marks.number(0)
    }

    /// How often the file, a log, was started afresh in its old place.
    pub fn restarts(&self) -> &AtomicU64 {
        self.marks.number(1)
    }

    /// How many of the failed syncs went around SQLite.
    pub fn failures_beside(&self) -> &AtomicU64 {
        self.marks.number(2)
    }

    fn copy(&self, size: u64, read: impl Fn(&mut [u8], u64)) {
        let file = open(&self.path).unwrap();
        let mut bytes = vec![0; PAGE as usize];
        for page in 0..size.div_ceil(PAGE) {
            let mark = self.marks.at(page);
            if [CLEAN, GIVEN_UP].contains(&mark.load(Ordering::SeqCst)) {
                continue;
            }
            mark.store(BEING_SYNCED, Ordering::SeqCst);
            bytes.fill(0);
            read(&mut bytes, page * PAGE);
            file.write_all_at(&bytes, page * PAGE).unwrap();
            // A write that came meanwhile has marked it again.
            let _ = mark.compare_exchange(BEING_SYNCED, CLEAN, Ordering::SeqCst, Ordering::SeqCst);
        }
        file.set_len(size).unwrap();
    }

    /// The file was deleted. Until its directory is synced it may come back.
    pub fn delete(directory: &Path, path: &Path) {
        let [shadow, marks] = names(directory, path);
        let _ = std::fs::rename(&shadow, deleted(&shadow));
        let _ = std::fs::remove_file(marks);
    }

    /// The directory of the files was synced.
    pub fn directory_synced(directory: &Path) {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| path.extension().is_some_and(|end| end == DELETED)) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The power goes: the file and its log become what the disk has of them. Nobody has them open.
pub fn cut(directory: &Path, path: &Path, survives: Survives) -> io::Result<()> {
    for suffix in ["", "-wal", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        cut_file(directory, Path::new(&name), survives)?;
    }
    // Shared memory is never on a disk.
    let mut shm = path.as_os_str().to_owned();
    shm.push("-shm");
    match std::fs::remove_file(shm) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn cut_file(directory: &Path, path: &Path, survives: Survives) -> io::Result<()> {
    let [shadow, marks] = names(directory, path);
    let lives = || match survives {
        Survives::Nothing => false,
        Survives::Anything => fastrand::bool(),
        Survives::Everything => true,
    };
    if !shadow.exists() {
        // Never synced, so not even its name is sure to be there, nor that of an older one gone.
        if !lives() {
            let _ = std::fs::remove_file(path);
            if std::fs::rename(deleted(&shadow), &shadow).is_ok() {
                std::fs::copy(&shadow, path)?;
            }
        }
        return Ok(());
    }
    let (shadow, marks) = (open(&shadow)?, Marks::open(&marks)?);
    let file = open(path)?;
    let (written, synced) = (file.metadata()?.len(), shadow.metadata()?.len());
    let size = if lives() { written } else { synced };
    let mut old = vec![0; PAGE as usize];
    let mut new = vec![0; PAGE as usize];
    for page in 0..written.max(synced).div_ceil(PAGE) {
        let at = page * PAGE;
        let mark = marks.at(page).swap(CLEAN, Ordering::SeqCst);
        // Beyond its end the shadow has what was cut off: a hole reads as zeros.
        if mark != CLEAN || at + PAGE > written.min(synced) {
            read_padded(&shadow, &mut old, at)?;
            read_padded(&file, &mut new, at)?;
            for (old, new) in old.chunks_mut(SECTOR).zip(new.chunks(SECTOR)) {
                if mark != GIVEN_UP && lives() {
                    old.copy_from_slice(new);
                }
            }
            file.write_all_at(&old, at)?;
            shadow.write_all_at(&old, at)?;
        }
    }
    file.set_len(size)?;
    shadow.set_len(size)
}

fn read_padded(file: &File, mut to: &mut [u8], mut at: u64) -> io::Result<()> {
    to.fill(0);
    while !to.is_empty() {
        match file.read_at(to, at)? {
            0 => return Ok(()),
            n => {
                to = &mut to[n..];
                at += n as u64;
            }
        }
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn deleted(shadow: &Path) -> PathBuf {
    let mut name = shadow.as_os_str().to_owned();
    name.push(".");
    name.push(DELETED);
    name.into()
}

fn names(directory: &Path, path: &Path) -> [PathBuf; 2] {
    let name = path.file_name().unwrap().to_string_lossy();
    [directory.join(&*name), directory.join(format!("{name}.marks"))]
}

/// A byte for each page and some numbers, in memory that processes share.
#[derive(Debug)]
struct Marks {
    file: File,
    map: *const AtomicU8,
}

// SAFETY: the bytes are atomic, and stay mapped for as long as this lives.
unsafe impl Send for Marks {}
unsafe impl Sync for Marks {}

impl Marks {
    fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        file.set_len(MAPPED as u64)?;
        // SAFETY: a new shared mapping of a file that is as long as the mapping.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                MAPPED,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { file, map: map.cast() })
    }

    fn at(&self, page: u64) -> &AtomicU8 {
        let page = usize::try_from(page).unwrap();
        assert!(page < MARKS, "the file is longer than 4 GiB");
        // SAFETY: inside the mapping.
        unsafe { &*self.map.add(page) }
    }

    fn number(&self, n: usize) -> &AtomicU64 {
        assert!(n < NUMBERS);
        // SAFETY: inside the mapping, behind the marks, whose number is a multiple of its size.
        unsafe { &*self.map.add(MARKS).cast::<AtomicU64>().add(n) }
    }

    fn exclusively(&self, work: impl FnOnce()) {
        self.file.lock().unwrap();
        work();
        self.file.unlock().unwrap();
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        // SAFETY: mapped by `open`, and nothing refers to it any more.
        unsafe { libc::munmap(self.map.cast_mut().cast(), MAPPED) };
    }
}
