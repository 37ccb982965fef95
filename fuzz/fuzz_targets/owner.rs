#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restrata::owner::fuzz::fuzz_owner(data));
