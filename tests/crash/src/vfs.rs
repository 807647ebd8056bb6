//! A file system for SQLite that can fail, lie, wait, and lose what was never synced.
//!
//! It stands in front of the system's own. [`install`] makes it the default one of this process, so
//! whatever opens a SQLite file here goes through it, and what the [`FAULTS`] say happens to it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::{mem, ptr};

use rusqlite::ffi;

use crate::beside;
use crate::faults::{FAULTS, Operation};
use crate::shadow::Shadow;

/// Makes the faulty file system the default. With a directory, what is synced is copied there:
/// that is what a power cut leaves. Once per process, before the first connection.
pub fn install(shadows: Option<PathBuf>) {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        // SAFETY: the default VFS lives as long as the process, and ours, leaked here, does too.
        unsafe {
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
            let real = ffi::sqlite3_vfs_find(ptr::null());
            // Whatever is not replaced here is the system's own.
            let ours = ffi::sqlite3_vfs {
                zName: c"faulty".as_ptr(),
                pNext: ptr::null_mut(),
                szOsFile: HEADER as c_int + (*real).szOsFile,
                xOpen: Some(open),
                xDelete: Some(delete),
                ..*real
            };
            let _ = VFS.set(Vfs { real, shadows });
            let ours = Box::leak(Box::new(ours));
            assert_eq!(ffi::sqlite3_vfs_register(ours, 1), ffi::SQLITE_OK);
        }
    });
}

struct Vfs {
    real: *mut ffi::sqlite3_vfs,
    shadows: Option<PathBuf>,
}

// SAFETY: SQLite's own VFS objects are used from all threads.
unsafe impl Send for Vfs {}
unsafe impl Sync for Vfs {}

static VFS: OnceLock<Vfs> = OnceLock::new();

/// An open file: what SQLite sees first, then ours, then the system's own.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// Of the database and its log and journal; others are temporary.
    kept: *mut Kept,
}

struct Kept {
    is_log: bool,
    /// SQLite syncs the directory as well when it first syncs a log or a journal.
    syncs_directory: bool,
    shadow: Option<Shadow>,
    /// How many failed syncs it has heard of.
    heard: u64,
}

const HEADER: usize = mem::size_of::<File>();

/// The system's own file and its methods.
unsafe fn real(
    file: *mut ffi::sqlite3_file,
) -> (*mut ffi::sqlite3_file, &'static ffi::sqlite3_io_methods) {
    // SAFETY: SQLite allocated `szOsFile` bytes, and `open` put the system's file there.
    unsafe {
        let inner: *mut ffi::sqlite3_file = file.cast::<u8>().add(HEADER).cast();
        (inner, &*(*inner).pMethods)
    }
}

unsafe fn kept(file: *mut ffi::sqlite3_file) -> Option<&'static mut Kept> {
    // SAFETY: `open` set it; SQLite uses one file from one thread at a time.
    unsafe { (*file.cast::<File>()).kept.as_mut() }
}

/// Calls the system's method of that name; all of them are there for a file that was opened.
macro_rules! pass {
    ($file:ident . $method:ident ( $($argument:expr),* )) => {{
        let (inner, methods) = unsafe { real($file) };
        unsafe { methods.$method.unwrap()(inner $(, $argument)*) }
    }};
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let vfs = VFS.get().unwrap();
    // SAFETY: SQLite allocated `szOsFile` bytes for `file`.
    unsafe {
        let ours = file.cast::<File>();
        (*ours).base.pMethods = ptr::null();
        (*ours).kept = ptr::null_mut();
        let inner: *mut ffi::sqlite3_file = file.cast::<u8>().add(HEADER).cast();
        (*inner).pMethods = ptr::null();
        let code = (*vfs.real).xOpen.unwrap()(vfs.real, name, inner, flags, out_flags);
        if code == ffi::SQLITE_OK && !(*inner).pMethods.is_null() {
            let kept =
                ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
            if flags & kept != 0 {
                let shadow =
                    vfs.shadows.as_deref().map(|directory| Shadow::open(directory, &path(name)));
                let is_log = flags & ffi::SQLITE_OPEN_WAL != 0;
                let syncs_directory = flags & ffi::SQLITE_OPEN_MAIN_DB == 0;
                let mut size = 0;
                (*(*inner).pMethods).xFileSize.unwrap()(inner, &mut size);
                FAULTS.length(is_log).store(size as u64, Ordering::Relaxed);
                let heard =
                    shadow.as_ref().map_or(0, |shadow| shadow.failures().load(Ordering::SeqCst));
                if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
                    beside::opened(&path(name), vfs.shadows.as_deref());
                }
                let kept = Kept { is_log, syncs_directory, shadow, heard };
                (*ours).kept = Box::into_raw(Box::new(kept));
            }
            (*ours).base.pMethods = &METHODS;
        }
        code
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let vfs = VFS.get().unwrap();
    // SAFETY: the arguments are SQLite's own.
    let (code, path) = unsafe { ((*vfs.real).xDelete.unwrap()(vfs.real, name, sync), path(name)) };
    if let (ffi::SQLITE_OK, Some(directory)) = (code, &vfs.shadows) {
        Shadow::delete(directory, &path);
        if sync != 0 {
            Shadow::directory_synced(directory);
        }
    }
    code
}

