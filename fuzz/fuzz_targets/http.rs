//! Messages of an HTTP server, URLs and cookies; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cpeagent::io::http::exercise(data));
