//! Managers that DHCP tells of: reads the options, and plans what of them becomes settings.
//!
//! Owns the formats of DHCPv4 options 43 and 125 and of DHCPv6 option 17, and what they may overrule. Pure: the
//! hooks of the DHCP clients hand the octets over as hexadecimal digits, the agent commits the edits. Whoever answers
//! DHCP first is believed, so nothing is taken unless a setting says so, and never a plain URL in place of `https`.

use crate::audit::is_unseen;
use crate::config::table::{Kind, SETTINGS};
use crate::config::{self, Config};
use crate::dm::draft::OWN;
use crate::dm::edit::{Change, Edit};
use crate::dm::tree::Tree;

#[cfg_attr(not(feature = "cwmp"), path = "discovery/no_acs.rs")]
mod acs;

/// The most octets of one option.
pub const MAX_OPTION: usize = 4_096;
/// The most sub-options that are looked at.
pub const MAX_SUB_OPTIONS: usize = 256;
/// The Broadband Forum's enterprise number.
const FORUM: u32 = 3561;
const CONTROLLER: &str = "dhcp_controller";
const CONTROLLER_MTP: &str = "dhcp_controller_mtp";

/// Which DHCP told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// DHCPv4.
    Ipv4,
    /// DHCPv6.
    Ipv6,
}

impl Family {
    #[cfg(feature = "cwmp")]
    const fn word(self) -> &'static str {
        match self {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        }
    }

    #[cfg(feature = "cwmp")]
    const fn setting(self) -> crate::way::Family {
        match self {
            Family::Ipv4 => crate::way::Family::V4,
            Family::Ipv6 => crate::way::Family::V6,
        }
    }
}

/// Why an option is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No even number of hexadecimal digits, or too many.
    Hex,
    /// A length points beyond the end.
    Length,
    /// No option that tells of managers.
    Unknown,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Malformed::Hex => "not hexadecimal digits in pairs, or too many",
            Malformed::Length => "a length in it points beyond its end",
            Malformed::Unknown => "only 43 and 125 of DHCPv4 and 17 of DHCPv6 tell of managers",
        })
    }
}

/// What was told of one manager; texts as they came, without the zeros at their ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manager {
    /// Its URL; of a controller also a name alone.
    pub url: Option<String>,
    /// The provisioning code.
    pub provisioning_code: Option<String>,
    /// Seconds, as decimal text.
    pub retry_minimum_wait: Option<String>,
    /// Thousandths, as decimal text.
    pub retry_multiplier: Option<String>,
    /// The endpoint id of a controller.
    pub endpoint_id: Option<String>,
}

/// What one answer of a DHCP server told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Of the ACS.
    pub acs: Manager,
    /// Of a controller.
    pub controller: Manager,
    /// By which DHCP.
    pub from: Option<Family>,
}

