//! Device.DeviceInfo.: what its lines cannot say, above all the identity.
//!
//! The identity comes from the builder's settings (`cpeagent.identity`), then from what the board itself says. It
//! must be the same at every start: an ACS that sees another one sees another device.

use super::network;
use crate::audit;
use crate::dm::draft::OWN;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use std::borrow::Cow;

/// Longest text of the identity, in characters.
const MAX_IDENTITY: usize = 64;

/// `Manufacturer`: the builder's, else `/etc/device_info`, else the first word of the model.
pub fn manufacturer<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(text) = setting(at.view, "manufacturer")? {
        return Ok(Some(text));
    }
    if let Some(text) = line(at.view, DEVICE_INFO, "DEVICE_MANUFACTURER")? {
        return Ok(Some(text));
    }
    let first = board(at.view, "model")?.and_then(|model| model.split_whitespace().next());
    Ok(first.map(Cow::Borrowed))
}

/// `ManufacturerOUI`: the builder's, else that of the base MAC address, in upper case.
///
/// A locally administered address gives its first three bytes too: they name nobody, but they stay the same.
pub fn oui<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(text) = setting(at.view, "oui")? {
        return Ok(Some(Cow::Owned(text.to_ascii_uppercase())));
    }
    let mac = base_mac(at.view)?;
    Ok(mac.and_then(|mac| mac.get(..6).map(|oui| Cow::Owned(oui.to_string()))))
}

/// `ModelName`: the builder's, else the board's model.
pub fn model_name<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(text) = setting(at.view, "model_name")? {
        return Ok(Some(text));
    }
    Ok(board(at.view, "model")?.map(cut))
}

/// `ModelNumber`: the board's name.
pub fn model_number<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(board(at.view, "board_name")?.map(cut))
}

/// `ProductClass`: the builder's, else the board's name with `,` as `_`.
///
/// ACSs build addresses and user names from it, so what would break those (`/`, blanks) becomes `_` too.
pub fn product_class<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(text) = setting(at.view, "product_class")? {
        return Ok(Some(text));
    }
    let name = board(at.view, "board_name")?;
    let plain = |name: &str| name.replace(|c: char| c == ',' || c == '/' || c.is_whitespace(), "_");
    Ok(name.map(|name| Cow::Owned(cut(&plain(name)).into_owned())))
}

/// `SerialNumber`: the builder's, else the device tree's, else DMI's, else the base MAC address without colons.
pub fn serial_number<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(text) = setting(at.view, "serial")? {
        return Ok(Some(text));
    }
    for file in ["file:/proc/device-tree/serial-number", "file:/sys/class/dmi/id/product_serial"] {
        if let Some(text) =
            at.tree(file)?.and_then(Tree::as_str).map(str::trim).filter(|text| is_serial(text))
        {
            return Ok(Some(cut(text)));
        }
    }
    Ok(base_mac(at.view)?.map(Cow::Owned))
}

/// Whether a text that firmware gives as serial number is one: makers of PC boards leave texts to fill in.
fn is_serial(text: &str) -> bool {
    const FILLERS: &[&str] =
        &["none", "n/a", "not specified", "default string", "system serial number", "to be filled by o.e.m."];
    !text.is_empty()
        && !text.chars().all(|c| c == '0')
        && !FILLERS.iter().any(|filler| text.eq_ignore_ascii_case(filler))
}

/// `HardwareVersion`: the builder's, else `/etc/device_info`, else the board's name.
pub fn hardware_version<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(text) = setting(at.view, "hardware_version")? {
        return Ok(Some(text));
    }
    if let Some(text) = line(at.view, DEVICE_INFO, "DEVICE_REVISION")? {
        return Ok(Some(text));
    }
    model_number(at)
}

/// `SoftwareVersion`: OpenWrt's version and revision, of `/etc/openwrt_release`.
pub fn software_version<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(version) = line(at.view, RELEASE, "DISTRIB_RELEASE")? else { return Ok(None) };
    Ok(Some(match line(at.view, RELEASE, "DISTRIB_REVISION")? {
        Some(revision) => Cow::Owned(cut(&format!("{version}-{revision}")).into_owned()),
        None => version,
    }))
}

/// Takes the one image there is and refuses any other path.
pub fn set_boot_image(at: &At<'_, '_>, value: &str, _: &mut Draft) -> Result<(), Stop> {
    at.referred("Device.DeviceInfo.FirmwareImage", value).map(drop)
}

