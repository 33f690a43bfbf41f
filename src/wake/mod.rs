//! Connection requests: digest over HTTP, STUN bindings and signed UDP requests. No I/O.