impl Found {
    /// Reads one option, `number` as in DHCP, its content in hexadecimal digits. What an earlier one told of the same
    /// thing stays: hand 125 in before 43. A malformed one tells nothing at all.
    pub fn option(&mut self, number: u16, hex: &str) -> Result<(), Malformed> {
        if hex.len() > 2 * MAX_OPTION {
            return Err(Malformed::Hex);
        }
        let octets = unhex(hex).ok_or(Malformed::Hex)?;
        let (from, pairs) = match number {
            43 => (Family::Ipv4, vendor_specific(&octets)?),
            125 => (Family::Ipv4, vendor_identifying(&octets)?),
            17 => (Family::Ipv6, vendor_options(&octets)?),
            _ => return Err(Malformed::Unknown),
        };
        for (code, value) in pairs {
            let Some((manager, what)) = meaning(number, code) else { continue };
            let manager = match manager {
                Who::Acs => &mut self.acs,
                Who::Controller => &mut self.controller,
            };
            let slot = match what {
                What::Url => &mut manager.url,
                What::ProvisioningCode => &mut manager.provisioning_code,
                What::RetryMinimumWait => &mut manager.retry_minimum_wait,
                What::RetryMultiplier => &mut manager.retry_multiplier,
                What::EndpointId => &mut manager.endpoint_id,
            };
            *slot = slot.take().or_else(|| text(value));
            self.from = Some(from);
        }
        Ok(())
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let octet = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok();
    rest.is_empty().then(|| pairs.iter().map(octet).collect())?
}

enum Who {
    Acs,
    Controller,
}

enum What {
    Url,
    ProvisioningCode,
    RetryMinimumWait,
    RetryMultiplier,
    EndpointId,
}

//= TR-069 3.1: sub-options 1 to 4 in option 43 and in DHCPv6's 17, 11 to 14 in option 125.
fn meaning(option: u16, code: u16) -> Option<(Who, What)> {
    let acs = match option {
        125 => code.saturating_sub(10),
        _ => code,
    };
    Some(match (acs, code) {
        (1, _) => (Who::Acs, What::Url),
        (2, _) => (Who::Acs, What::ProvisioningCode),
        (3, _) => (Who::Acs, What::RetryMinimumWait),
        (4, _) => (Who::Acs, What::RetryMultiplier),
        //= TR-369 R-DIS.1: sub-options 25 to 29 of the Forum's enterprise number tell of a controller.
        //= TR-369 R-DIS.1a: the numbers are texts, too.
        _ if option == 43 => return None,
        (_, 25) => (Who::Controller, What::Url),
        (_, 26) => (Who::Controller, What::ProvisioningCode),
        (_, 27) => (Who::Controller, What::RetryMinimumWait),
        (_, 28) => (Who::Controller, What::RetryMultiplier),
        (_, 29) => (Who::Controller, What::EndpointId),
        _ => return None,
    })
}

//= TR-069 3.1: a zero at the end is taken and dropped.
//= TR-369 R-DIS.1c: as above.
fn text(octets: &[u8]) -> Option<String> {
    let end = octets.iter().rposition(|octet| *octet != 0)? + 1;
    let text = std::str::from_utf8(octets.get(..end)?).ok()?;
    (!text.chars().any(is_unseen)).then(|| text.to_string())
}

type Pairs<'a> = Vec<(u16, &'a [u8])>;

/// Option 43: code, length, value; 0 pads and 255 ends (RFC 2132, 8.4). Some servers send the URL alone.
fn vendor_specific(octets: &[u8]) -> Result<Pairs<'_>, Malformed> {
    if octets.starts_with(b"http://") || octets.starts_with(b"https://") {
        return Ok(vec![(1, octets)]);
    }
    let mut pairs = Vec::new();
    let mut rest = octets;
    while pairs.len() < MAX_SUB_OPTIONS {
        match rest {
            [] | [255, ..] => break,
            [0, more @ ..] => rest = more,
            [code, length, more @ ..] => {
                let (value, more) = more.split_at_checked((*length).into()).ok_or(Malformed::Length)?;
                pairs.push((u16::from(*code), value));
                rest = more;
            }
            [_] => return Err(Malformed::Length),
        }
    }
    Ok(pairs)
}

/// Option 125: by enterprise number a block of code, length, value (RFC 3925, 4).
fn vendor_identifying(octets: &[u8]) -> Result<Pairs<'_>, Malformed> {
    let mut pairs = Vec::new();
    let mut rest = octets;
    while let Some((number, more)) = rest.split_first_chunk::<4>() {
        let (length, more) = more.split_first().ok_or(Malformed::Length)?;
        let (mut block, more) = more.split_at_checked((*length).into()).ok_or(Malformed::Length)?;
        rest = more;
        while u32::from_be_bytes(*number) == FORUM && pairs.len() < MAX_SUB_OPTIONS {
            let [code, length, more @ ..] = block else {
                if block.is_empty() { break } else { return Err(Malformed::Length) }
            };
            let (value, more) = more.split_at_checked((*length).into()).ok_or(Malformed::Length)?;
            pairs.push((u16::from(*code), value));
            block = more;
        }
    }
    if rest.is_empty() { Ok(pairs) } else { Err(Malformed::Length) }
}

