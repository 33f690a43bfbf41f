//! Netlink dumps and notices; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::openwrt::netlink::exercise(data));
