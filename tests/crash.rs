//! The short form of `./scripts/torture`: kills, power cuts, full disks and whatever else is in
//! tests/crash, in a program of its own.

use std::process::Command;

#[test]
fn s7_s8_s12_to_s18_the_promise_holds_while_everything_breaks() {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "-p", "inhook-crash", "--", "--short"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "a target is missed:\n{said}\n{errors}");
}
