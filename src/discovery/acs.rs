//! An ACS that DHCP tells of: when it is taken, and when what is set here counts more.

use super::{Draft, Family, Found, Manager, leads_to};
use crate::config::table::Kind;
use crate::config::{self, Config};
use crate::dm::tree::Tree;

impl Draft {
    /// Takes the ACS that was found, as far as the settings let it.
    pub(super) fn acs(&mut self, config: &Config, found: &Found, from: Family, network: &str, failing: bool) {
        if found.acs.url.is_none() {
            return;
        }
        if !config.acs.dhcp_discovery {
            self.note("an ACS is told of by DHCP, but acs.dhcp_discovery is 0".into());
        } else if !leads_to(&config.acs.network.interface, network) {
            self.note(format!("an ACS is told of on {network}, which is not acs.interface"));
        } else {
            self.take(config, &found.acs, from, failing);
        }
    }

    //= TR-069 3.1: what is set here comes before DHCP; an ACS that DHCP tells anew is a change of the URL.
    //= TR-069 3.1: an ACS first found by DHCP is asked for there again when it cannot be reached, whoever changed its URL.
    fn take(&mut self, config: &Config, told: &Manager, from: Family, failing: bool) {
        let Some(url) = told.url.as_deref() else { return };
        if !config::allowed(Kind::Url, url) {
            return self.note("the ACS that DHCP tells of has no URL that is allowed".into());
        }
        let plain = !is_https(url);
        if plain && !config.acs.allow_plain_http {
            return self.note(format!("{url} from DHCP is not taken: http:// needs acs.allow_plain_http"));
        }
        let set = self.value("acs", "url").map(str::to_string);
        match (&set, &config.acs.dhcp_url) {
            (Some(_), None) => {
                return self.note("acs.url is set, so the ACS that DHCP tells of is not used".into());
            }
            (Some(set), Some(before)) if set != before && !failing => {
                return self.note("acs.url was changed since DHCP gave one, and that ACS answers".into());
            }
            (Some(set), Some(_)) if plain && is_https(set) => {
                return self.note(format!("{url} from DHCP is not taken in place of an https one"));
            }
            (Some(set), Some(_)) if set == url => {}
            (Some(_), Some(_)) if !failing && config.acs.dhcp_from != from.setting() => {
                return self.note(format!("{url} is not taken: the other DHCP gave one that answers"));
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
        let anew = set.as_deref() != Some(url);
        if anew {
            self.note(format!("the ACS is {url}, says DHCP"));
            self.set("acs", "acs", "dhcp_from", Tree::from(from.word()));
        }
        self.set("acs", "acs", "dhcp_url", Tree::from(url));
        self.set("acs", "acs", "url", Tree::from(url));
        self.told("identity", "identity", "provisioning_code", told.provisioning_code.as_ref(), anew);
        self.told("acs", "acs", "retry_minimum_wait", told.retry_minimum_wait.as_ref(), anew);
        self.told("acs", "acs", "retry_multiplier", told.retry_multiplier.as_ref(), anew);
    }
}

fn is_https(url: &str) -> bool {
    url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}
