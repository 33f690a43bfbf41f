//! DeleteObject: a row goes.

use super::{Applied, Arguments, body};
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::writer::Xml;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObject {
    /// The row's path with its final dot.
    pub object_name: String,
    /// Becomes ParameterKey if the row is removed.
    pub parameter_key: String,
}

impl DeleteObject {
    //= TR-069 A.3.2.7: ObjectName and ParameterKey.
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<DeleteObject, Fault> {
        Ok(DeleteObject { object_name: args.text("ObjectName")?, parameter_key: args.key("ParameterKey")? })
    }
}

/// Writes the response.
pub fn write(xml: &mut Xml, applied: Applied) {
    body(xml, "DeleteObjectResponse", |xml| xml.leaf("Status", applied.status()));
}
