//! DHCP, router advertisements, routes, DNS and time of the recorded routers, value by value and setter by setter.

#[path = "common/device.rs"]
mod device;
#[path = "common/model.rs"]
mod model;

use model::{Router, golden};

/// What is compared: the name of the golden text and the path.
const OBJECTS: &[(&str, &str)] = &[("DHCPv4", "Device.DHCPv4.")];

#[test]
fn every_value_of_the_recorded_routers_is_as_reviewed() {
    for device in
        ["wr4000-25.12", "bpi-r3-vlan-25.12", "fritz-pppoe-25.12", "ax3600-24.10-wifi-off", "x86-25.12"]
    {
        let router = Router::new(device);
        for (object, path) in OBJECTS {
            golden(device, object, &router.text(path));
        }
    }
}
