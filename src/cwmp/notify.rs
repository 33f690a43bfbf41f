//! The rules of notification: which levels there are, and which wishes of SetParameterAttributes are granted.
//!
//! Keeps nothing: attributes and what the ACS was last told are in [`crate::state`], watched by the agent.

use super::fault::{Fault, INVALID_ARGUMENTS, NOTIFICATION_REJECTED};
use crate::dm::schema::Notify;

/// The one entity an access list may name.
pub const SUBSCRIBER: &str = "Subscriber";

/// How a parameter's changes are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not at all.
    #[default]
    Off,
    /// In the next session, whatever its cause.
    Passive,
    /// In a session of their own.
    Active,
}

impl Level {
    /// The level by its number; refuses the lightweight ones, which are not supported, and numbers there are not.
    //= TR-069 A.3.2.4: 0 off, 1 passive, 2 active; 3 to 6 need lightweight notifications.
    pub fn of(number: u8) -> Result<Level, Fault> {
        match number {
            0 => Ok(Level::Off),
            1 => Ok(Level::Passive),
            2 => Ok(Level::Active),
            _ => Err(Fault::new(INVALID_ARGUMENTS, "lightweight notifications are not supported")),
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Level::Off => 0,
            Level::Passive => 1,
            Level::Active => 2,
        }
    }

    /// The level a parameter has unless the ACS says otherwise.
    //= TR-069 3.7.1.5: off, but for those parameters whose definition has them on.
    pub const fn default_of(rule: Notify) -> Level {
        match rule {
            Notify::Normal | Notify::CanDeny => Level::Off,
            Notify::Forced | Notify::OnByDefault => Level::Active,
        }
    }
}

/// Decides on a wish for `level`: the level to set, or `None` to leave the parameter as it is.
///
/// `named` tells whether the parameter was named in full. Below a partial path a parameter that cannot follow is
/// passed over instead of refusing the whole object: a DeviceInfo has both kinds.
//= TR-069 A.3.2.4: 9009 for an active notification that is denied and for a forced one that is to change; a passive
// one is never denied.
pub fn decide(rule: Notify, named: bool, level: Level) -> Result<Option<Level>, Fault> {
    let refused = match (rule, level) {
        (Notify::Forced, Level::Active) => return Ok(None),
        (Notify::Forced, Level::Off | Level::Passive) | (Notify::CanDeny, Level::Active) => true,
        (Notify::CanDeny, Level::Off | Level::Passive) | (Notify::Normal | Notify::OnByDefault, _) => false,
    };
    match (refused, named) {
        (false, _) => Ok(Some(level)),
        (true, false) => Ok(None),
        (true, true) => Err(Fault::new(NOTIFICATION_REJECTED, "")),
    }
}

/// Checks an access list and tells whether it names [`SUBSCRIBER`].
//= TR-069 A.3.2.4: no other entity is defined.
pub fn access(list: &[String]) -> Result<bool, Fault> {
    match list.iter().find(|entity| *entity != SUBSCRIBER) {
        Some(other) => Err(Fault::arguments(&format!("{other} is no entity of an AccessList"))),
        None => Ok(!list.is_empty()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= TR-069 A.3.2.4
    #[test]
    fn which_wishes_for_a_level_are_granted() {
        use Level::{Active, Off, Passive};
        for (rule, level, named, partial) in [
            (Notify::Normal, Off, Ok(Some(Off)), Some(Off)),
            (Notify::Normal, Active, Ok(Some(Active)), Some(Active)),
            (Notify::CanDeny, Passive, Ok(Some(Passive)), Some(Passive)),
            (Notify::CanDeny, Active, Err(9009), None),
            (Notify::Forced, Active, Ok(None), None),
            (Notify::Forced, Passive, Err(9009), None),
            (Notify::Forced, Off, Err(9009), None),
            (Notify::OnByDefault, Off, Ok(Some(Off)), Some(Off)),
        ] {
            assert_eq!(decide(rule, true, level).map_err(|fault| fault.code), named, "{rule:?} {level:?}");
            assert_eq!(decide(rule, false, level), Ok(partial), "{rule:?} {level:?} below a partial path");
        }
        for number in 0..=2 {
            assert_eq!(Level::of(number).unwrap().number(), number);
        }
        for number in 3..=7 {
            assert_eq!(Level::of(number).unwrap_err().code, 9003);
        }
    }

    //= TR-069 A.3.2.4
    #[test]
    fn only_subscriber_is_an_entity_of_an_access_list() {
        let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(access(&list(&[])), Ok(false));
        assert_eq!(access(&list(&["Subscriber"])), Ok(true));
        assert_eq!(access(&list(&["Subscriber", "Guest"])).unwrap_err().code, 9003);
    }
}