/// `TCPImplementation`: the kernel's congestion control, if the standard has a word for it; `cubic` and `bbr` have none.
pub fn tcp_implementation<'s>(at: &At<'_, 's>) -> Value<'s> {
    let control = at.tree("file:/proc/sys/net/ipv4/tcp_congestion_control")?.and_then(Tree::as_str);
    Ok(match control {
        Some("reno") => Some(Cow::Borrowed("New Reno")),
        Some("vegas") => Some(Cow::Borrowed("Vegas")),
        Some(_) | None => None,
    })
}

/// The row of the image that runs.
const ACTIVE: &str = "active";

/// The firmware images: the one that runs.
pub fn images(view: &View<'_>) -> Result<Tree, Stop> {
    let release = view.tree("ubus:system board")?.and_then(|board| board.get("release"));
    let name = release.and_then(|release| release.str("distribution")).unwrap_or_default();
    Ok(Tree::map([(ACTIVE, Tree::map([("distribution", name)].map(text)))]))
}

/// The files that hold the configuration: the backup of all, named `openwrt`, and each package.
pub fn config_files(view: &View<'_>) -> Result<Tree, Stop> {
    let names = view.tree("dir:/etc/config")?.map_or(&[][..], Tree::items).iter().filter_map(Tree::as_str);
    let mut wait = false;
    let mut newest = 0i64;
    let mut files = vec![(WHOLE.to_string(), Tree::Map(Vec::new()))];
    // A name with a dot is an editor's or opkg's leftover: UCI does not read it.
    for name in names.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')) {
        let modified = match view.tree(&format!("stat:/etc/config/{name}")) {
            Ok(stat) => stat.and_then(|stat| stat.str("modified")),
            Err(Stop::Wait) => {
                wait = true;
                continue;
            }
            Err(other) => return Err(other),
        };
        let Some(modified) = modified else { continue };
        newest = newest.max(modified.parse().unwrap_or(0));
        let file =
            [("name", name), ("modified", modified), ("description", "UCI package"), ("whole", "false")];
        files.push((format!("package {name}"), Tree::map(file.map(text))));
    }
    if wait {
        return Err(Stop::Wait);
    }
    let newest = newest.to_string();
    let whole = [
        ("name", WHOLE),
        ("modified", &newest),
        ("description", "Backup of the configuration"),
        ("whole", "true"),
    ];
    if let Some((_, first)) = files.first_mut() {
        *first = Tree::map(whole.map(text));
    }
    Ok(Tree::map(files))
}

/// The name of the whole backup.
const WHOLE: &str = "openwrt";

/// The log, logd's file or its ring in memory; and the agent's record of changes, unless it is switched off.
pub fn log_files(view: &View<'_>) -> Result<Tree, Stop> {
    let system = view.sections("uci:system", "system")?;
    let system =
        |option| system.first().and_then(|(_, section)| section.str(option)).filter(|text| !text.is_empty());
    let kib = system("log_size").and_then(|kib| kib.parse::<u32>().ok()).unwrap_or(128);
    let (name, persistent) = match system("log_file") {
        Some(file) => (file, is_persistent(view, file)?),
        None => ("syslog", false),
    };
    let mut logs = vec![("log", log_file(name, u64::from(kib) * 1024, persistent))];
    let own = view.tree(OWN)?.and_then(|package| package.get("agent"));
    let own = |option| own.and_then(|section| section.str(option));
    let kib = own("audit_size").and_then(|kib| kib.parse::<u32>().ok()).filter(|kib| *kib <= audit::MAX_KIB);
    let file = audit::file(own("audit") == Some("flash"));
    let size = audit::octets(kib.unwrap_or(audit::KIB));
    if size > 0 {
        logs.push(("audit", log_file(file, size, is_persistent(view, file)?)));
    }
    Ok(Tree::map(logs))
}

fn log_file(name: &str, size: u64, persistent: bool) -> Tree {
    let (size, persistent) = (size.to_string(), if persistent { "true" } else { "false" });
    Tree::map([("name", name), ("size", &size), ("persistent", persistent)].map(text))
}

/// Whether a file outlives a reboot: the file system it lies on is not in memory.
fn is_persistent(view: &View<'_>, file: &str) -> Result<bool, Stop> {
    // `/var` is a link to `/tmp` on every OpenWrt without a disk for it.
    let file = file.strip_prefix("/var/").map_or_else(|| file.to_string(), |rest| format!("/tmp/{rest}"));
    let mounts = view.tree("file:/proc/mounts")?.and_then(Tree::as_str).unwrap_or_default();
    let mut best = ("", "");
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (words.next(), words.next()) else { continue };
        let below = file.strip_prefix(point.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
        if below && point.len() >= best.0.len() {
            best = (point, kind);
        }
    }
    Ok(!matches!(best.1, "" | "tmpfs" | "ramfs"))
}

