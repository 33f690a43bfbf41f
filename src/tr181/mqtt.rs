//! Device.MQTT.: what its lines cannot say.

use super::localagent;
use crate::dm::draft::OWN;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::view::At;
use crate::dm::write::Draft;

/// The name of a connection: the option `name`, else the section's.
pub fn name<'s>(at: &At<'_, 's>) -> Value<'s> {
    localagent::title(at)
}

/// Sets the name of a connection.
pub fn set_name(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    localagent::set_title(at, value, draft)
}

/// Deletes a connection with its subscriptions and user properties.
pub fn delete_client(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let name = at.bound()?.name;
    for kind in ["mqtt_subscription", "mqtt_user_property"] {
        localagent::delete_parts(at, draft, (OWN, kind, "mqtt"), name)?;
    }
    draft.remove(OWN, name)
}
