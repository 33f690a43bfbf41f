//! Content codings: `gzip` and `deflate`, decoded piece by piece under a bound, encoded for requests. Pure.

use super::head::Bad;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use std::io;

/// How hard is tried: answers to an ACS are texts full of repetitions, and processors are slow.
const LEVEL: u8 = 1;
/// How much comes out of the decompressor at a time, before it is held against the bound.
const STEP: usize = 4096;
/// Longest head of a gzip stream, the file's name and remarks included.
const MAX_HEAD: usize = 4096;
/// The head of a gzip stream without name and time, from no system in particular. Source: RFC 1952 2.3.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

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
        let (format, mut out) = match self {
            Coding::Gzip => (DataFormat::Raw, GZIP_HEAD.to_vec()),
            Coding::Deflate => (DataFormat::Zlib, Vec::new()),
        };
        let mut packer = Box::<CompressorOxide>::default();
        packer.set_format_and_level(format, LEVEL);
        let mut sum = Sum::default();
        let mut piece = Vec::new();
        let mut more = true;
        while more {
            piece.clear();
            more = pieces(&mut piece)?;
            sum.add(&piece);
            let flush = if more { TDEFLFlush::None } else { TDEFLFlush::Finish };
            compress_to_output(&mut packer, &piece, flush, |packed| {
                out.extend_from_slice(packed);
                true
            });
        }
        if self == Coding::Gzip {
            out.extend_from_slice(&sum.trailer());
        }
        Ok(out)
    }
}

/// What a gzip stream ends with: the CRC-32 and the length of what it holds. Source: RFC 1952 2.3.1, 8.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    crc: u32,
    length: u32,
}

impl Sum {
    fn add(&mut self, octets: &[u8]) {
        self.length = self.length.wrapping_add(octets.len() as u32);
        let mut crc = !self.crc;
        for octet in octets {
            crc ^= u32::from(*octet);
            // Bit by bit: what tables would save on bodies of this size is not worth their room.
            for _ in 0..8 {
                crc = crc >> 1 ^ 0xedb8_8320 & (crc & 1).wrapping_neg();
            }
        }
        self.crc = !crc;
    }

    fn trailer(self) -> Vec<u8> {
        [self.crc.to_le_bytes(), self.length.to_le_bytes()].concat()
    }
}

/// Undoes the coding of an answer.
#[derive(Debug)]
pub enum Unpacker {
    /// There is none.
    Identity,
    /// `gzip` or `deflate`.
    Packed(Box<Packed>),
}

/// A compressed stream, as far as it was read.
pub struct Packed {
    gzip: bool,
    /// The head as long as it is not complete, afterwards the trailer.
    held: Vec<u8>,
    /// Once the head is complete.
    body: Option<Box<InflateState>>,
    ended: bool,
    sum: Sum,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.gzip { "gzip" } else { "deflate" })
    }
}

const SPOILT: Bad = Bad::Coding("the body does not decompress");
const CUT: Bad = Bad::Coding("the compressed body is cut off");

impl Unpacker {
    /// For a value of `Content-Encoding`; a coding unknown or applied on top of another is refused.
    pub fn named(coding: &str) -> Result<Unpacker, Bad> {
        let gzip = match coding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(Unpacker::Identity),
            "gzip" | "x-gzip" => true,
            "deflate" => false,
            _ => return Err(Bad::Coding("neither gzip nor deflate")),
        };
        let packed = Packed { gzip, held: Vec::new(), body: None, ended: false, sum: Sum::default() };
        Ok(Unpacker::Packed(Box::new(packed)))
    }

    /// Decodes `data` onto the end of `out`; `room` is how many octets may still come, and shrinks.
    pub fn feed(&mut self, data: &[u8], out: &mut Vec<u8>, room: &mut u64) -> Result<(), Bad> {
        match self {
            Unpacker::Identity => append(data, out, room),
            Unpacker::Packed(packed) => packed.feed(data, out, room),
        }
    }

    /// Says that all has been fed; a stream that is not complete is refused.
    pub fn end(&self) -> Result<(), Bad> {
        match self {
            Unpacker::Identity => Ok(()),
            Unpacker::Packed(packed) => packed.end(),
        }
    }
}

impl Packed {
    fn feed(&mut self, data: &[u8], out: &mut Vec<u8>, room: &mut u64) -> Result<(), Bad> {
        let body = match &mut self.body {
            Some(body) => body,
            empty => {
                self.held.extend_from_slice(data);
                let begun = if self.gzip { after_gzip_head(&self.held)? } else { deflated(&self.held) };
                let Some((format, start)) = begun else {
                    return if self.held.len() > MAX_HEAD { Err(SPOILT) } else { Ok(()) };
                };
                *empty = Some(InflateState::new_boxed(format));
                let rest = self.held.split_off(start);
                self.held.clear();
                return self.feed(&rest, out, room);
            }
        };
        let mut data = data;
        let mut step = [0; STEP];
        while !self.ended {
            let done = inflate(body, data, &mut step, MZFlush::None);
            data = data.get(done.bytes_consumed..).unwrap_or_default();
            let made = step.get(..done.bytes_written).unwrap_or_default();
            self.sum.add(made);
            append(made, out, room)?;
            match done.status {
                Ok(MZStatus::StreamEnd) => self.ended = true,
                // It waits for more.
                Err(MZError::Buf) => return Ok(()),
                Ok(_) => {}
                Err(_) => return Err(SPOILT),
            }
        }
        self.held.extend_from_slice(data);
        let trailer = if self.gzip { 8 } else { 0 };
        if self.held.len() > trailer { Err(SPOILT) } else { Ok(()) }
    }

