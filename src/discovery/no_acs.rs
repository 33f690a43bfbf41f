//! Without TR-069, an ACS that DHCP tells of is nobody's concern.

use super::{Draft, Family, Found};
use crate::config::Config;

impl Draft {
    pub(super) fn acs(&mut self, _: &Config, _: &Found, _: Family, _: &str, _: bool) {}
}
