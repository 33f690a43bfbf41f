//! Device.DHCPv4.: what its lines cannot say.

use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::view::At;
use crate::dm::write::Draft;

/// test
pub fn domain_name<'s>(_at: &At<'_, 's>) -> Value<'s> {
    Ok(None)
}

/// test
pub fn set_domain_name(_at: &At<'_, '_>, _value: &str, _draft: &mut Draft) -> Result<(), Stop> {
    Ok(())
}
