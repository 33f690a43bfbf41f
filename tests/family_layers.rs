//! The layers of the network as managers see them: golden text of recorded routers, and what writes come to.
#![cfg(all(feature = "cwmp", feature = "usp"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use common::story::{Story, golden};

/// The objects of these families.
const OBJECTS: [&str; 4] = ["Bridging", "Ethernet", "IP", "PPP"];

#[test]
fn recorded_routers_read_as_reviewed() {
    for device in common::device::routers() {
        let mut story = Story::of(&device);
        for object in OBJECTS {
            let text = story.get(&[&format!("Device.{object}.")]);
            golden(&device, object, &text);
        }
        let text = story.get(&["Device.InterfaceStack."]);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("Layer = "))
            .map(|l| l.trim_start_matches("Device.InterfaceStack."))
            .collect();
        golden(&device, "InterfaceStack", &(lines.join("\n") + "\n"));
    }
}

//= TR-069 A.3.2.1, A.3.2.6, A.3.2.7: all or nothing, new rows start off, numbers stay, what cannot be is refused.
#[test]
fn writes_become_what_netifd_reads_and_numbers_stay() {
    common::story::stories("layers");
}
