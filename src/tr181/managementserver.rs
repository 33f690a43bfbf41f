//! Device.ManagementServer.: what its lines cannot say.

use crate::dm::draft::OWN;
use crate::dm::error::Refusal;
use crate::dm::eval::boolean;
use crate::dm::path::{Kind, Pattern};
use crate::dm::read::Node;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use crate::dm::write::Draft;
use std::borrow::Cow;

const ACS: &str = "acs";

fn setting<'s>(at: &At<'_, 's>, option: &str) -> Result<Option<&'s str>, Stop> {
    Ok(at.tree(OWN)?.and_then(|package| package.get(ACS)).and_then(|acs| acs.str(option)))
}

/// The ACS's URL as it is set; empty where none is.
pub fn url<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(setting(at, "url")?.map(Cow::Borrowed))
}

/// Sets the ACS's URL.
///
/// Refuses what is neither `https` nor `http`, and `http` unless `allow_plain_http` is set: a manager cannot take
/// away the protection that the owner chose.
pub fn set_url(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let plain = setting(at, "allow_plain_http")?.and_then(boolean) == Some(true);
    let fits = value.is_empty() || value.starts_with("https://") || (plain && value.starts_with("http://"));
    if !fits {
        let allowed =
            if plain { "an http or https URL" } else { "an https URL (acs.allow_plain_http is off)" };
        return Err(Refusal::OutOfRange { allowed: allowed.into() }.into());
    }
    at.own_section(OWN, ACS, draft)?;
    draft.set_text(OWN, ACS, "url", value)
}

/// Where connection requests are heard: the address of the network that leads to the ACS, the port that is open and
/// a path that nobody can guess. Empty while they are off or there is no address.
//= TR-069 3.2.2.2: ConnectionRequestURL is http://host:port/path; off, it is empty.
pub fn connection_request_url<'s>(at: &At<'_, 's>) -> Value<'s> {
    let on = |option: &str| Ok::<bool, Stop>(setting(at, option)?.and_then(boolean).unwrap_or(true));
    let state = at.tree("agent:state")?;
    let fact = |name: &str| state.and_then(|state| state.str(name)).unwrap_or_default();
    let (port, path) = (fact("ConnectionRequestPort"), fact("ConnectionRequestPath"));
    if !on("enable")? || !on("connection_request_enable")? || port.is_empty() {
        return Ok(None);
    }
    let host = match fact("ConnectionRequestHost") {
        "" => match management_address(at)? {
            Some(address) => address,
            None => return Ok(None),
        },
        host => host.to_string(),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Ok(Some(Cow::Owned(format!("http://{host}:{port}/{path}"))))
}

/// The address of the management network: its first IPv4 address, else its first global IPv6 one.
fn management_address(at: &At<'_, '_>) -> Result<Option<String>, Stop> {
    let name = setting(at, "interface")?.filter(|name| !name.is_empty()).unwrap_or("wan");
    let Some(dump) = at.tree("ubus:network.interface dump")? else { return Ok(None) };
    let all = dump.get("interface").map_or(&[][..], Tree::items);
    let Some(own) = all.iter().find(|one| one.str("interface") == Some(name)) else { return Ok(None) };
    let device = own.str("l3_device");
    // Twins and children of the network share its device.
    let same = all.iter().filter(|one| device.is_some() && one.str("l3_device") == device);
    let candidates: Vec<&Tree> = std::iter::once(own).chain(same).collect();
    let first = |list: &str| {
        let addresses = candidates.iter().flat_map(|one| one.get(list).map_or(&[][..], Tree::items));
        let mut global = addresses.filter_map(|item| item.str("address")).filter(|a| !a.starts_with("fe80"));
        global.next().map(str::to_string)
    };
    Ok(first("ipv4-address").or_else(|| first("ipv6-address")))
}

/// Sets the parameter that an Inform is to carry besides; a star stands for every row.
///
/// Refuses what is no parameter's path, and a parameter that every Inform carries anyway.
//= TR-069 A.3.3.1: a forced parameter cannot be asked for once more.
pub fn set_inform_name(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    if !value.is_empty() {
        let refused = |allowed: &str| Stop::Refused(Refusal::OutOfRange { allowed: allowed.into() });
        let pattern = Pattern::parse(value).ok().filter(|pattern| pattern.kind() == Kind::Parameter);
        let pattern = pattern.ok_or_else(|| refused("the path of a parameter"))?;
        // What is not there now may be later.
        let found = match at.view.resolve(&pattern) {
            Err(Stop::Refused(_)) => Vec::new(),
            found => found?,
        };
        for node in found {
            if let Node::Param(place, param) = &node
                && at.view.param(place, *param)?.flags.forced_inform
            {
                return Err(refused("a parameter that is not in every Inform already"));
            }
        }
    }
    draft.set_text(OWN, bound.name, "name", value)
}

/// Sets the events whose Inform carries the parameter; with none, any of them.
//= TR-069 A.3.3.1: a value change is none of the events that can be chosen.
pub fn set_inform_events(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value.split(',').any(|event| event == "4 VALUE CHANGE") {
        let allowed = "events other than 4 VALUE CHANGE".into();
        return Err(Refusal::OutOfRange { allowed }.into());
    }
    draft.set_text(OWN, at.bound()?.name, "events", value)
}
