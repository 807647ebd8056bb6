//! What the operating system knows of a process.

use std::time::Duration;

use inhook::BoxError;

/// The time on a clock that all processes share.
pub fn monotonic() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it only fills in the time.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How many bytes of memory a process has.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

/// The resident memory of a process.
pub fn memory(process: u32) -> Result<Memory, BoxError> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| -> Result<u64, BoxError> {
        let line = status.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
        let kib = line.split_whitespace().nth(1).ok_or("an empty line")?;
        Ok(kib.parse::<u64>()? << 10)
    };
    Ok(Memory { now: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// How long the threads that a process has now have run.
pub fn cpu(process: u32) -> Result<Duration, BoxError> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += stat.split_whitespace().next().ok_or("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

/// Lets this process, and those that it starts, have as many files open as may be: returns how many.
pub fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a limit of our own.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    limit.rlim_cur
}
