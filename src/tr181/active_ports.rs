//! The TCP sockets that listen or are connected: `tree active_ports`, from the kernel's tables.

use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most sockets that are told.
const MAX_SOCKETS: usize = 512;

/// The derived tree `active_ports`: a list of `local`, `local_port`, `remote`, `remote_port`, `status`.
pub fn active_ports(view: &View<'_>) -> Result<Tree, Stop> {
    let sources = [view.tree("file:/proc/net/tcp"), view.tree("file:/proc/net/tcp6"), view.tree("sys:facts")];
    let [four, six, facts] = sources;
    let little = facts?.and_then(|facts| facts.str("byte_order")) != Some("big");
    let mut out = Vec::new();
    for table in [four?, six?] {
        let lines = table.and_then(Tree::as_str).unwrap_or_default().lines().skip(1);
        out.extend(lines.filter_map(|line| socket(line, little)));
    }
    out.truncate(MAX_SOCKETS);
    Ok(Tree::List(out))
}

/// A line of `/proc/net/tcp` or `tcp6`; nothing for a socket that neither listens nor is connected.
fn socket(line: &str, little: bool) -> Option<Tree> {
    let mut words = line.split_whitespace().skip(1);
    let (local, local_port) = endpoint(words.next()?, little)?;
    let (remote, remote_port) = endpoint(words.next()?, little)?;
    let listens = match words.next()? {
        "0A" => true,
        "01" => false,
        _ => return None,
    };
    //= TR-181 IP.ActivePort: a listening socket has no remote side.
    Some(Tree::map([
        ("local", Tree::from(local.to_string())),
        ("local_port", local_port.to_string().into()),
        ("remote", if listens { String::new() } else { remote.to_string() }.into()),
        ("remote_port", remote_port.to_string().into()),
        ("status", if listens { "LISTEN" } else { "ESTABLISHED" }.into()),
    ]))
}

/// `0100007F:0050`: words of 32 bits as the CPU orders them, then the port.
fn endpoint(text: &str, little: bool) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        bytes.extend(if little { word.to_le_bytes() } else { word.to_be_bytes() });
    }
    let port = u16::from_str_radix(port, 16).ok()?;
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some((IpAddr::V4(Ipv4Addr::from(four)), port));
    }
    let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
    Some((six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-181 IP.ActivePort: a listening socket has no remote side.
    #[test]
    fn sockets_are_read_in_the_byte_order_of_the_cpu() {
        for (line, little, want) in [
            ("0: 0100007F:0050 00000000:0000 0A x", true, Some("127.0.0.1 80  0 LISTEN")),
            ("0: 7F000001:0050 00000000:0000 0A x", false, Some("127.0.0.1 80  0 LISTEN")),
            (
                "1: 0101A8C0:0016 0201A8C0:C350 01 x",
                true,
                Some("192.168.1.1 22 192.168.1.2 50000 ESTABLISHED"),
            ),
            (
                "2: B80D0120000000000000000001000000:0035 00000000000000000000000000000000:0000 0A x",
                true,
                Some("2001:db8::1 53  0 LISTEN"),
            ),
            ("3: 0101A8C0:0016 0201A8C0:C350 06 x", true, None),
            ("4: 01:0016 0201A8C0:C350 01 x", true, None),
        ] {
            let got = socket(line, little).map(|tree| {
                let fields: Vec<&str> =
                    tree.entries().iter().filter_map(|(_, value)| value.as_str()).collect();
                fields.join(" ")
            });
            assert_eq!(got.as_deref(), want, "{line}");
        }
    }
}
