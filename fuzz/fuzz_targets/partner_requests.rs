#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    inhook::fuzzing::targets::partner_requests(data);
});
