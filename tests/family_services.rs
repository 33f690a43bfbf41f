//! DHCP, router advertisements, routes, DNS and time: golden text of recorded routers, and what writes come to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use common::story::{Story, golden};

/// The objects of these families.
const OBJECTS: [&str; 6] = ["DHCPv4", "Time", "Routing", "RouterAdvertisement", "DNS", "DHCPv6"];

#[test]
fn recorded_routers_read_as_reviewed() {
    for device in common::device::names() {
        let mut story = Story::of(&device);
        for object in OBJECTS {
            golden(&device, object, &story.get(&[&format!("Device.{object}.")]));
        }
    }
}
