#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restrata::oci::fuzz::fuzz_manifest(data));
