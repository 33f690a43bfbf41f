//! AddObject: a new row of a table.

use super::{Applied, Arguments, body};
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::writer::Xml;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddObject {
    /// The table's path with its final dot, perhaps with an alias behind it.
    pub object_name: String,
    /// Becomes ParameterKey if the row is made.
    pub parameter_key: String,
}

impl AddObject {
    //= TR-069 A.3.2.6: ObjectName and ParameterKey.
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<AddObject, Fault> {
        Ok(AddObject { object_name: args.text("ObjectName")?, parameter_key: args.key("ParameterKey")? })
    }
}

/// Writes the response.
//= TR-069 A.3.2.6: the number first, then the Status.
pub fn write(xml: &mut Xml, instance: u32, applied: Applied) {
    body(xml, "AddObjectResponse", |xml| {
        xml.leaf("InstanceNumber", &instance.to_string());
        xml.leaf("Status", applied.status());
    });
}
