#![no_main]

#[path = "../oracles/raw_requests.rs"]
mod oracle;
#[path = "../../src/bin/inhook/request.rs"]
#[allow(dead_code, reason = "it reads files as well")]
mod request;
#[path = "../../src/bin/inhook/doctor/rewrite.rs"]
#[allow(dead_code, reason = "the spellings have names")]
mod rewrite;

type Failed = Box<dyn std::error::Error>;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    oracle::check(data);
});
