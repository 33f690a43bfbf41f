//! Content codings: `gzip` and `deflate`, decoded piece by piece under a bound, encoded for requests. Pure.

use super::head::Bad;
use flate2::write::{DeflateDecoder, GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder};
use std::io::{self, Write};

/// How much compressed input is given to the decompressor at a time, so that what comes out of one step (at most
/// about a thousand times as much) stays small enough to be checked against the bound afterwards.
const STEP: usize = 256;

/// A coding of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, TR-181's `GZIP`.
    Gzip,
    /// `deflate` (zlib), TR-181's `Deflate`.
    Deflate,
}

impl Coding {
    /// Its name in `Content-Encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }

    /// Compresses what `pieces` gives, one piece after the other, until it gives `None`.
    pub fn encode(self, mut pieces: impl FnMut(&mut Vec<u8>) -> io::Result<bool>) -> io::Result<Vec<u8>> {
        let level = flate2::Compression::fast();
        let mut encoder: Box<dyn Finish> = match self {
            Coding::Gzip => Box::new(GzEncoder::new(Vec::new(), level)),
            Coding::Deflate => Box::new(ZlibEncoder::new(Vec::new(), level)),
        };
        let mut piece = Vec::new();
        while pieces(&mut piece)? {
            encoder.write_all(&piece)?;
            piece.clear();
        }
        encoder.finish_boxed()
    }
}

trait Finish: Write {
    fn finish_boxed(self: Box<Self>) -> io::Result<Vec<u8>>;
}

impl Finish for GzEncoder<Vec<u8>> {
    fn finish_boxed(self: Box<Self>) -> io::Result<Vec<u8>> {
        self.finish()
    }
}

impl Finish for ZlibEncoder<Vec<u8>> {
    fn finish_boxed(self: Box<Self>) -> io::Result<Vec<u8>> {
        self.finish()
    }
}

/// Undoes the coding of an answer.
#[derive(Debug)]
pub enum Unpacker {
    /// There is none.
    Identity,
    /// `gzip`.
    Gzip(Box<GzDecoder<Vec<u8>>>),
    /// `deflate`, form not known before the first two octets: zlib, or the bare stream some servers send.
    Undecided(Vec<u8>),
    /// `deflate` as zlib.
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    /// `deflate` without the zlib frame.
    Bare(Box<DeflateDecoder<Vec<u8>>>),
}

impl Unpacker {
    /// For a value of `Content-Encoding`; a coding unknown or applied on top of another is refused.
    pub fn named(coding: &str) -> Result<Unpacker, Bad> {
        match coding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Unpacker::Identity),
            "gzip" | "x-gzip" => Ok(Unpacker::Gzip(Box::new(GzDecoder::new(Vec::new())))),
            "deflate" => Ok(Unpacker::Undecided(Vec::new())),
            _ => Err(Bad::Coding("neither gzip nor deflate")),
        }
    }

    /// Decodes `data` onto the end of `out`; `room` is how many octets may still come, and shrinks.
    pub fn feed(&mut self, data: &[u8], out: &mut Vec<u8>, room: &mut u64) -> Result<(), Bad> {
        match self {
            Unpacker::Identity => return append(data, out, room),
            Unpacker::Undecided(held) => {
                held.extend_from_slice(data);
                let [cmf, flags, ..] = held.as_slice() else { return Ok(()) };
                let zlib = cmf & 15 == 8 && (u16::from(*cmf) << 8 | u16::from(*flags)) % 31 == 0;
                let held = std::mem::take(held);
                *self = if zlib {
                    Unpacker::Zlib(Box::new(ZlibDecoder::new(Vec::new())))
                } else {
                    Unpacker::Bare(Box::new(DeflateDecoder::new(Vec::new())))
                };
                return self.feed(&held, out, room);
            }
            Unpacker::Gzip(_) | Unpacker::Zlib(_) | Unpacker::Bare(_) => {}
        }
        for step in data.chunks(STEP) {
            match self {
                Unpacker::Gzip(d) => d.write_all(step),
                Unpacker::Zlib(d) => d.write_all(step),
                Unpacker::Bare(d) => d.write_all(step),
                Unpacker::Identity | Unpacker::Undecided(_) => Ok(()),
            }
            .map_err(|_| Bad::Coding("the body does not decompress"))?;
            self.drain(out, room)?;
        }
        Ok(())
    }

    /// Says that all has been fed; a stream that is not complete is refused.
    pub fn end(&mut self, out: &mut Vec<u8>, room: &mut u64) -> Result<(), Bad> {
        let ended = match self {
            Unpacker::Identity => return Ok(()),
            Unpacker::Undecided(held) if held.is_empty() => return Ok(()),
            Unpacker::Undecided(_) => return Err(Bad::Coding("the compressed body is cut off")),
            // An empty body needs no stream at all.
            Unpacker::Gzip(d) if d.header().is_none() && d.get_ref().is_empty() => Ok(()),
            Unpacker::Gzip(d) => d.try_finish(),
            Unpacker::Zlib(d) => d.try_finish(),
            Unpacker::Bare(d) => d.try_finish(),
        };
        ended.map_err(|_| Bad::Coding("the compressed body is cut off"))?;
        self.drain(out, room)
    }

    fn drain(&mut self, out: &mut Vec<u8>, room: &mut u64) -> Result<(), Bad> {
        let produced = match self {
            Unpacker::Gzip(d) => d.get_mut(),
            Unpacker::Zlib(d) => d.get_mut(),
            Unpacker::Bare(d) => d.get_mut(),
            Unpacker::Identity | Unpacker::Undecided(_) => return Ok(()),
        };
        append(produced, out, room)?;
        produced.clear();
        Ok(())
    }
}

