#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restrata::registry::fuzz::fuzz_challenge(data));
