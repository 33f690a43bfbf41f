//! An ACS from DHCP: the hooks of the package, and a real server and a real client.

use super::root::Root;
use super::{path, there};
use std::fs;
use std::process::Command;

const HOOK: &str = "openwrt-package/cpeagent/files/cpeagent.udhcpc";
const HOOK6: &str = "openwrt-package/cpeagent/files/cpeagent.odhcp6c";
/// The URL http://acs.example.net:7547/, as a router's udhcpc handed it over.
const OPT125: &str = "00000de91e0b1c687474703a2f2f6163732e6578616d706c652e6e65743a373534372f";
const URL: &str = "option url 'http://acs.example.net:7547/'";

#[test]
fn what_the_dhcp_clients_hand_over_becomes_the_acs_where_that_is_asked_for() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    let bound = |arguments: &[&str], interface: &str| {
        let out = root.source(HOOK, arguments, &[("INTERFACE", interface), ("opt125", OPT125)]);
        assert!(out.status.success(), "{out:?}");
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    assert!(!root.has(URL));
    bound(&["bound"], "wan");
    assert!(!root.has(URL), "nobody has asked for it");
    root.edit(
        "config acs 'acs'\n",
        "config acs 'acs'\n\toption dhcp_discovery '1'\n\toption allow_plain_http '1'\n",
    );
    bound(&["deconfig"], "wan");
    bound(&["bound"], "lan");
    assert!(!root.has(URL));
    bound(&["bound"], "wan");
    assert!(root.has(URL), "{}", root.text());
    let before = root.text();
    bound(&["renew"], "wan");
    assert_eq!(root.text(), before, "told again, it changes nothing");
    let said = root.source(HOOK, &["bound"], &[("INTERFACE", "wan"), ("opt43", "01ff00")]);
    assert!(
        said.status.success() && String::from_utf8_lossy(&said.stderr).contains("option 43: a length"),
        "{said:?}"
    );
    assert_eq!(root.text(), before);
}

/// Octets as the DHCP clients hand them over.
fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Options of an enterprise: DHCPv4's 125, and DHCPv6's 17.
fn vendor(enterprise: u32, pairs: &[(u8, &[u8])]) -> (String, String) {
    let (mut v4, mut v6) = (Vec::new(), enterprise.to_be_bytes().to_vec());
    for (code, value) in pairs {
        v4.extend([&[*code, value.len() as u8], *value].concat());
        let code = if *code < 25 { code - 10 } else { *code };
        v6.extend([&[0, code], &(value.len() as u16).to_be_bytes()[..], *value].concat());
    }
    (hex(&[&enterprise.to_be_bytes()[..], &[v4.len() as u8], &v4].concat()), hex(&v6))
}

