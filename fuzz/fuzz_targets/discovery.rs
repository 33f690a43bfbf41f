//! Options of DHCP: never a panic, and what becomes settings is allowed there.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::discovery::exercise(data));
