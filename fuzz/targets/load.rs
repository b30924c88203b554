#![no_main]

#[path = "../../cli/src/escape.rs"]
mod escape;
mod transfer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| transfer::load(data));