unsafe fn path(name: *const c_char) -> PathBuf {
    // SAFETY: SQLite's names end with a zero byte.
    Path::new(&*unsafe { CStr::from_ptr(name) }.to_string_lossy()).to_owned()
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let code = pass!(file.xClose());
    // SAFETY: it is closed once, and `open` made the box.
    unsafe {
        let kept = (*file.cast::<File>()).kept;
        if !kept.is_null() {
            drop(Box::from_raw(kept));
        }
    }
    code
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    n: c_int,
    at: i64,
) -> c_int {
    if unsafe { kept(file) }.is_some() && FAULTS.hits(Operation::Read) {
        return ffi::SQLITE_IOERR_READ;
    }
    pass!(file.xRead(to, n, at))
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    n: c_int,
    at: i64,
) -> c_int {
    let Some(kept) = (unsafe { kept(file) }) else { return pass!(file.xWrite(from, n, at)) };
    if FAULTS.hits(Operation::Write) {
        return ffi::SQLITE_IOERR_WRITE;
    }
    if FAULTS.hits(Operation::Full) {
        return ffi::SQLITE_FULL;
    }
    let (start, length) = (at as u64, n as u64);
    if kept.is_log && start == 0 && FAULTS.length(true).load(Ordering::Relaxed) > length {
        kept.shadow.iter().for_each(|shadow| {
            shadow.restarts().fetch_add(1, Ordering::SeqCst);
        });
    }
    if !FAULTS.has_room(kept.is_log, start + length) {
        return ffi::SQLITE_FULL;
    }
    // Before and after: whoever syncs in between must not take it for synced.
    kept.shadow.iter().for_each(|shadow| shadow.mark(start, length));
    let code = pass!(file.xWrite(from, n, at));
    kept.shadow.iter().for_each(|shadow| shadow.mark(start, length));
    if code == ffi::SQLITE_OK {
        FAULTS.length(kept.is_log).fetch_max(start + length, Ordering::Relaxed);
    }
    if kept.is_log && code == ffi::SQLITE_OK {
        // SAFETY: SQLite hands over `n` bytes.
        FAULTS.log_written(unsafe { std::slice::from_raw_parts(from.cast(), n as usize) });
    }
    code
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let Some(kept) = (unsafe { kept(file) }) else { return pass!(file.xTruncate(size)) };
    if FAULTS.hits(Operation::Write) {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    let code = pass!(file.xTruncate(size));
    if code == ffi::SQLITE_OK {
        FAULTS.length(kept.is_log).store(size as u64, Ordering::Relaxed);
    }
    code
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some(kept) = (unsafe { kept(file) }) else { return pass!(file.xSync(flags)) };
    let since = FAULTS.seen_so_far();
    if kept.is_log {
        FAULTS.before_log_sync();
    }
    if FAULTS.lies(kept.is_log) {
        return ffi::SQLITE_OK;
    }
    let Some(shadow) = &kept.shadow else {
        if fails(kept.is_log) {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        let code = beside::inside_sqlite(|| pass!(file.xSync(flags)));
        FAULTS.synced(kept.is_log, since);
        return code;
    };
    // The shadow is the disk here, so the real one need not be waited for.
    let mut size = 0;
    let code = pass!(file.xFileSize(&mut size));
    if code != ffi::SQLITE_OK {
        return code;
    }
    let read = |page: &mut [u8], at| {
        // What is beyond the end is filled with zeros.
        let code = pass!(file.xRead(page.as_mut_ptr().cast(), page.len() as c_int, at as i64));
        assert!(code == ffi::SQLITE_OK || code == ffi::SQLITE_IOERR_SHORT_READ, "read: {code}");
    };
    if !sync_shadow(shadow, kept.is_log, &mut kept.heard, size as u64, read) {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if mem::take(&mut kept.syncs_directory)
        && let Some(directory) = &VFS.get().unwrap().shadows
    {
        Shadow::directory_synced(directory);
    }
    FAULTS.synced(kept.is_log, since);
    ffi::SQLITE_OK
}

/// Whether a sync fails now.
pub fn fails(is_log: bool) -> bool {
    FAULTS.hits(Operation::Sync) || (!is_log && FAULTS.hits(Operation::SyncDatabase))
}

/// Syncs, or does not. False if a sync has failed, this one or one that this handle has not heard of.
pub fn sync_shadow(
    shadow: &Shadow,
    is_log: bool,
    heard: &mut u64,
    size: u64,
    read: impl Fn(&mut [u8], u64),
) -> bool {
    let unheard = FAULTS.hits(Operation::SyncUnheard);
    if unheard || fails(is_log) {
        shadow.sync_in_vain(size, read, !unheard);
    } else {
        shadow.sync(size, read);
    }
    let failures = shadow.failures().load(Ordering::SeqCst);
    mem::replace(heard, failures) == failures
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    pass!(file.xFileSize(size))
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    if FAULTS.hits(Operation::Lock) {
        return ffi::SQLITE_BUSY;
    }
    pass!(file.xLock(level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file.xUnlock(level))
}

unsafe extern "C" fn check_reserved(file: *mut ffi::sqlite3_file, result: *mut c_int) -> c_int {
    pass!(file.xCheckReservedLock(result))
}

unsafe extern "C" fn control(file: *mut ffi::sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    pass!(file.xFileControl(op, arg))
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file.xSectorSize())
}

unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file.xDeviceCharacteristics())
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    pass!(file.xShmMap(region, size, extend, to))
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    n: c_int,
    flags: c_int,
) -> c_int {
    if flags & ffi::SQLITE_SHM_LOCK != 0 && FAULTS.hits(Operation::Lock) {
        return ffi::SQLITE_BUSY;
    }
    pass!(file.xShmLock(offset, n, flags))
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    pass!(file.xShmBarrier())
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    pass!(file.xShmUnmap(delete))
}

/// Version 2 is what a write-ahead log needs; without version 3 nothing is read around us.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
