//! Device.LocalAgent. and Device.MQTT.: what they say of a recorded router with controllers, and what can be changed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]
#![cfg(all(feature = "cwmp", feature = "usp", feature = "mqtt", feature = "websocket"))]

mod common;

use common::story::{Story, golden, stories};

#[test]
fn the_agent_and_its_brokers_read_as_reviewed() {
    for device in ["wr4000-25.12-usp", "bpi-r3-vlan-25.12"] {
        let mut story = Story::of(device);
        for object in ["LocalAgent", "MQTT"] {
            let text = story.get(&[&format!("Device.{object}.")]);
            golden(device, object, &text);
        }
    }
}

//= TR-369 12: Recipient and CreationDate are set by the agent; the recipient is who made it.
//= TR-369 12: ReferenceList cannot be changed once it is set.
//= TR-369 R-ARC.12: what referred to a row that goes refers to nothing.
//= TR-369 R-KEY.2: a functional key may change but stays unique.
#[test]
fn controllers_subscriptions_roles_and_brokers_are_added_set_and_deleted_as_reviewed() {
    stories("usp");
}
