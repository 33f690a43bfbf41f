//! Vendor mapping files and path expressions; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::dm::dropin::exercise(data));
