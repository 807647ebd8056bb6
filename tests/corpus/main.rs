//! The fuzz targets without a fuzzer: their seeds, and bytes at random.

#[cfg(feature = "sqlite")]
#[path = "../../fuzz/oracles/inbox.rs"]
#[allow(dead_code, reason = "what the model's own tests need as well")]
mod inbox;
#[path = "../../fuzz/oracles/raw_requests.rs"]
mod oracle;
mod random;
mod replay;
#[path = "../../src/bin/inhook/request.rs"]
#[allow(dead_code, reason = "it reads files as well")]
mod request;
#[path = "../../src/bin/inhook/doctor/rewrite.rs"]
#[allow(dead_code, reason = "the spellings have names")]
mod rewrite;
#[path = "../common/variable.rs"]
mod variable;

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