/// DHCPv6's option 17: an enterprise number, then code, length, value with two octets each (RFC 8415, 21.17).
fn vendor_options(octets: &[u8]) -> Result<Pairs<'_>, Malformed> {
    let (number, mut rest) = octets.split_first_chunk::<4>().ok_or(Malformed::Length)?;
    let mut pairs = Vec::new();
    while u32::from_be_bytes(*number) == FORUM && !rest.is_empty() && pairs.len() < MAX_SUB_OPTIONS {
        let (code, more) = rest.split_first_chunk::<2>().ok_or(Malformed::Length)?;
        let (length, more) = more.split_first_chunk::<2>().ok_or(Malformed::Length)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (value, more) = more.split_at_checked(length).ok_or(Malformed::Length)?;
        pairs.push((u16::from_be_bytes(*code), value));
        rest = more;
    }
    Ok(pairs)
}

/// What is to be done about what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Edits of the package `cpeagent`; none where nothing changes.
    pub edits: Vec<Edit>,
    /// For the log: what was taken and what was not, and why.
    pub notes: Vec<String>,
}

/// What of `found`, heard on `network`, becomes settings of the package `cpeagent`.
///
/// `failing` says that the ACS that is set could not be reached last.
pub fn advise(package: &Tree, network: &str, found: &Found, failing: bool) -> Advice {
    let config = Config::read(package).0;
    let mut draft = Draft { package: package.clone(), advice: Advice::default() };
    let Some(from) = found.from else { return draft.advice };
    draft.acs(&config, found, from, network, failing);
    if found.controller.url.is_some() || found.controller.endpoint_id.is_some() {
        if !config.usp.dhcp_discovery {
            draft.note("a controller is told of by DHCP, but usp.dhcp_discovery is 0".into());
        } else if !leads_to(&config.usp.network.interface, network) {
            draft.note(format!("a controller is told of on {network}, which is not usp.interface"));
        } else {
            draft.controller(&config, &found.controller);
        }
    }
    draft.advice
}

/// Whether a network is the one that is set, or its twin for IPv6.
fn leads_to(set: &str, network: &str) -> bool {
    set.is_empty() || network.strip_prefix(set).is_some_and(|rest| matches!(rest, "" | "6" | "_6"))
}

struct Draft {
    package: Tree,
    advice: Advice,
}

impl Draft {
    fn note(&mut self, text: String) {
        self.advice.notes.push(text);
    }

    fn value(&self, section: &str, option: &str) -> Option<&str> {
        self.package.get(section)?.str(option).filter(|value| !value.is_empty())
    }

    fn edit(&mut self, section: &str, change: Change) {
        let edit = Edit { source: OWN.into(), section: section.into(), change };
        // It was made upon this very tree.
        if edit.apply(&mut self.package).is_ok() {
            self.advice.edits.push(edit);
        }
    }

    /// Sets an option of a section, which is made if it is not there.
    fn set(&mut self, section: &str, kind: &str, option: &str, new: Tree) {
        if self.package.get(section).is_none() {
            self.edit(section, Change::Add { kind: kind.into() });
        }
        let old = self.package.get(section).and_then(|section| section.get(option)).cloned();
        if old.as_ref() != Some(&new) {
            self.edit(section, Change::Set { option: option.into(), old, new: Some(new) });
        }
    }

    /// Sets an option to what was told, where that is allowed; `anew` says that what is there does not count.
    fn told(&mut self, section: &str, kind: &str, option: &str, told: Option<&String>, anew: bool) {
        let Some(told) = told else { return };
        let setting = SETTINGS.iter().find(|known| known.section == kind && known.option == option);
        if !setting.is_some_and(|setting| config::allowed(setting.kind, told)) {
            return self.note(format!("what DHCP tells of {section}.{option} is not allowed"));
        }
        if anew || self.value(section, option).is_none() {
            self.set(section, kind, option, Tree::from(told.as_str()));
        }
    }

