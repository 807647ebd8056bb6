#![no_main]

#[path = "../oracles/raw_requests.rs"]
mod oracle;
#[path = "../../src/bin/inhook/request.rs"]
#[allow(dead_code, reason = "it reads files as well")]
mod request;

type Failed = Box<dyn std::error::Error>;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    oracle::check(data);
});
