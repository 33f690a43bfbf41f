//! Messages of a controller; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::usp::msg::exercise(data));