//= TR-069 3.1: what DHCP tells is data; what is malformed, of others, or not allowed changes nothing.
#[test]
fn whatever_a_dhcp_server_says_runs_nothing_and_changes_nothing_but_what_is_allowed() {
    if !there("busybox") {
        return;
    }
    const OWN: &str = "https://first.example.net/";
    let root = Root::new();
    root.command("pwned", &format!("touch '{}'", root.path("pwned").display()));
    root.edit(
        "config acs 'acs'\n",
        &format!(
            "config acs 'acs'\n\toption dhcp_discovery '1'\n\toption allow_plain_http '1'\n\toption url '{OWN}'\n\
             \toption dhcp_url '{OWN}'\n\toption dhcp_from 'ipv4'\n"
        ),
    );
    root.edit("config usp 'usp'\n", "config usp 'usp'\n\toption dhcp_discovery '1'\n");
    let raw = [
        "$(pwned)",
        "`pwned`",
        "; pwned",
        "|pwned",
        "& pwned &",
        "01\npwned\n",
        "\"; pwned; \"",
        "'; pwned; '",
        "${IFS}pwned",
        "*",
        "/etc/*",
        "-n",
        "--root=/",
        "--help",
        "01=02",
        "\\",
        "\\n",
        "01 02",
        "\u{202e}",
        " ",
    ];
    let mut told: Vec<(&str, String, String)> =
        raw.iter().map(|text| ("raw text", (*text).to_string(), (*text).to_string())).collect();
    let mut of = |what, enterprise, pairs: &[(u8, &[u8])]| {
        let (v4, v6) = vendor(enterprise, pairs);
        told.push((what, v4, v6));
    };
    of("no https any more", 3561, &[(11, b"http://first.example.net/")]);
    of(
        "another enterprise",
        9,
        &[(11, b"https://evil.example.net/"), (25, b"wss://evil/"), (29, b"fqdn::evil")],
    );
    of("a newline", 3561, &[(11, b"https://evil.example.net/\n\toption x 'y'")]);
    of("a zero within", 3561, &[(11, b"https://evil.example.net/\0x")]);
    of("a password", 3561, &[(11, b"https://user:secret@evil.example.net/")]);
    of("a space and a command", 3561, &[(11, b"https://evil.example.net/ $(pwned)")]);
    of("another scheme", 3561, &[(11, b"file:///etc/shadow")]);
    of("no host", 3561, &[(11, b"https://$(pwned)@/")]);
    of("no UTF-8", 3561, &[(11, b"https://evil.example.net/\xff")]);
    of("a controller without TLS", 3561, &[(25, b"ws://evil.example.net/"), (29, b"fqdn::evil")]);
    of(
        "a controller's name with a newline",
        3561,
        &[(25, b"wss://evil.example.net/"), (29, b"fqdn::evil\nx")],
    );
    of("what no URL holds", 3561, &[(11, b"https://evil.example.net/`pwned`\"\\")]);
    // As much as an environment holds in one word.
    told.push(("64 KiB", "41".repeat(65_500), "41".repeat(65_500)));
    told.push(("a length that lies", "00000de9ff0bff".into(), "00000de90001ffff41".into()));
    let before = root.text();
    for (what, v4, v6) in &told {
        for (hook, arguments, name, value) in [
            (HOOK, &["bound"][..], "opt43", v4),
            (HOOK, &["renew"], "opt125", v4),
            (HOOK6, &["wan6", "bound"], "OPTION_17", v6),
        ] {
            let interface = if hook == HOOK { "wan" } else { "wan6" };
            let out = root.source(hook, arguments, &[("INTERFACE", interface), (name, value)]);
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{what}, {name}: {said}");
            assert!(said.len() < 1_000 && !said.contains("panicked"), "{what}, {name}: {said}");
            assert!(!root.path("pwned").exists(), "{what}, {name}: it ran");
            assert_eq!(root.text(), before, "{what}, {name}: {said}");
        }
    }
    // What is allowed in a URL is kept as text, whatever a shell or UCI would make of it.
    let odd = "https://acs.example.net/$(pwned)';pwned;'&pwned&*?~!";
    let (good, _) = vendor(3561, &[(11, odd.as_bytes())]);
    let out = root.source(HOOK, &["bound"], &[("INTERFACE", "wan"), ("opt125", &good), ("opt43", "01ff00")]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("option 43: a length"), "{said}");
    let text = root.text();
    let package =
        cpeagent::openwrt::uci::parse(text.as_bytes(), cpeagent::openwrt::uci::Mode::Strict).unwrap().tree();
    assert_eq!(package.get("acs").unwrap().str("url"), Some(odd), "{said}");
    assert!(!root.path("pwned").exists());
}

