//! What the operating system knows of a process.

use std::time::Duration;

use inhook::BoxError;

/// The time on a clock that all processes share.
pub fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// How long the threads of a process have run, those that have ended as well.
pub fn cpu(process: u32) -> Result<Duration, BoxError> {
    let mut clock = 0;
    // SAFETY: it only fills in the clock.
    match unsafe { libc::clock_getcpuclockid(process as libc::pid_t, &mut clock) } {
        0 => Ok(read(clock)),
        error => Err(std::io::Error::from_raw_os_error(error).into()),
    }
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it only fills in the time.
    unsafe { libc::clock_gettime(clock, &mut time) };
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
