//! Packages, staged changes and their printing; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::openwrt::uci::exercise(data));
