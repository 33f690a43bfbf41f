//! Device.MQTT.: what its lines cannot say.

use super::localagent;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::view::At;
use crate::dm::write::Draft;

const PACKAGE: &str = "uci:cpeagent";

/// The name of a connection: the option `name`, else the section's.
pub fn name<'s>(at: &At<'_, 's>) -> Value<'s> {
    localagent::title(at)
}

/// Sets the name of a connection.
pub fn set_name(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    localagent::set_title(at, value, draft)
}

/// Longest name or value of a user property, in characters; as docs/SETTINGS.md has it.
const MAX_PROPERTY: usize = 256;

/// Sets what a user property says.
pub fn set_property_name(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_property(at, "name", value, draft)
}

/// Sets its value.
pub fn set_property_value(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_property(at, "value", value, draft)
}

fn set_property(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value.chars().count() > MAX_PROPERTY || value.contains(char::is_control) {
        return Err(
            Refusal::OutOfRange { allowed: "up to 256 characters, no control characters".into() }.into()
        );
    }
    let bound = at.bound()?;
    draft.set_text(&bound.source, bound.name, option, value)
}

/// Deletes a connection with its subscriptions and user properties.
pub fn delete_client(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let name = at.bound()?.name;
    for kind in ["mqtt_subscription", "mqtt_user_property"] {
        localagent::delete_parts(at, draft, (PACKAGE, kind, "mqtt"), name)?;
    }
    draft.remove(PACKAGE, name)
}
