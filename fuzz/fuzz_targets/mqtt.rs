//! What a broker sends, and topics; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cpeagent::usp::mtp::mqtt::exercise(data);
});
