//! rtnetlink without its socket: requests as octets, answers and notices as the trees of `ip -j -d` and `bridge -j`.
//!
//! A recording made with the stock tools and the live kernel therefore give the same tree, for the keys written here:
//!
//! | dump | recorded with |
//! |---|---|
//! | [`Dump::Links`] | `ip -j -d -s link show` |
//! | [`Dump::Addresses`] | `ip -j -d addr show` |
//! | [`Dump::Routes`] | `ip -j -d route show table all` |
//! | [`Dump::Neighbours`] | `ip -j -d neigh show` |
//! | [`Dump::Fdb`] | `bridge -j fdb show` |
//!
//! Numbers are in the order of the machine's octets, as the kernel gives them. `io::netlink` owns the socket.

mod address;
mod link;
mod neighbour;
mod route;
#[cfg(test)]
mod tests;
mod wire;

use crate::dm::tree::Tree;
pub use link::Names;
use std::fmt;
use wire::{DONE, ERROR, INTERRUPTED};
pub use wire::{Message, messages};

/// Octets of one dump's messages that are kept; some ten thousand routes.
pub const MAX_DUMP: usize = 4 << 20;

/// A table of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dump {
    /// Network devices: `ifindex link link_index ifname flags mtu master operstate link_type address link_pointtopoint
    /// broadcast permaddr linkinfo phys_port_name ifalias stats64`.
    ///
    /// `linkinfo.info_data` is there for bridges, VLANs and switch ports, `info_slave_data` for ports of a bridge.
    Links,
    /// The same without `stats64`, and `addr_info`: `family local address prefixlen metric broadcast scope`, the flags that
    /// are set (`true`), `protocol label valid_life_time preferred_life_time` (seconds; 4294967295 is for ever).
    ///
    /// `addr_info.address` is the peer, only where it differs.
    Addresses,
    /// IPv4 and IPv6 routes of all routing tables: `type dst from gateway via dev table protocol scope prefsrc metric flags
    /// expires pref nexthops`.
    ///
    /// Every IPv6 route has `pref` and no IPv4 route does, which tells `default` of one family from that of the other.
    Routes,
    /// IPv4 and IPv6 neighbours, without those that never resolve (NOARP) as `ip` leaves them out: `dst dev lladdr state`.
    Neighbours,
    /// Forwarding entries of bridges and device filters: `mac ifname dst vlan flags master state`; the `state` of a learned
    /// one is the empty text.
    Fdb,
}

impl Dump {
    /// All of them.
    pub const ALL: [Dump; 5] = [Dump::Links, Dump::Addresses, Dump::Routes, Dump::Neighbours, Dump::Fdb];

    /// Its name in source keys (`nl:link`) and in recordings.
    pub fn name(self) -> &'static str {
        match self {
            Dump::Links => "link",
            Dump::Addresses => "address",
            Dump::Routes => "route",
            Dump::Neighbours => "neighbour",
            Dump::Fdb => "fdb",
        }
    }
}

/// Why a dump gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The kernel's error number, positive.
    Refused(i32),
    /// The table changed meanwhile: worth another try.
    Interrupted,
    /// More than [`MAX_DUMP`].
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(number) => write!(f, "the kernel refused the dump (error {number})"),
            Error::Interrupted => f.write_str("the table changed during the dump"),
            Error::TooLarge => write!(f, "the dump is larger than {MAX_DUMP} octets"),
        }
    }
}

impl std::error::Error for Error {}

/// What to do after a datagram of a dump.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Receive the next datagram.
    Receive,
    /// Send this request, then receive.
    Send(Vec<u8>),
    /// The dump is complete: a list of rows.
    Done(Tree),
}

/// One dump under way. The links come first, because every other table names them by number.
#[derive(Debug)]
pub struct Reading {
    dump: Dump,
    seq: u32,
    links: Option<Vec<Vec<u8>>>,
    kept: Vec<Vec<u8>>,
    size: usize,
}

impl Reading {
    /// A dump, and the request to send for it. `seq` and `seq + 1` mark its messages.
    pub fn new(dump: Dump, seq: u32) -> (Reading, Vec<u8>) {
        let reading = Reading { dump, seq, links: None, kept: Vec::new(), size: 0 };
        (reading, wire::request(Dump::Links, seq))
    }

