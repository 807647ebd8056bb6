#![no_main]

#[path = "../oracles/inbox.rs"]
#[allow(dead_code, reason = "what the model's own tests need as well")]
mod oracle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    oracle::check(oracle::Kind::Sqlite, data);
});
