//! Envelopes from an ACS; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::cwmp::soap::exercise(data));
