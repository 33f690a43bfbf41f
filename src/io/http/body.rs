//! What a request sends: a body of known length that can be given in pieces and more than once. Pure.

use std::io;

/// The body of a request.
///
/// It is given in pieces so that a large answer need not be in memory at once, and again from its start
/// when the server asks for credentials or sends us elsewhere.
pub trait Body: Send {
    /// Its length in octets, the same at every call.
    fn length(&self) -> u64;

    /// Goes back to the start.
    fn rewind(&mut self);

    /// Puts the next piece at the end of `out`; `false` when there is none left.
    fn piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool>;
}

/// A body that is in memory.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    octets: Vec<u8>,
    given: bool,
}

impl Whole {
    /// The body made of these octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Whole {
        Whole { octets: octets.into(), given: false }
    }
}

impl Body for Whole {
    fn length(&self) -> u64 {
        self.octets.len() as u64
    }

    fn rewind(&mut self) {
        self.given = false;
    }

    fn piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        if self.given || self.octets.is_empty() {
            return Ok(false);
        }
        self.given = true;
        out.extend_from_slice(&self.octets);
        Ok(true)
    }
}
