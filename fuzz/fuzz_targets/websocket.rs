//! Openings of WebSocket sessions, ours and those of others; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cpeagent::usp::mtp::websocket::exercise(data);
});
