#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restrata::toc::fuzz::fuzz_toc(data));