    /// Takes a datagram. Messages of another sequence number are passed over.
    pub fn take(&mut self, datagram: &[u8]) -> Result<Step, Error> {
        for message in messages(datagram).filter(|message| message.seq == self.seq) {
            if message.flags & INTERRUPTED != 0 {
                return Err(Error::Interrupted);
            }
            match message.kind {
                DONE => return Ok(self.next()),
                ERROR => match message.error() {
                    0 => {}
                    number => return Err(Error::Refused(number)),
                },
                _ => {
                    self.size += message.octets.len();
                    if self.size > MAX_DUMP {
                        return Err(Error::TooLarge);
                    }
                    self.kept.push(message.octets.to_vec());
                }
            }
        }
        Ok(Step::Receive)
    }

    fn next(&mut self) -> Step {
        let kept = std::mem::take(&mut self.kept);
        match (self.dump, self.links.take()) {
            (Dump::Links, None) => Step::Done(rows(Dump::Links, &kept, &[])),
            (dump, None) => {
                self.links = Some(kept);
                self.seq = self.seq.wrapping_add(1);
                Step::Send(wire::request(dump, self.seq))
            }
            (dump, Some(links)) => Step::Done(rows(dump, &links, &kept)),
        }
    }
}

fn rows(dump: Dump, links: &[Vec<u8>], others: &[Vec<u8>]) -> Tree {
    let every = |of: &'_ [Vec<u8>], row: &dyn Fn(Message<'_>) -> Option<Tree>| -> Tree {
        Tree::List(of.iter().flat_map(|octets| messages(octets)).filter_map(row).collect())
    };
    let mut names = Names::default();
    links.iter().flat_map(|octets| messages(octets)).for_each(|message| names.learn(&message));
    match dump {
        Dump::Links => every(links, &|message| link::row(&message, &names, true)),
        Dump::Addresses => every(links, &|message| {
            let mut row = link::row(&message, &names, false)?;
            let index = link::index(&message)?;
            let of = others.iter().flat_map(|octets| messages(octets));
            let own = of.filter_map(|message| address::row(&message)).filter(|(of, _)| *of == index);
            row.set("addr_info", Tree::List(own.map(|(_, row)| row).collect()));
            Some(row)
        }),
        Dump::Routes => every(others, &|message| route::row(&message, &names)),
        Dump::Neighbours => every(others, &|message| neighbour::row(&message, &names)),
        Dump::Fdb => every(others, &|message| neighbour::fdb_row(&message, &names)),
    }
}

/// A change the kernel tells of by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The table that changed.
    pub table: Dump,
    /// Whether the row is gone; else it is new or changed.
    pub gone: bool,
    /// The row, as the dump has it; an address stands alone in its link's `addr_info`, beside `ifindex` and `ifname`.
    pub row: Tree,
}

/// The notices in a datagram. `names` learns of new and renamed links from it.
pub fn notices(datagram: &[u8], names: &mut Names) -> Vec<Notice> {
    let mut notices = Vec::new();
    for message in messages(datagram) {
        names.learn(&message);
        let row = match message.kind & !3 {
            wire::LINK => link::row(&message, names, true).map(|row| (Dump::Links, row)),
            wire::ADDRESS => address::row(&message).map(|(index, row)| {
                let info = Tree::List(vec![row]);
                let index_text = Tree::from(index.to_string());
                let name = Tree::from(names.name(index));
                (Dump::Addresses, Tree::map([("ifindex", index_text), ("ifname", name), ("addr_info", info)]))
            }),
            wire::ROUTE => route::row(&message, names).map(|row| (Dump::Routes, row)),
            wire::NEIGHBOUR => match neighbour::fdb_row(&message, names) {
                Some(row) => Some((Dump::Fdb, row)),
                None => neighbour::row(&message, names).map(|row| (Dump::Neighbours, row)),
            },
            _ => None,
        };
        let gone = message.kind & 3 == 1;
        notices.extend(row.map(|(table, row)| Notice { table, gone, row }));
        if gone {
            names.forget(&message);
        }
    }
    notices
}

/// Reads `data` as datagrams of every kind; nothing may panic, and a dump's result must not depend on how often it is asked for.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    let whole = [data.to_vec()];
    for dump in Dump::ALL {
        assert_eq!(rows(dump, &whole, &whole), rows(dump, &whole, &whole));
        let (mut reading, _) = Reading::new(dump, 1);
        let _ = reading.take(data);
    }
    notices(data, &mut Names::default());
}