/// The processors that are on, each with the standard's word for its architecture.
pub fn processors(view: &View<'_>) -> Result<Tree, Stop> {
    let online = view.tree("file:/sys/devices/system/cpu/online")?.and_then(Tree::as_str).unwrap_or_default();
    let facts = view.tree("sys:facts")?;
    let fact = |name: &str| facts.and_then(|facts| facts.str(name)).unwrap_or_default();
    let machine = match (fact("machine"), fact("byte_order")) {
        ("aarch64" | "arm64", _) => "arm", // the standard has no word for the 64-bit one
        ("x86_64", _) => "x86_64",
        ("i386" | "i486" | "i586" | "i686", _) => "i386",
        ("mips" | "mips64", "little") => "mipsel", // `uname` does not tell the two apart
        ("mips" | "mips64", _) => "mipseb",
        (machine, _) if machine.starts_with("arm") => "arm",
        (machine, _) if machine.starts_with("ppc") => "powerpc",
        _ => "",
    };
    let mut rows = Vec::new();
    for number in numbers(online) {
        rows.push((format!("cpu{number}"), Tree::map([("architecture", machine)].map(text))));
    }
    Ok(Tree::map(rows))
}

/// Most processors that a range may name.
const MAX_PROCESSORS: u32 = 1024;

/// The numbers of a list of ranges such as `0-3,5`.
fn numbers(ranges: &str) -> Vec<u32> {
    let mut out = Vec::new();
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
            out.extend(first..=last.min(first.saturating_add(MAX_PROCESSORS)));
        }
    }
    out
}

fn text<'a>((name, value): (&'a str, &str)) -> (&'a str, Tree) {
    (name, Tree::from(value))
}

/// A setting of the builder; nothing if it is left out or empty.
fn setting<'s>(view: &View<'s>, option: &str) -> Result<Option<Cow<'s, str>>, Stop> {
    let section = view.tree(OWN)?.and_then(|package| package.get("identity"));
    let text = section.and_then(|section| section.str(option)).map(str::trim);
    Ok(text.filter(|text| !text.is_empty()).map(cut))
}

/// The `model` or `board_name` that the board's scripts wrote in `/tmp/sysinfo`, else as `ubus system board` has them.
///
/// The files are where procd has them from; the bus is asked where there are none, so that who the router is does not hang on a bus
/// that does not answer.
fn board<'s>(view: &View<'s>, field: &str) -> Result<Option<&'s str>, Stop> {
    let file = view.tree(&format!("file:/tmp/sysinfo/{field}"))?.and_then(Tree::as_str).map(str::trim);
    if let Some(text) = file.filter(|text| !text.is_empty()) {
        return Ok(Some(text));
    }
    Ok(view.tree("ubus:system board")?.and_then(|board| board.str(field)).filter(|text| !text.is_empty()))
}

const DEVICE_INFO: &str = "file:/etc/device_info";
const RELEASE: &str = "file:/etc/openwrt_release";

/// A line of a file for shells, such as `DEVICE_REVISION='v0'`, without its quotes; nothing if it is empty.
fn line<'s>(view: &View<'s>, file: &str, name: &str) -> Result<Option<Cow<'s, str>>, Stop> {
    let text = view.tree(file)?.and_then(Tree::as_str).unwrap_or_default();
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    let value = value.map(|value| value.trim_matches(['\'', '"']).trim());
    Ok(value.filter(|value| !value.is_empty()).map(cut))
}

/// The base MAC address as twelve hexadecimal digits in upper case.
///
/// That of the label, else the one the board gives the first network device, else that of `eth0`.
fn base_mac(view: &View<'_>) -> Result<Option<String>, Stop> {
    if let Some(board) = network::board_file(view)? {
        let label = board.get("system").and_then(|system| system.str("label_macaddr"));
        let device = || {
            let devices = board.get("network-device")?;
            let first = || devices.entries().iter().find_map(|(_, device)| device.str("macaddr"));
            devices.get("eth0").and_then(|device| device.str("macaddr")).or_else(first)
        };
        if let Some(digits) = label.and_then(digits).or_else(|| device().and_then(digits)) {
            return Ok(Some(digits));
        }
    }
    let address = view.tree("file:/sys/class/net/eth0/address")?.and_then(Tree::as_str);
    Ok(address.and_then(digits))
}

/// The twelve digits of a MAC address; nothing for another text.
fn digits(mac: &str) -> Option<String> {
    let digits: String = mac.chars().filter(|c| *c != ':').map(|c| c.to_ascii_uppercase()).collect();
    (digits.len() == 12 && digits.bytes().all(|c| c.is_ascii_hexdigit())).then_some(digits)
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_IDENTITY) {
        Some((end, _)) => Cow::Borrowed(text.get(..end).unwrap_or(text)),
        None => Cow::Borrowed(text),
    }
}
