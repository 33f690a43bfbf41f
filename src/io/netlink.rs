//! The kernel's tables and their changes over AF_NETLINK. What the octets mean is [`crate::openwrt::netlink`]'s.

use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::openwrt::netlink::{Dump, Error, Names, Notice, Reading, Step, notices};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Octets of the largest datagram: the kernel fills at most 32 KiB of a dump at a time.
const DATAGRAM: usize = 64 << 10;
/// How often a dump is begun again when its table changed meanwhile.
const TRIES: usize = 5;

/// Links, neighbours, addresses and routes of both families. Source: Linux uapi `RTMGRP_…`.
const GROUPS: u32 = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400;

/// A socket for dumps.
pub struct Netlink {
    socket: Socket,
    seq: u32,
}

impl Netlink {
    /// Opens the socket; needs no privilege.
    pub fn open() -> io::Result<Netlink> {
        Ok(Netlink { socket: Socket::open(0)?, seq: 0 })
    }

    /// A table as a list of rows, in the shape [`crate::openwrt::netlink`] states.
    ///
    /// The kernel answers at once; a caller's deadline is for form.
    pub async fn dump(&mut self, dump: Dump) -> io::Result<Tree> {
        let mut tries = TRIES;
        loop {
            match self.attempt(dump).await? {
                Ok(tree) => return Ok(tree),
                Err(Error::Interrupted) if tries > 1 => tries -= 1,
                Err(why) => return Err(io::Error::other(why)),
            }
        }
    }

    /// The source of the key `nl:` followed by `kind`, the name of a [`Dump`].
    pub async fn source(&mut self, kind: &str) -> Source {
        match Dump::ALL.into_iter().find(|dump| dump.name() == kind) {
            Some(dump) => match self.dump(dump).await {
                Ok(tree) => Source::ready(tree),
                Err(why) => Source::Failed(format!("netlink {kind}: {why}")),
            },
            None => Source::Failed("no such source".into()),
        }
    }

    async fn attempt(&mut self, dump: Dump) -> io::Result<Result<Tree, Error>> {
        self.seq = self.seq.wrapping_add(2);
        let (mut reading, request) = Reading::new(dump, self.seq);
        self.socket.send(&request).await?;
        loop {
            match reading.take(&self.socket.receive().await?) {
                Ok(Step::Receive) => {}
                Ok(Step::Send(request)) => self.socket.send(&request).await?,
                Ok(Step::Done(tree)) => return Ok(Ok(tree)),
                Err(why) => return Ok(Err(why)),
            }
        }
    }
}

/// What the kernel told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Rows that came, changed or went.
    Changes(Vec<Notice>),
    /// So much changed that some of it was not told: read anew what matters.
    Overrun,
}

/// A socket on which the kernel tells of changes to links, addresses, routes and neighbours.
pub struct Watch {
    socket: Socket,
    names: Names,
}

impl Watch {
    /// Opens the socket and learns the names of links; needs no privilege.
    pub async fn open() -> io::Result<Watch> {
        // First the groups, then the dump: a link that appears between the two is told.
        let socket = Socket::open(GROUPS)?;
        let names = Names::of(&Netlink::open()?.dump(Dump::Links).await?);
        Ok(Watch { socket, names })
    }

    /// Waits for changes. Cancelling loses none.
    pub async fn next(&mut self) -> io::Result<Told> {
        loop {
            match self.socket.receive().await {
                Ok(datagram) => {
                    let changes = notices(&datagram, &mut self.names);
                    if !changes.is_empty() {
                        return Ok(Told::Changes(changes));
                    }
                }
                Err(why) if why.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {
                    return Ok(Told::Overrun);
                }
                Err(why) => return Err(why),
            }
        }
    }
}

struct Socket {
    fd: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Socket {
    fn open(groups: u32) -> io::Result<Socket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0 is NETLINK_ROUTE.
        let fd = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        // Its successor is `unsafe` for types that may change their descriptor; an OwnedFd does not.
        #[allow(deprecated)]
        let fd = AsyncFd::new(fd)?;
        Ok(Socket { fd, buffer: vec![0; DATAGRAM] })
    }

    async fn send(&self, request: &[u8]) -> io::Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        loop {
            let mut ready = self.fd.writable().await?;
            let sent = ready.try_io(|fd| Ok(net::sendto(fd, request, SendFlags::empty(), &kernel)?));
            if let Ok(sent) = sent {
                return sent.map(|_| ());
            }
        }
    }

    /// A datagram of the kernel; what other processes send is passed over.
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let mut ready = self.fd.readable().await?;
            let buffer = &mut self.buffer;
            let received = ready.try_io(|fd| Ok(net::recvfrom(fd, buffer.as_mut_slice(), RecvFlags::TRUNC)?));
            let Ok(received) = received else { continue };
            let (kept, length, sender) = received?;
            let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            if kept < length {
                return Err(io::Error::other("a netlink message larger than the buffer"));
            }
            return Ok(self.buffer.get(..kept).unwrap_or_default().to_vec());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(future)
    }

    #[test]
    fn the_kernel_names_the_loopback_device_in_links_and_addresses() {
        block_on(async {
            let mut netlink = Netlink::open().unwrap();
            for dump in [Dump::Links, Dump::Addresses] {
                let tree = netlink.dump(dump).await.unwrap();
                let lo = tree.items().iter().find(|row| row.str("ifname") == Some("lo")).unwrap();
                assert_eq!(lo.str("link_type"), Some("loopback"));
                assert_eq!(lo.get("addr_info").is_some(), dump == Dump::Addresses);
            }
            // An emulator of programs passes on no questions for neighbours.
            let emulated = std::env::var_os("CPEAGENT_RUNNER").is_some();
            let kinds = ["link", "address", "route", "neighbour", "fdb"];
            for kind in kinds.into_iter().take(if emulated { 3 } else { 5 }) {
                assert!(matches!(netlink.source(kind).await, Source::Ready(_)), "{kind}");
            }
            assert!(matches!(netlink.source("rule").await, Source::Failed(_)));
        });
    }
}
