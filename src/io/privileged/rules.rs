//! What root does not do for the part that talks to the network, whatever it says.
//!
//! Of the packages only those of the data model are written, and in them nothing that has a daemon run a program or read a file
//! of the asker's choice, which would be root by another way. Files are read for it only where the data model has them. Kept
//! also where there is one process, so that what is refused on one router is refused on all.

use super::{Answer, Ask};
use crate::dm::edit::{Change, Edit};
use crate::dm::record::STATE;
use crate::dm::tree::Tree;
use crate::io::commit::Error;
use crate::io::disk::Disk;
use crate::io::dropin;
use std::io;

/// The packages that the data model maps.
const PACKAGES: &[&str] =
    &["cpeagent", "dhcp", "firewall", "network", "rpcd", "system", "uhttpd", "upnpd", "wireless"];

/// Options by package.
type Table = &'static [(&'static str, &'static [&'static str])];

/// Sections that run what they name. Source: firewall4, `include` of type `script` and `nftables`.
const KINDS: &[(&str, &str)] = &[("firewall", "include")];

/// Options that name a program, a folder of settings, or lines handed on as they are.
///
/// Source: the init scripts and protocol handlers of dnsmasq, odhcpd, netifd, hostapd, uhttpd, miniupnpd, logd.
const OPTIONS: Table = &[
    (
        "dhcp",
        &[
            "addnhosts",
            "addnmount",
            "confdir",
            "dhcphostsfile",
            "dhcpscript",
            "extraconftext",
            "hostsfile",
            "leasefile",
            "leasetrigger",
            "logfacility",
            "piofolder",
            "resolvfile",
            "serversfile",
            "tftp_root",
        ],
    ),
    ("firewall", &["extra", "loadfile", "path", "reload"]),
    ("network", &["config_file", "connect", "disconnect", "script", "userscript"]),
    ("system", &["log_file", "ttylogin"]),
    (
        "uhttpd",
        &[
            "alias",
            "cert",
            "cgi_prefix",
            "config",
            "home",
            "interpreter",
            "json_script",
            "key",
            "lua_handler",
            "lua_prefix",
            "ucode_prefix",
        ],
    ),
    ("upnpd", &["config_file", "upnp_lease_file"]),
    (
        "wireless",
        &[
            "ca_cert",
            "client_cert",
            "eap_user_file",
            "hostapd_bss_options",
            "hostapd_options",
            "macfile",
            "path",
            "priv_key",
            "sae_password_file",
            "vlan_file",
            "wpa_psk_file",
        ],
    ),
];

/// Options that scripts hand on as words: they must be one. Source: `ppp.sh`, where they stand without quotes.
const WORDS: Table =
    &[("network", &["demand", "host_uniq", "ipv6", "maxfail", "mtu", "persist", "unitname"])];

/// Words that may come into `pppd_options`, where others would run programs or load plugins.
const PPPD: &[&str] = &["demand", "holdoff", "idle", "maxfail", "mru", "noip", "noipv6", "persist", "+ipv6"];

/// Where files are read for those who may not, resolved.
const READ: &[&str] =
    &["/etc/config/", "/etc/cpeagent/", "/tmp/run/uci/", "/run/uci/", "/sys/class/", "/sys/devices/"];
/// The folders themselves, and single files.
const READ_ONE: &[&str] = &["/etc/config", "/etc/cpeagent", SHADOW];
/// The passwords of accounts.
const SHADOW: &str = "/etc/shadow";

/// The packages that may be written: those of the data model, and what vendor extensions name as `uci PACKAGE.`.
pub fn packages(disk: &dyn Disk) -> Vec<String> {
    let (extensions, _) = dropin::read(disk);
    let named = extensions.iter().flat_map(|(_, text)| text.split("uci ").skip(1)).filter_map(|rest| {
        let (name, _) = rest.split_once('.')?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        (!name.is_empty() && name.chars().all(fits)).then(|| name.to_string())
    });
    PACKAGES.iter().map(|name| (*name).to_string()).chain(named).collect()
}

/// Refuses a commit with an edit that is nobody's business but a person's.
pub fn judge(edits: &[Edit], packages: &[String]) -> Result<(), Error> {
    match edits.iter().find(|edit| !is_harmless(edit, packages)) {
        None => Ok(()),
        Some(edit) => {
            Err(Error::Refused(format!("{} {}: not to be changed from afar", edit.source, edit.section)))
        }
    }
}

fn is_harmless(edit: &Edit, packages: &[String]) -> bool {
    if &*edit.source == STATE {
        return true;
    }
    let Some(package) =
        edit.source.strip_prefix("uci:").filter(|package| packages.iter().any(|known| known == package))
    else {
        return false;
    };
    match &edit.change {
        Change::Add { kind } => !KINDS.contains(&(package, &**kind)),
        Change::Set { option, old, new: Some(new) }
            if (package, &**option) == ("network", "pppd_options") =>
        {
            let before: Vec<&str> = old.iter().flat_map(words).collect();
            words(new).iter().all(|word| {
                before.contains(word) || PPPD.contains(word) || word.chars().all(|c| c.is_ascii_digit())
            })
        }
        Change::Set { option, new: Some(new), .. } => {
            let among = |table: Table| {
                table.iter().any(|(of, options)| *of == package && options.contains(&&**option))
            };
            // A line more in what a daemon reads would be a setting more; our own package nobody copies.
            let lines = package != "cpeagent" && texts(new).any(|text| text.contains(char::is_control));
            !(among(OPTIONS) || lines || among(WORDS) && words(new).len() > 1)
        }
        Change::Set { new: None, .. }
        | Change::Remove { .. }
        | Change::Rename { .. }
        | Change::Move { .. } => true,
    }
}