    fn end(&self) -> Result<(), Bad> {
        match &self.body {
            // An empty body needs no stream at all.
            None if self.held.is_empty() => Ok(()),
            Some(_) if self.ended && !self.gzip => Ok(()),
            Some(_) if self.ended && self.held.len() == 8 => {
                if self.held == self.sum.trailer() {
                    Ok(())
                } else {
                    Err(SPOILT)
                }
            }
            Some(_) | None => Err(CUT),
        }
    }
}

/// Where a gzip stream's body begins; `None` as long as its head is not complete. Source: RFC 1952 2.3.
fn after_gzip_head(held: &[u8]) -> Result<Option<(DataFormat, usize)>, Bad> {
    let [a, b, method, flags, _, _, _, _, _, _, rest @ ..] = held else {
        let known = GZIP_HEAD.get(..3.min(held.len())).unwrap_or_default();
        return if held.starts_with(known) { Ok(None) } else { Err(SPOILT) };
    };
    if [*a, *b, *method] != [0x1f, 0x8b, 8] || flags & 0xe0 != 0 {
        return Err(SPOILT);
    }
    let mut rest = Some(rest);
    if flags & 4 != 0 {
        rest = rest.and_then(|rest| match rest {
            [low, high, rest @ ..] => rest.get(usize::from(u16::from_le_bytes([*low, *high]))..),
            _ => None,
        });
    }
    // Name and remarks, each with a nought behind it.
    for _ in 0..(flags & 24).count_ones() {
        rest = rest.and_then(|rest| rest.get(rest.iter().position(|octet| *octet == 0)? + 1..));
    }
    if flags & 2 != 0 {
        rest = rest.and_then(|rest| rest.get(2..));
    }
    Ok(rest.map(|rest| (DataFormat::Raw, held.len() - rest.len())))
}

/// In which form `deflate` comes, which shows in the first two octets: zlib's, or the bare stream some servers send.
fn deflated(held: &[u8]) -> Option<(DataFormat, usize)> {
    let [cmf, flags, ..] = held else { return None };
    let zlib = cmf & 15 == 8 && (u16::from(*cmf) << 8 | u16::from(*flags)) % 31 == 0;
    Some((if zlib { DataFormat::Zlib } else { DataFormat::Raw }, 0))
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
        unpacker.end()?;
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
    //= RFC 1952 2.3: the head may carry further fields, a name, remarks and a sum of its own.
    fn a_head_with_all_its_fields_is_passed_over() {
        let plain = pack(Coding::Gzip, b"text");
        let mut full = vec![0x1f, 0x8b, 8, 4 | 8 | 16 | 2, 1, 2, 3, 4, 0, 3];
        full.extend_from_slice(b"\x03\0abcname\0remark\0\x12\x34");
        full.extend_from_slice(&plain[10..]);
        for step in [1, 7, full.len()] {
            assert_eq!(unpack("gzip", &full, step, 9).as_deref(), Ok(b"text".as_slice()), "{step}");
        }
        let endless = [&full[..18], &[b'n'; 2 * MAX_HEAD]].concat();
        assert!(unpack("gzip", &endless, 100, 9).is_err());
        let reserved = [&[0x1f, 0x8b, 8, 0x20], &plain[4..]].concat();
        assert!(unpack("gzip", &reserved, 100, 9).is_err());
    }

    #[test]
    fn the_sum_is_that_of_the_standard() {
        let mut sum = Sum::default();
        sum.add(b"12345");
        sum.add(b"6789");
        assert_eq!(sum.trailer(), [0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0]);
        let mut by_flate2 = flate2::read::GzDecoder::new(io::Cursor::new(pack(Coding::Gzip, b"123456789")));
        assert_eq!(io::read_to_string(&mut by_flate2).unwrap(), "123456789");
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
        let behind = [gzip.as_slice(), b"x"].concat();
        assert!(unpack("gzip", &behind, 10, 1 << 20).is_err());
        assert!(unpack("gzip", b"not gzip at all", 4, 1 << 20).is_err());
        assert!(unpack("br", b"", 1, 1).is_err());
        assert_eq!(unpack("gzip", b"", 1, 1), Ok(Vec::new()), "an empty body has no stream");
    }
}
