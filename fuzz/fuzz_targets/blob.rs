//! ubus frames and blobmsg; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::openwrt::ubus::blob::exercise(data));