fn texts(value: &Tree) -> impl Iterator<Item = &str> {
    value.items().iter().chain([value]).filter_map(Tree::as_str)
}

fn words(value: &Tree) -> Vec<&str> {
    texts(value).flat_map(str::split_whitespace).collect()
}

/// Refuses to read what another process has no business with. Only between processes: this one may read what it may.
pub(super) fn admit(ask: &Ask, disk: &dyn Disk) -> io::Result<()> {
    let path = match ask {
        Ask::Read(path, _) | Ask::Stat(path) | Ask::List(path) => disk.resolve(path)?,
        _ => return Ok(()),
    };
    let below = READ.iter().any(|folder| path.starts_with(folder));
    if below || READ_ONE.contains(&&*path) { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Has `serve` answer, and of `/etc/shadow` tells who is locked, not the hashes.
pub(super) fn mask(ask: Ask, serve: impl FnOnce(Ask) -> Answer) -> Answer {
    let shadow = matches!(&ask, Ask::Read(path, _) if path == SHADOW);
    match serve(ask) {
        Answer::Content(text) if shadow => {
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().filter_map(|line| {
                let (name, rest) = line.split_once(':')?;
                let locked = rest.starts_with(['!', '*']);
                let hash = if locked {
                    "!"
                } else if rest.starts_with(':') {
                    ""
                } else {
                    "x"
                };
                Some(format!("{name}:{hash}:\n"))
            });
            Answer::Content(lines.collect::<String>().into_bytes())
        }
        answer => answer,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::io::disk::RealDisk;
    use crate::io::disk::sim::SimDisk;

    fn set(package: &str, option: &str, old: Option<&str>, new: Option<&str>) -> Edit {
        let change =
            Change::Set { option: option.into(), old: old.map(Tree::from), new: new.map(Tree::from) };
        Edit { source: format!("uci:{package}").into(), section: "s".into(), change }
    }

    fn add(package: &str, kind: &str) -> Edit {
        Edit {
            source: format!("uci:{package}").into(),
            section: "s".into(),
            change: Change::Add { kind: kind.into() },
        }
    }

    #[test]
    fn what_would_run_a_program_or_read_a_file_is_not_written_and_all_else_is() {
        let packages = packages(&SimDisk::with([]));
        for (edit, fine) in [
            (set("network", "proto", Some("static"), Some("dhcp")), true),
            (set("agent", "x", None, Some("y")), false),
            (set("../shadow", "x", None, Some("y")), false),
            (set("dropbear", "PasswordAuth", None, Some("on")), false),
            (add("firewall", "rule"), true),
            (add("firewall", "include"), false),
            (set("firewall", "path", None, Some("/tmp/x")), false),
            (set("dhcp", "dhcpscript", None, Some("/tmp/x")), false),
            (set("dhcp", "dhcpscript", Some("/tmp/x"), None), true),
            (set("wireless", "hostapd_options", None, Some("x")), false),
            (set("network", "pppd_options", None, Some("mru 1492")), true),
            (set("network", "pppd_options", Some("plugin a.so"), Some("plugin a.so demand idle 60")), true),
            (set("network", "pppd_options", Some("plugin a.so"), Some("plugin b.so")), false),
            (set("network", "pppd_options", None, Some("connect /tmp/x")), false),
            (set("network", "mtu", None, Some("1492")), true),
            (set("network", "mtu", None, Some("1492 plugin /tmp/x.so")), false),
            (set("network", "dns", None, Some("192.0.2.1 192.0.2.2")), true),
            (set("dhcp", "domain", None, Some("lan\ndhcp-script=/tmp/x")), false),
            (set("wireless", "ssid", None, Some("a\nb")), false),
            (set("cpeagent", "description", None, Some("a\nb")), true),
        ] {
            assert_eq!(judge(std::slice::from_ref(&edit), &packages).is_ok(), fine, "{edit:?}");
        }
        let own = Edit { source: STATE.into(), ..add("x", "agent") };
        assert!(judge(&[own], &packages).is_ok());
    }

    #[test]
    fn a_vendor_extension_opens_the_packages_it_names() {
        let disk = SimDisk::with([]);
        disk.put(
            "/etc/cpeagent/models.d/a.toml",
            "X_A = \"uci acme.@box[0].x | type string rw\"\nY = \"uci .y\"",
        );
        let packages = packages(&disk);
        assert_eq!((packages.contains(&"acme".to_string()), packages.len()), (true, PACKAGES.len() + 1));
    }

    #[test]
    fn files_are_read_where_the_data_model_has_them_and_links_lead_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(folder.path()).unwrap();
        for (path, fine) in [
            ("/etc/config/network", true),
            ("/etc/config", true),
            ("/etc/cpeagent/device.key", true),
            ("/var/run/uci/network", true),
            ("/sys/class/dmi/id/product_serial", true),
            ("/etc/shadow", true),
            ("/etc/config/../passwd", false),
            ("/etc/dropbear/dropbear_rsa_host_key", false),
            ("/proc/kcore", false),
            ("/proc/1/environ", false),
            ("/etc/configured", false),
            ("etc/config/network", false),
        ] {
            for ask in [Ask::Read(path.into(), 1), Ask::Stat(path.into()), Ask::List(path.into())] {
                assert_eq!(admit(&ask, &disk).is_ok(), fine, "{ask:?}");
            }
        }
        assert!(admit(&Ask::Local, &disk).is_ok());
    }
}
