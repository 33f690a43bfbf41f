//! Long frames of a WebSocket without a second copy of them.
//!
//! The library writes a frame into a buffer of its own, which keeps the size of the longest one for as long as the session
//! stands. A long Record is made a frame in its own buffer instead, and goes straight to the connection, ahead of what the library
//! writes next; it is let go as soon as it was written. The rules of sessions are [`super::websocket`]'s.

use crate::io::http::connect::Stream;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// From how many octets on a Record is a long one.
pub const LONG: usize = 8 * 1024;

/// A frame that goes ahead, and how much of it was written.
#[derive(Clone, Default)]
pub struct Ahead(Arc<Mutex<(Vec<u8>, usize)>>);

impl Ahead {
    /// Has a frame written ahead of all else. Only where whatever was written before was flushed; it is written with the next flush.
    pub fn put(&self, frame: Vec<u8>) {
        *self.lock() = (frame, 0);
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection with a way past the library.
pub struct Wire {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// What goes ahead.
    pub ahead: Ahead,
}

impl Wire {
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ahead = self.ahead.lock();
        let (frame, written) = &mut *ahead;
        while let Some(rest) = frame.get(*written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        *ahead = Default::default();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_ahead(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_ahead(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_ahead(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Makes a Record one frame, in its own buffer.
//= TR-369 R-WS.14: a Record is a binary message.
//= TR-369 R-WS.14a: a message is sent as one frame.
//= RFC 6455 5.2: the last and only frame of a message; its length in 7, 16 or 64 bits.
//= RFC 6455 5.3: who opened the session masks what it sends.
pub fn frame(mut record: Vec<u8>, mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut head = vec![0x82];
    match (u8::try_from(record.len()), u16::try_from(record.len())) {
        (Ok(short @ ..126), _) => head.push(masked | short),
        (_, Ok(length)) => {
            head.push(masked | 126);
            head.extend(length.to_be_bytes());
        }
        _ => {
            head.push(masked | 127);
            head.extend((record.len() as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        head.extend(mask);
        for (octet, mask) in record.iter_mut().zip(mask.iter().cycle()) {
            *octet ^= mask;
        }
    }
    // No doubling of what is complete.
    record.reserve_exact(head.len());
    record.splice(..0, head);
    record
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

    //= TR-369 R-WS.14a
    //= RFC 6455 5.2
    //= RFC 6455 5.3
    #[test]
    fn a_record_becomes_the_frame_that_the_library_makes_of_it() {
        for size in [0, 1, 125, 126, 0xffff, 0x1_0000, 300_000] {
            let record: Vec<u8> = (0..size).map(|n| n as u8).collect();
            for mask in [None, Some([1, 2, 3, 0xf4])] {
                let header =
                    FrameHeader { mask, opcode: OpCode::Data(Data::Binary), ..FrameHeader::default() };
                let mut want = Vec::new();
                Frame::from_payload(header, record.clone().into()).format(&mut want).unwrap();
                assert!(frame(record.clone(), mask) == want, "{size} {mask:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_goes_ahead_is_written_whole_before_anything_else_and_then_let_go() {
        let (near, mut far) = tokio::io::duplex(7);
        let ahead = Ahead::default();
        let mut wire = Wire { stream: Box::new(near), ahead: ahead.clone() };
        ahead.put(b"a frame that is longer than the pipe".to_vec());
        let writing = async {
            wire.write_all(b"|a Pong").await.unwrap();
            assert_eq!(ahead.lock().0.capacity(), 0);
            ahead.put(b"|another".to_vec());
            wire.flush().await.unwrap();
            drop(wire);
        };
        let mut read = String::new();
        let (_, got) = tokio::join!(writing, far.read_to_string(&mut read));
        got.unwrap();
        assert_eq!(read, "a frame that is longer than the pipe|a Pong|another");
    }
}
