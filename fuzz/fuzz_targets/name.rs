#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restrata::registry::names::fuzz::fuzz_name(data));