/// In a network of its own: a server that answers only those who say who they are, and a router's client.
const NETWORK: &str = r#"set -e
ip link add srv type veth peer name cli
ip addr add 198.18.0.1/24 dev srv
ip link set srv up
ip link set cli up
dnsmasq -d -p 0 -C /dev/null --interface=srv --bind-interfaces --dhcp-authoritative --no-ping -F 198.18.0.10,198.18.0.20,5m \
    -l "$ROOT/leases" -x "$ROOT/pid" --dhcp-vendorclass=set:cpe,dslforum.org \
    --dhcp-option=tag:cpe,vi-encap:3561,11,https://acs.example.net/ --dhcp-option=tag:cpe,vi-encap:3561,12,code &
server=$!
trap 'kill $server' EXIT
busybox udhcpc -i cli -f -n -q -t 10 -T 1 -s "$ROOT/bin/client" -O 43 -O 125 "$@"
"#;

#[test]
fn a_real_client_and_a_real_server_name_the_acs_to_who_says_dslforum() {
    let namespace =
        || Command::new("unshare").args(["-Urn", "true"]).status().is_ok_and(|status| status.success());
    if !there("busybox") || !there("dnsmasq") || !there("ip") || !namespace() {
        eprintln!("left out: needs busybox, dnsmasq, iproute2 and namespaces that a user may make");
        return;
    }
    for (class, want) in [(["-V", "somebody"], false), (["-V", "dslforum.org"], true)] {
        let root = Root::new();
        root.edit("config acs 'acs'\n", "config acs 'acs'\n\toption dhcp_discovery '1'\n");
        let hook = path(HOOK);
        root.command(
            "client",
            &format!("INTERFACE=wan\nlogger() {{ cat >&2; }}\n. '{}'\nwait", hook.display()),
        );
        let bin = format!("{}:{}", root.path("bin").display(), std::env::var("PATH").unwrap());
        let out = Command::new("unshare")
            .args(["-Urn", "sh", "-c", NETWORK, "sh"])
            .args(class)
            .env("PATH", bin)
            .env("ROOT", root.folder.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(root.has("option url 'https://acs.example.net/'"), want, "{class:?}: {out:?}");
        assert_eq!(root.has("option provisioning_code 'code'"), want);
    }
}

#[test]
fn dhcpv6_tells_of_the_acs_as_well() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    root.edit("config acs 'acs'\n", "config acs 'acs'\n\toption dhcp_discovery '1'\n");
    let url = b"https://acs.example.net/";
    let hex: String = url.iter().map(|octet| format!("{octet:02x}")).collect();
    let option = format!("00000de90001{:04x}{hex}", url.len());
    for (what, want) in [("unbound", false), ("ra-updated", false), ("bound", true)] {
        let out = root.source(HOOK6, &["wan6", what], &[("INTERFACE", "wan6"), ("OPTION_17", &option)]);
        assert!(out.status.success(), "{out:?}");
        assert_eq!(root.has("option url 'https://acs.example.net/'"), want, "{what}");
    }
}

#[test]
fn the_script_for_dhcp_asks_for_the_options_once_and_leaves_what_is_there() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    let uci = r#"[ "$1" = -q ] && shift
store=$(dirname "$0")/../store
mkdir -p "$store"
case $1 in
get) cat "$store/$2" 2>/dev/null ;;
set) printf '%s\n' "${2#*=}" > "$store/${2%%=*}" ;;
esac"#;
    root.command("uci", uci);
    fs::create_dir_all(root.path("store")).unwrap();
    fs::write(root.path("store/network.wan"), "interface\n").unwrap();
    fs::write(root.path("store/network.wan.reqopts"), "125 12\n").unwrap();
    for _ in 0..2 {
        assert!(root.source("uci-defaults/60_cpeagent_dhcp", &[], &[]).status.success());
        let text = |name: &str| fs::read_to_string(root.path("store").join(name)).ok();
        assert_eq!(text("network.wan.reqopts").as_deref(), Some("125 12 43\n"));
        assert_eq!(text("network.wan.vendorid").as_deref(), Some("dslforum.org\n"));
        assert_eq!(text("network.wan6.reqopts"), None, "there is no wan6");
    }
}
