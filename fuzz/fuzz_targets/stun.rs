//! Datagrams at the port of connection requests; what must hold is with the code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cpeagent::wake::stun::exercise(data);
    cpeagent::wake::binding::exercise(data);
});
