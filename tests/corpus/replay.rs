//! Replays the seeds of the fuzz targets, and asserts of each what its name says.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use inhook::fuzzing::targets;
use inhook::presets::{self, Preset};
#[cfg(feature = "toml")]
use inhook::scheme::Scheme;

#[cfg(feature = "sqlite")]
use crate::inbox;
use crate::{Property, execute, oracle};

/// How the name of a seed begins, by what has to become of it.
const ACCEPTED: &str = "accept_";
const REFUSED: &str = "refuse_";

/// Each seed's verdict is what its name says.
fn replay(target: &str, property: Property) {
    let (mut accepted, mut refused, started) = (0, 0, Instant::now());
    for (name, data) in seeds(target) {
        let verdict = execute(target, property, &data);
        if name.starts_with(ACCEPTED) {
            assert!(verdict, "{target}/{name} was refused");
            accepted += 1;
        } else {
            assert!(!verdict, "{target}/{name} was accepted");
            refused += 1;
        }
    }
    let took = started.elapsed();
    assert!(accepted >= 10 && refused >= 10, "{target}: {accepted} and {refused} seeds are left");
    println!("{target}: {accepted} seeds accepted, {refused} refused, in {took:.1?}");
    // All of them have a minute, and take some seconds.
    static ALL: Mutex<Duration> = Mutex::new(Duration::ZERO);
    let mut all = ALL.lock().unwrap();
    *all += took;
    assert!(*all < Duration::from_secs(60), "{target}: {took:?} of {all:?}");
}

/// A preset is attacked by a target only where there is something to begin with: no fuzzer guesses one.
fn every_preset_has_a_seed(target: &str, is_of: impl Fn(&Preset, &[u8]) -> bool) {
    let accepted = seeds(target).into_iter().filter(|(name, _)| name.starts_with(ACCEPTED));
    let accepted: Vec<Vec<u8>> = accepted.map(|(_, data)| data).collect();
    for preset in presets::all() {
        let has_one = accepted.iter().any(|seed| is_of(preset, seed));
        assert!(has_one, "{target}: no accepted seed of {}", preset.name);
    }
}

/// The names and the bytes. What runs of the fuzzer left there has other names: it is nobody's seed yet.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let named = files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()));
    let seeds = named.filter(|(name, _)| name.starts_with(ACCEPTED) || name.starts_with(REFUSED));
    seeds.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
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
    every_preset_has_a_seed("scheme_files", |preset, seed| {
        let file = seed.split(|byte| *byte == 0).next().unwrap();
        let file = std::str::from_utf8(file).unwrap();
        Scheme::from_toml("seed.toml", file).is_ok_and(|scheme| scheme == preset.scheme)
    });
}

#[cfg(feature = "toml")]
#[test]
fn schemes() {
    replay("schemes", targets::schemes);
    // Most of what is chosen is no scheme, so many are.
    let chosen = crate::random::inputs(1).take(30_000);
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
fn partner_requests() {
    replay("partner_requests", targets::partner_requests);
    every_preset_has_a_seed("partner_requests", |preset, seed| {
        seed.starts_with(format!("{}\n", preset.name).as_bytes())
    });
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
