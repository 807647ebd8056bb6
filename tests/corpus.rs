//! Replays the seeds of the fuzz targets, and asserts of each what its name says.

use std::fs;
use std::path::Path;
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

/// As in the command line.
type Failed = Box<dyn std::error::Error>;

/// What a target checks; whether the data was accepted.
type Property = fn(&[u8]) -> bool;

/// What a run of the fuzzer left there has another name, and only must not break a property.
fn replay(target: &str, property: Property) {
    let (mut accepted, mut refused, started) = (0, 0, Instant::now());
    for (name, data) in seeds(target) {
        let verdict = property(&data);
        if name.starts_with("accept_") {
            assert!(verdict, "{target}/{name} was refused");
            accepted += 1;
        } else if name.starts_with("refuse_") {
            assert!(!verdict, "{target}/{name} was accepted");
            refused += 1;
        }
    }
    assert!(accepted >= 10 && refused >= 10, "{target}: {accepted} and {refused} seeds are left");
    // Each has a minute, and all of them take some seconds.
    let took = started.elapsed();
    println!("{target}: {accepted} seeds accepted, {refused} refused, in {took:.1?}");
    assert!(took < Duration::from_secs(60), "{target}: {took:?}");
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
    // Most of what is chosen is no scheme, so many are, in one order.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut accepted = 0;
    for _ in 0..30_000 {
        let data: [u8; 64] = std::array::from_fn(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        });
        accepted += usize::from(targets::schemes(&data));
    }
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

/// Bytes at random, which no coverage guides but of which there are many more: so many seconds for each, by
/// `INHOOK_FUZZ_SECONDS`, from the seed `INHOOK_FUZZ_SEED`; `INHOOK_FUZZ_TARGET` is one of them alone.
#[test]
fn random_inputs() {
    let said = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let time = Duration::from_millis(said("INHOOK_FUZZ_SECONDS").map_or(200, |it| it * 1000));
    let seed = said("INHOOK_FUZZ_SEED").unwrap_or(1);
    let targets: [(&str, Property); 6] = [
        ("attacks", targets::attacks),
        ("forms", targets::forms),
        ("records", targets::records),
        ("requests", targets::requests),
        ("schemes", targets::schemes),
        ("tags", targets::tags),
    ];
    let alone = std::env::var("INHOOK_FUZZ_TARGET").ok();
    let chosen =
        targets.into_iter().filter(|(target, _)| alone.as_deref().is_none_or(|it| it == *target));
    for (target, property) in chosen {
        // Xorshift, which never leaves 0.
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let (mut executions, mut accepted, started) = (0u64, 0u64, Instant::now());
        while started.elapsed() < time {
            let data: [u8; 64] = std::array::from_fn(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_be_bytes()[3]
            });
            executions += 1;
            accepted += u64::from(property(&data));
        }
        println!("{target}: {executions} executions from seed {seed}, {accepted} accepted");
        assert!(accepted > 0, "{target}: nothing was accepted");
    }
}

/// The names and the bytes.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    files
        .map(|file| (file.file_name().to_string_lossy().into(), fs::read(file.path()).unwrap()))
        .collect()
}
