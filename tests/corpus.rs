//! Replays the seeds of the fuzz targets, and asserts of each what its name says.

use std::fs;
use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use inhook::fuzzing::targets;

#[cfg(feature = "sqlite")]
#[path = "../fuzz/oracles/inbox.rs"]
#[allow(dead_code, reason = "what the model's own tests need as well")]
mod inbox;
#[path = "../fuzz/oracles/raw_requests.rs"]
mod oracle;
#[path = "../src/bin/inhook/request.rs"]
#[allow(dead_code, reason = "it reads files as well")]
mod request;
#[path = "../src/bin/inhook/doctor/rewrite.rs"]
#[allow(dead_code, reason = "the spellings have names")]
mod rewrite;

/// As in the command line.
type Failed = Box<dyn std::error::Error>;

/// What a target checks; whether the data was accepted.
type Property = fn(&[u8]) -> bool;

/// Whoever believed a length that was declared would need more memory than that.
fn execute(target: &str, property: Property, data: &[u8]) -> bool {
    // Some bodies of an attack have 200 KB, and are there a few times; in some schemes in two spellings each.
    let most = match target {
        "attacks" => 2 << 20,
        "schemes" => 4 << 20,
        _ => 512 << 10,
    };
    let mut accepted = false;
    let memory = allocation_counter::measure(|| accepted = property(data));
    assert!(memory.bytes_max <= most, "{target}: {} bytes at a time", memory.bytes_max);
    accepted
}

/// What a run of the fuzzer left there has another name, and only must not break a property.
fn replay(target: &str, property: Property) {
    let (mut accepted, mut refused, mut took) = (0, 0, Duration::ZERO);
    for (name, data) in seeds(target) {
        let started = Instant::now();
        let verdict = execute(target, property, &data);
        if name.starts_with("accept_") || name.starts_with("refuse_") {
            took += started.elapsed();
        }
        if name.starts_with("accept_") {
            assert!(verdict, "{target}/{name} was refused");
            accepted += 1;
        } else if name.starts_with("refuse_") {
            assert!(!verdict, "{target}/{name} was accepted");
            refused += 1;
        }
    }
    assert!(accepted >= 10 && refused >= 10, "{target}: {accepted} and {refused} seeds are left");
    println!("{target}: {accepted} seeds accepted, {refused} refused, in {took:.1?}");
    // All of them have a minute, and take some seconds.
    static ALL: Mutex<Duration> = Mutex::new(Duration::ZERO);
    let mut all = ALL.lock().unwrap();
    *all += took;
    assert!(*all < Duration::from_secs(60), "{target}: {took:?} of {all:?}");
}

#[test]
fn signature_headers() {
    replay("signature_headers", targets::signature_headers);
}

#[test]
fn signature_lists() {
    replay("signature_lists", targets::signature_lists);
}

#[test]
fn timestamps() {
    replay("timestamps", targets::timestamps);
}

#[test]
fn json_pointers() {
    replay("json_pointers", targets::json_pointers);
}

#[cfg(feature = "moka")]
#[test]
fn dedup_operations() {
    replay("dedup_operations", targets::dedup_operations);
}

#[cfg(feature = "toml")]
#[test]
fn scheme_files() {
    replay("scheme_files", targets::scheme_files);
}

#[cfg(feature = "toml")]
#[test]
fn schemes() {
    replay("schemes", targets::schemes);
    // Most of what is chosen is no scheme, so many are.
    let chosen = random(1).take(30_000);
    let accepted = chosen.filter(|data| targets::schemes(data)).count();
    assert!(accepted >= 300, "only {accepted} of the schemes accepted anything");
}

#[test]
fn sign_mutate_verify() {
    replay("sign_mutate_verify", targets::sign_mutate_verify);
}

#[test]
fn tags() {
    replay("tags", targets::tags);
}

#[test]
fn forms() {
    replay("forms", targets::forms);
}

#[test]
fn requests() {
    replay("requests", targets::requests);
}

#[test]
fn records() {
    replay("records", targets::records);
}

#[test]
fn raw_requests() {
    replay("raw_requests", oracle::check);
}

#[cfg(feature = "sqlite")]
#[test]
fn inbox_memory() {
    replay("inbox_memory", |data| inbox::check(inbox::Kind::Memory, data));
}

#[cfg(feature = "sqlite")]
#[test]
fn inbox_sqlite() {
    replay("inbox_sqlite", |data| inbox::check(inbox::Kind::Sqlite, data));
}

#[test]
fn attacks() {
    replay("attacks", targets::attacks);
}

/// Bytes at random, which no coverage guides but of which there are many more, for targets that make something of
/// any bytes: so many seconds for each, by `INHOOK_FUZZ_SECONDS`, from the seed `INHOOK_FUZZ_SEED`;
/// `INHOOK_FUZZ_TARGET` is one of them alone.
#[test]
fn random_inputs() {
    let said = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let time = Duration::from_millis(said("INHOOK_FUZZ_SECONDS").map_or(200, |it| it * 1000));
    let seed = said("INHOOK_FUZZ_SEED").unwrap_or(1);
    let targets: [(&str, Property); 7] = [
        ("attacks", targets::attacks),
        ("forms", targets::forms),
        ("records", targets::records),
        ("requests", targets::requests),
        ("schemes", targets::schemes),
        ("sign_mutate_verify", targets::sign_mutate_verify),
        ("tags", targets::tags),
    ];
    let alone = std::env::var("INHOOK_FUZZ_TARGET").ok();
    let is_chosen = |target: &str| alone.as_deref().is_none_or(|alone| alone == target);
    let chosen: Vec<_> = targets.into_iter().filter(|(target, _)| is_chosen(target)).collect();
    assert!(!chosen.is_empty(), "none of {targets:?} is {alone:?}");
    for (target, property) in chosen {
        let (mut executions, mut accepted, started) = (0u64, 0u64, Instant::now());
        for data in random(seed).take_while(|_| started.elapsed() < time) {
            executions += 1;
            match catch_unwind(|| execute(target, property, &data)) {
                Ok(is_accepted) => accepted += u64::from(is_accepted),
                Err(panic) => {
                    println!("{target}: a property is broken by {}", const_hex::encode(data));
                    resume_unwind(panic);
                }
            }
        }
        println!("{target}: {executions} executions from seed {seed}, {accepted} accepted");
        assert!(accepted > 0, "{target}: nothing was accepted");
    }
}

/// The same bytes for each seed.
fn random(seed: u64) -> impl Iterator<Item = [u8; 64]> {
    // Xorshift, which never leaves 0.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    std::iter::repeat_with(move || std::array::from_fn(|_| byte()))
}

/// The names and the bytes.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    files
        .map(|file| (file.file_name().to_string_lossy().into(), fs::read(file.path()).unwrap()))
        .collect()
}
