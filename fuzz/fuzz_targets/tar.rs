#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restrata::tar::fuzz::fuzz_tar(data));
