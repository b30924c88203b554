#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringwood_wal::fuzz::record(data));