    //= TR-369 R-DIS.1b: an absolute URL, or a name alone, which says nothing of the way to it.
    fn controller(&mut self, config: &Config, told: &Manager) {
        let (Some(url), Some(endpoint)) = (&told.url, &told.endpoint_id) else {
            return self.note("a controller that DHCP tells of lacks its URL or its endpoint id".into());
        };
        if !config::allowed(Kind::Text(128), endpoint) {
            return self.note("the controller that DHCP tells of has no endpoint id that is allowed".into());
        }
        let Some((host, port, path)) = secure_web_socket(url) else {
            return self.note(format!("the controller {endpoint} that DHCP tells of is not at wss://"));
        };
        let known = |(name, section): &(Box<str>, Tree)| {
            **name != *CONTROLLER
                && section.str(".type") == Some("controller")
                && section.str("endpoint_id") == Some(endpoint)
        };
        if self.package.entries().iter().any(known) {
            return self.note(format!("the controller {endpoint} that DHCP tells of is set already"));
        }
        let before = self.value(CONTROLLER, "endpoint_id").map(str::to_string);
        let anew = before.as_ref() != Some(endpoint);
        if anew {
            self.note(format!("there is a controller {endpoint}, says DHCP"));
            let roles = config.usp.dhcp_role.iter().map(|role| Tree::from(role.as_str())).collect();
            self.set(CONTROLLER, "controller", "enable", Tree::from("1"));
            self.set(CONTROLLER, "controller", "endpoint_id", Tree::from(endpoint.as_str()));
            self.set(CONTROLLER, "controller", "onboarding_complete", Tree::from("0"));
            if !config.usp.dhcp_role.is_empty() {
                self.set(CONTROLLER, "controller", "role", Tree::List(roles));
            }
        }
        self.told(CONTROLLER, "controller", "provisioning_code", told.provisioning_code.as_ref(), anew);
        self.told(CONTROLLER, "controller", "retry_minimum_wait", told.retry_minimum_wait.as_ref(), anew);
        self.told(CONTROLLER, "controller", "retry_multiplier", told.retry_multiplier.as_ref(), anew);
        let port = port.to_string();
        for (option, value) in [
            ("controller", CONTROLLER),
            ("protocol", "WebSocket"),
            ("host", host),
            ("port", &port),
            ("path", path),
            ("encryption", "1"),
        ] {
            if !value.is_empty() || self.value(CONTROLLER_MTP, option).is_some() {
                self.set(CONTROLLER_MTP, "controller_mtp", option, Tree::from(value));
            }
        }
        if anew {
            self.set(CONTROLLER_MTP, "controller_mtp", "enable", Tree::from("1"));
        }
    }
}

/// Host, port and path of `wss://host[:port][/path]`.
fn secure_web_socket(url: &str) -> Option<(&str, u16, &str)> {
    let scheme = url.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("wss://"))?;
    let rest = url.strip_prefix(scheme)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
        Some(_) | None => (authority, 443),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let graphic = |text: &str| text.len() <= 256 && text.chars().all(|c| c.is_ascii_graphic());
    (!host.is_empty() && !host.contains('@') && graphic(host) && graphic(path)).then_some((host, port, path))
}

/// What must hold for any octets, for the fuzzer and the corpus test: panics where it does not.
///
/// No text has a control character or a zero, and what becomes settings is allowed there and changes nothing when it
/// is told again.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    let Some((number, octets)) = data.split_first() else { return };
    let mut found = Found::default();
    let number = [43, 125, 17].get(usize::from(*number) % 3).copied().unwrap_or(43);
    if found.option(number, &crate::digest::hex(octets)).is_err() {
        assert_eq!(found, Found::default());
        return;
    }
    let on = [("acs", "allow_plain_http"), ("acs", "dhcp_discovery"), ("usp", "dhcp_discovery")];
    let mut package = Tree::Map(Vec::new());
    for section in ["acs", "usp"] {
        let options =
            on.iter().filter(|(of, _)| *of == section).map(|(_, option)| (*option, Tree::from("1")));
        package.set(section, Tree::map([(".type", Tree::from(section))].into_iter().chain(options)));
    }
    for edit in advise(&package, "wan", &found, false).edits {
        edit.apply(&mut package).expect("an edit fits what it was made upon");
    }
    assert_eq!(Config::read(&package).1, []);
    assert_eq!(advise(&package, "wan", &found, false).edits, []);
}

#[cfg(test)]
#[path = "discovery/tests.rs"]
mod tests;
