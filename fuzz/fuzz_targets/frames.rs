#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restrata::fuzz_frames(data));
