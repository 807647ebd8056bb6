//! S17: the disk is full.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use inhook::BoxError;

use super::Run;
use super::kill::settled;
use crate::child::{PATIENCE, Receiver};
use crate::faults::Fault;
use crate::ledger::Ledger;
use crate::load::Load;
use crate::naive::Naive;
use crate::receiver::{Handler, Spec};
use crate::store::contents;
use crate::table::Figure;

const PARTNERS: usize = 8;
/// How large the disk is, and how much of that is not ours at first.
const DISK: u64 = 4 << 20;
const BALLAST: u64 = DISK / 2;
/// For how long nothing is accepted on a disk that is full.
const STEADY: Duration = Duration::from_millis(500);
/// How long it may take until deliveries are accepted again.
const RECOVERY: Duration = Duration::from_secs(5);

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let directory = |name: &str| {
        let directory = run.directory.join(name);
        std::fs::create_dir_all(&directory).map(|()| directory)
    };
    let rounds = run.rounds(1, 10);
    let full = Duration::from_secs(if run.short { 3 } else { 20 });
    let mut all = Outcome::default();
    for round in 0..rounds {
        all.add(fill(&directory(&round.to_string())?, None, full).await?);
    }
    let deaf =
        fill(&directory("control")?, Some(Naive::IgnoresErrors), full.min(Duration::from_secs(3)))
            .await?;
    let Outcome { disk, acked, refused, lost, double, odd, unsound, recovered, .. } = &all;
    Ok(vec![Figure {
        case: "S17",
        what: format!(
            "{disk}, full {rounds} times for {full:?}; {acked} answered 200, {refused} answered 503"
        ),
        target: "only 503s while it is full, 0 lost, sound, accepts 5 s after there is space"
            .into(),
        measured: format!(
            "{} answered 200 while full, {odd} others, {lost} lost, {double} accepted twice, \
             {unsound} unsound, accepts after {recovered:.1?}",
            all.acked_while_full
        ),
        control: format!("an intake that ignores errors loses {} of {}", deaf.lost, deaf.acked),
        met: (all.acked_while_full, *odd, *lost, *double, *unsound) == (0, 0, 0, 0, 0)
            && *recovered <= RECOVERY
            && *refused > 0
            && deaf.lost > 0,
    }])
}

#[derive(Default)]
struct Outcome {
    disk: &'static str,
    acked: usize,
    acked_while_full: usize,
    refused: usize,
    lost: usize,
    double: u32,
    odd: usize,
    unsound: usize,
    recovered: Duration,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.disk = other.disk;
        self.acked += other.acked;
        self.acked_while_full += other.acked_while_full;
        self.refused += other.refused;
        self.lost += other.lost;
        self.double += other.double;
        self.odd += other.odd;
        self.unsound += other.unsound;
        self.recovered = self.recovered.max(other.recovered);
    }
}

/// Fills a disk, keeps sending while it is full, and makes room.
async fn fill(directory: &Path, naive: Option<Naive>, full: Duration) -> Result<Outcome, BoxError> {
    let ledger = Arc::new(Ledger::create(&directory.join("acked"))?);
    let mut disk = Disk::new(&directory.join("disk"))?;
    let db = disk.path.join("inbox.db");
    let handler = Some(Handler::Sleeps(Duration::from_millis(20)));
    let retain_done = Duration::from_secs(1);
    let spec = Spec { faults: disk.faults(), handler, retain_done, naive, ..Spec::new(&db) };
    let receiver = Receiver::start(&spec).await?;
    let mut load = Load::start(receiver.address(), PARTNERS, &ledger);
    if naive.is_none() {
        filled(&ledger).await?;
    }
    let before = ledger.count();
    tokio::time::sleep(full / 2).await;
    // One that starts on a full disk is no different.
    let broken = load.broken();
    receiver.kill().await?;
    load.ended().await;
    let mut receiver = Receiver::start(&spec).await?;
    let mut load = Load::start(receiver.address(), PARTNERS, &ledger);
    tokio::time::sleep(full / 2).await;
    let acked_while_full = ledger.count() - before;
    let acked = ledger.count();
    disk.make_room(&mut receiver).await?;
    let freed = Instant::now();
    while ledger.count() == acked && freed.elapsed() < 4 * RECOVERY {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let recovered = freed.elapsed();
    let broken = broken + load.broken();
    // There is not much space, and what was accepted needs some of it.
    drop(load);
    settled(&db).await?;
    receiver.kill().await?;
    let contents = contents(&db)?;
    let acked = ledger.acked();
    Ok(Outcome {
        disk: disk.kind(),
        acked: acked.len(),
        acked_while_full,
        refused: ledger.refused(StatusCode::SERVICE_UNAVAILABLE),
        lost: acked.iter().filter(|id| !contents.ids.contains(*id)).count(),
        double: ledger.double_accepts(),
        odd: ledger.odd_answers() + broken,
        unsound: usize::from(contents.integrity != "ok"),
        recovered,
    })
}

/// Waits until something is refused and nothing is accepted any more: what is small may still have
/// room when something larger has not.
async fn filled(ledger: &Ledger) -> Result<(), BoxError> {
    let (start, mut accepted, mut since) = (Instant::now(), 0, Instant::now());
    while since.elapsed() < STEADY {
        if start.elapsed() > PATIENCE {
            return Err("the disk never gets full".into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let refused = ledger.refused(StatusCode::SERVICE_UNAVAILABLE) > 0;
        if ledger.count() != accepted || !refused {
            (accepted, since) = (ledger.count(), Instant::now());
        }
    }
    Ok(())
}

/// A small disk: a file system of its own where mounting is allowed, and otherwise a bound in the
/// file system for SQLite.
struct Disk {
    path: PathBuf,
    mounted: bool,
}

impl Disk {
    fn new(path: &Path) -> Result<Self, BoxError> {
        std::fs::create_dir(path)?;
        let mounted = mount(path)?;
        if mounted {
            std::fs::write(path.join("ballast"), vec![1; BALLAST as usize])?;
        }
        Ok(Self { path: path.to_owned(), mounted })
    }

    fn kind(&self) -> &'static str {
        if self.mounted {
            "a tmpfs of 4 MiB"
        } else {
            "2 MiB for SQLite, since mounting is not allowed"
        }
    }

    /// What the receiver needs to know of it.
    fn faults(&self) -> Vec<Fault> {
        if self.mounted { Vec::new() } else { vec![Fault::Room(DISK - BALLAST)] }
    }

    async fn make_room(&mut self, receiver: &mut Receiver) -> Result<(), BoxError> {
        if self.mounted {
            return Ok(std::fs::remove_file(self.path.join("ballast"))?);
        }
        receiver.set(Fault::Room(DISK)).await
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let path = CString::new(self.path.as_os_str().as_bytes()).unwrap();
            // SAFETY: a path that ends with a zero byte.
            unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        }
    }
}

/// Mounts a tmpfs there; false if that is not allowed.
fn mount(path: &Path) -> Result<bool, BoxError> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let options = CString::new(format!("size={DISK}"))?;
    let kind = c"tmpfs".as_ptr();
    // SAFETY: strings that end with a zero byte.
    let code = unsafe { libc::mount(kind, path.as_ptr(), kind, 0, options.as_ptr().cast()) };
    Ok(code == 0)
}
