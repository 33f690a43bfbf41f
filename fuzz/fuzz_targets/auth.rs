//! Header fields of HTTP authentication; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::digest::exercise(data));
