//! Runs fuzz targets on bytes at random: `./scripts/figures` does so for longer.

use std::panic::{catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use inhook::fuzzing::targets;

use crate::variable::whole_number;
use crate::{Property, execute};

/// Bytes at random, which no coverage guides but of which there are many more, for targets that make something of
/// any bytes: so many seconds for each, by `INHOOK_FUZZ_SECONDS`, from the seed `INHOOK_FUZZ_SEED`;
/// `INHOOK_FUZZ_TARGET` is one of them alone.
#[test]
fn random_inputs() {
    let seconds = whole_number("INHOOK_FUZZ_SECONDS");
    let time = seconds.map_or(Duration::from_millis(200), Duration::from_secs);
    let seed = whole_number("INHOOK_FUZZ_SEED").unwrap_or(1);
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
        // On a busy machine the time may be over before there was one that is accepted.
        let goes_on = |count: usize| count < 1_000 || started.elapsed() < time;
        for (_, data) in inputs(seed).enumerate().take_while(|(count, _)| goes_on(*count)) {
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

/// Inputs of 64 bytes: the same ones for each seed.
pub(crate) fn inputs(seed: u64) -> impl Iterator<Item = [u8; 64]> {
    let mut bytes = targets::random_bytes(seed);
    std::iter::repeat_with(move || std::array::from_fn(|_| bytes.next().unwrap()))
}
