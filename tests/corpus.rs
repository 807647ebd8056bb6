//! Replays the seeds of the fuzz targets, and asserts of each what its name says.

use std::fs;
use std::path::Path;

use inhook::fuzzing;

/// What a run of the fuzzer left there has another name, and only must not break a property.
fn replay(target: &str, property: fn(&[u8]) -> bool) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let (mut accepted, mut refused) = (0, 0);
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let verdict = property(&fs::read(&path).unwrap());
        if name.starts_with("accept_") {
            assert!(verdict, "{target}/{name} was refused");
            accepted += 1;
        } else if name.starts_with("refuse_") {
            assert!(!verdict, "{target}/{name} was accepted");
            refused += 1;
        }
    }
    assert!(accepted >= 10 && refused >= 10, "{target}: {accepted} and {refused} seeds are left");
}

#[test]
fn signature_headers() {
    replay("signature_headers", fuzzing::signature_headers);
}

#[test]
fn sign_mutate_verify() {
    replay("sign_mutate_verify", fuzzing::sign_mutate_verify);
}
