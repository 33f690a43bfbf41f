//! Puts an Inform together from what the agent gathered and the events that wait.
//!
//! Owns the rules of its contents: no parameter twice, local time with its offset, 4 VALUE CHANGE exactly where
//! values have changed. Driven by [`super::session`].

use super::events::Code;
use super::rpc::{DeviceId, Inform, ParameterValue};
use crate::sorted::Set;
use crate::time::{Now, UNKNOWN};

/// What only the agent knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Who the device is.
    pub device_id: DeviceId,
    /// The parameters every Inform carries.
    pub forced: Vec<ParameterValue>,
    /// What the ACS asked for besides, with the events that it is for; none stands for any.
    pub asked: Vec<(Vec<String>, ParameterValue)>,
    /// Those that have changed under notification since an ACS was told.
    pub changed: Vec<ParameterValue>,
    /// Local time minus UTC, in minutes.
    pub utc_offset_minutes: i32,
}

/// The Inform for these `events`.
pub fn build(gathered: Gathered, mut events: Vec<(String, String)>, retry_count: u32, now: Now) -> Inform {
    //= TR-069 3.7.1.5: 4 VALUE CHANGE comes with the parameters that have changed.
    if !gathered.changed.is_empty() {
        events.push((Code::ValueChange.text().to_string(), String::new()));
    }
    //= TR-069 A.3.3.1: what the ACS asked for goes with the events it was asked for; a value change is none of them.
    let told = |wanted: &Vec<String>| {
        let mut codes = events.iter().map(|(code, _)| code).filter(|code| *code != Code::ValueChange.text());
        codes.any(|code| wanted.is_empty() || wanted.contains(code))
    };
    let asked = gathered.asked.into_iter().filter(|(wanted, _)| told(wanted)).map(|(_, value)| value);
    //= TR-069 A.3.3.1: no parameter is there twice.
    let mut parameters = gathered.forced;
    parameters.extend(gathered.changed);
    parameters.extend(asked);
    let mut seen = Set::new();
    parameters.retain(|parameter| seen.insert(parameter.name.clone()));
    //= TR-069 A.3.3.1: CurrentTime is local time with its offset.
    let current_time =
        now.wall.map_or_else(|| UNKNOWN.to_string(), |wall| wall.with_offset(gathered.utc_offset_minutes));
    Inform { device_id: gathered.device_id, events, current_time, retry_count, parameters }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::cwmp::rpc::ValueType;
    use crate::time::Wall;

    fn value(name: &str, value: &str) -> ParameterValue {
        ParameterValue { name: name.into(), kind: ValueType::String, value: value.into() }
    }

    //= TR-069 A.3.3.1
    #[test]
    fn no_parameter_is_told_twice_and_a_change_adds_its_event() {
        let gathered = Gathered {
            forced: vec![value("Device.A", "1"), value("Device.B", "1")],
            changed: vec![value("Device.B", "1"), value("Device.C", "2")],
            ..Gathered::default()
        };
        let events = vec![("1 BOOT".to_string(), String::new())];
        let inform = build(gathered, events.clone(), 3, Now::default());
        let names: Vec<&str> = inform.parameters.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["Device.A", "Device.B", "Device.C"]);
        assert_eq!(inform.events[1].0, "4 VALUE CHANGE");
        assert_eq!(inform.retry_count, 3);
        assert_eq!(build(Gathered::default(), events.clone(), 0, Now::default()).events, events);
    }

    //= TR-069 A.3.3.1: a value change is none of the events that can be chosen.
    #[test]
    fn what_was_asked_for_goes_with_its_events_and_with_none_chosen_with_any_but_a_value_change() {
        let gathered = || Gathered {
            asked: vec![
                (vec![], value("Device.Any", "1")),
                (vec!["1 BOOT".into(), "2 PERIODIC".into()], value("Device.Some", "1")),
                (vec![], value("Device.Changed", "0")),
            ],
            changed: vec![value("Device.Changed", "2")],
            ..Gathered::default()
        };
        for (codes, want) in [
            (&["1 BOOT", "M Reboot"][..], &["Device.Changed", "Device.Any", "Device.Some"][..]),
            (&["2 PERIODIC"], &["Device.Changed", "Device.Any", "Device.Some"]),
            (&["6 CONNECTION REQUEST"], &["Device.Changed", "Device.Any"]),
            (&[], &["Device.Changed"]),
        ] {
            let events = codes.iter().map(|code| (code.to_string(), String::new())).collect();
            let inform = build(gathered(), events, 0, Now::default());
            let names: Vec<&str> = inform.parameters.iter().map(|p| p.name.as_str()).collect();
            assert_eq!(names, want, "{codes:?}");
            assert_eq!(inform.parameters[0].value, "2", "a change is told as such");
        }
    }

    //= TR-069 A.3.3.1
    #[test]
    fn the_time_is_local_with_its_offset_or_unknown() {
        for (wall, offset, want) in [
            (Some(Wall::at(0)), 120, "1970-01-01T02:00:00+02:00"),
            (Some(Wall::at(0)), 0, "1970-01-01T00:00:00+00:00"),
            (None, 120, UNKNOWN),
        ] {
            let gathered = Gathered { utc_offset_minutes: offset, ..Gathered::default() };
            let now = Now { wall, ..Now::default() };
            assert_eq!(build(gathered, Vec::new(), 0, now).current_time, want);
        }
    }
}
