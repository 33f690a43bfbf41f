//! GetParameterValues: values of parameters and of all below a path.

use super::{Arguments, ValueType};
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::listing::{List, Row};
use crate::cwmp::soap::writer::Xml;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetParameterValues {
    /// Full or partial paths; the empty one is the root.
    pub parameter_names: Vec<String>,
}

impl GetParameterValues {
    //= TR-069 A.3.2.2: ParameterNames.
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<GetParameterValues, Fault> {
        Ok(GetParameterValues { parameter_names: args.strings("ParameterNames")? })
    }
}

/// One value of the response, and of the Inform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterValue {
    /// The full path.
    pub name: String,
    /// The value's type.
    pub kind: ValueType,
    /// The value in that type's canonical form.
    pub value: String,
}

impl Row for ParameterValue {
    const LIST: List = List::Values;

    fn write(&self, xml: &mut Xml) {
        xml.plain("Name", &self.name);
        xml.typed("Value", self.kind, &self.value);
    }
}