fn append(data: &[u8], out: &mut Vec<u8>, room: &mut u64) -> Result<(), Bad> {
    *room = room.checked_sub(data.len() as u64).ok_or(Bad::TooLarge("the answer's body"))?;
    out.extend_from_slice(data);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn pack(coding: Coding, text: &[u8]) -> Vec<u8> {
        let mut pieces = text.chunks(100);
        coding.encode(|out| Ok(pieces.next().map(|p| out.extend_from_slice(p)).is_some())).unwrap()
    }

    fn unpack(name: &str, data: &[u8], step: usize, mut room: u64) -> Result<Vec<u8>, Bad> {
        let mut unpacker = Unpacker::named(name)?;
        let mut out = Vec::new();
        for part in data.chunks(step) {
            unpacker.feed(part, &mut out, &mut room)?;
        }
        unpacker.end(&mut out, &mut room)?;
        Ok(out)
    }

    #[test]
    fn every_coding_is_undone_however_it_is_cut() {
        let text: Vec<u8> = (0..5000u32).flat_map(|n| (n % 701).to_be_bytes()).collect();
        let gzip = pack(Coding::Gzip, &text);
        let zlib = pack(Coding::Deflate, &text);
        let bare = &zlib[2..zlib.len() - 4];
        for (name, data) in
            [("gzip", gzip.as_slice()), ("X-GZIP", &gzip), ("deflate", &zlib), ("deflate", bare), ("", &text)]
        {
            for step in [1, 3, 1000, data.len()] {
                assert_eq!(
                    unpack(name, data, step, 1 << 20).as_deref(),
                    Ok(text.as_slice()),
                    "{name} {step}"
                );
            }
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_bound() {
        let bomb = pack(Coding::Gzip, &vec![0; 8 << 20]);
        assert!(bomb.len() < 64 * 1024);
        assert_eq!(unpack("gzip", &bomb, bomb.len(), 1000), Err(Bad::TooLarge("the answer's body")));
    }

    #[test]
    fn cut_spoilt_and_unknown_codings_are_refused() {
        let gzip = pack(Coding::Gzip, &[7; 3000]);
        let mut spoilt = gzip.clone();
        let at = spoilt.len() - 6;
        spoilt[at] ^= 1;
        let cut = &gzip[..gzip.len() - 9];
        assert!(unpack("gzip", cut, 10, 1 << 20).is_err());
        assert!(unpack("gzip", &spoilt, 10, 1 << 20).is_err());
        assert!(unpack("deflate", b"x", 1, 9).is_err());
        assert!(unpack("gzip", b"not gzip at all", 4, 1 << 20).is_err());
        assert!(unpack("br", b"", 1, 1).is_err());
        assert_eq!(unpack("gzip", b"", 1, 1), Ok(Vec::new()), "an empty body has no stream");
    }
}
