//! Echo requests of ICMP and ICMPv6, and what comes back: written and read, never sent.

/// An answer to an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The host has answered the request with this sequence number.
    Reply(u16),
    /// A router on the way let the packet's life end.
    Expired(u16),
    /// It cannot be delivered; the code says why.
    Unreachable(u16, u8),
}

/// Octets ahead of the payload.
const HEADER: usize = 8;

/// An echo request with `size` octets of payload.
///
/// Source: RFC 792 echo, RFC 4443 4.1. The checksum of ICMPv6 is the kernel's.
pub fn request(v6: bool, id: u16, sequence: u16, size: u16) -> Vec<u8> {
    let mut out = vec![if v6 { 128 } else { 8 }, 0, 0, 0];
    out.extend(id.to_be_bytes());
    out.extend(sequence.to_be_bytes());
    out.extend((0..size).map(|at| b'a' + (at % 23) as u8));
    if !v6 {
        let sum = checksum(&out).to_be_bytes();
        out.splice(2..4, sum);
    }
    out
}

/// The ones' complement sum of RFC 1071.
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.fold(0, u32::wrapping_add);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(u16::try_from(sum).unwrap_or(0xffff))
}

/// What a received packet says of a request of ours: `id` is what the requests bore, `None` where the kernel gives only
/// our own. `ip` says that an IPv4 header stands in front, as it does on raw sockets.
///
/// Returns `None` for everything else.
pub fn answer(v6: bool, ip: bool, id: Option<u16>, packet: &[u8]) -> Option<Answer> {
    let message = if ip { after_v4(packet)? } else { packet };
    let (kind, code) = (*message.first()?, *message.get(1)?);
    let ours = |echo: &[u8]| {
        let word = |at: usize| Some(u16::from_be_bytes([*echo.get(at)?, *echo.get(at + 1)?]));
        let sequence = word(6)?;
        (id.is_none() || word(4) == id).then_some(sequence)
    };
    // What was sent is repeated behind the header of an error.
    let sent = || {
        let inner = message.get(HEADER..)?;
        let echo = if v6 { inner.get(40..)? } else { after_v4(inner)? };
        (*echo.first()? == if v6 { 128 } else { 8 }).then_some(())?;
        ours(echo)
    };
    match (v6, kind) {
        (false, 0) | (true, 129) => Some(Answer::Reply(ours(message)?)),
        (false, 11) | (true, 3) => Some(Answer::Expired(sent()?)),
        (false, 3) | (true, 1) => Some(Answer::Unreachable(sent()?, code)),
        _ => None,
    }
}

fn after_v4(packet: &[u8]) -> Option<&[u8]> {
    let first = packet.first()?;
    (first >> 4 == 4).then(|| packet.get(usize::from(first & 0xf) * 4..))?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn v4(inner: &[u8]) -> Vec<u8> {
        let mut out = vec![0x45; 1];
        out.resize(20, 0);
        out.extend(inner);
        out
    }

    #[test]
    fn the_checksum_over_a_whole_request_is_zero() {
        for size in [0, 1, 56, 65_535] {
            let packet = request(false, 7, 9, size);
            assert_eq!((packet.len(), checksum(&packet)), (8 + usize::from(size), 0), "{size}");
        }
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2, "RFC 1071 3");
    }

    #[test]
    fn only_answers_to_our_own_requests_count() {
        let reply = |kind: u8, id: u16| {
            let mut packet = request(false, id, 5, 8);
            packet[0] = kind;
            packet
        };
        let error = |kind: u8, code: u8, id: u16| {
            let mut packet = vec![kind, code, 0, 0, 0, 0, 0, 0];
            packet.extend(v4(&request(false, id, 5, 0)));
            packet
        };
        for (packet, want) in [
            (reply(0, 7), Some(Answer::Reply(5))),
            (reply(0, 8), None),
            (reply(8, 7), None),
            (error(11, 0, 7), Some(Answer::Expired(5))),
            (error(11, 0, 8), None),
            (error(3, 1, 7), Some(Answer::Unreachable(5, 1))),
            (vec![11, 0], None),
            (Vec::new(), None),
        ] {
            assert_eq!(answer(false, true, Some(7), &v4(&packet)), want, "{packet:?}");
            assert_eq!(answer(false, false, Some(7), &packet), want, "{packet:?}");
        }
        assert_eq!(answer(false, false, None, &reply(0, 8)), Some(Answer::Reply(5)), "the kernel's own id");
        let mut expired = vec![3, 0, 0, 0, 0, 0, 0, 0];
        expired.resize(48, 0x60);
        expired.extend(request(true, 7, 6, 0));
        assert_eq!(answer(true, false, Some(7), &expired), Some(Answer::Expired(6)));
    }
}
