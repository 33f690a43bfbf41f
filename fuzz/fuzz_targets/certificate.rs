//! Certificates of peers; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cpeagent::x509::exercise(data);
});
