//! GetParameterAttributes: notification and access list of parameters.

use super::Arguments;
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::listing::{List, Row};
use crate::cwmp::soap::writer::Xml;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetParameterAttributes {
    /// Full or partial paths; the empty one is the root.
    pub parameter_names: Vec<String>,
}

impl GetParameterAttributes {
    //= TR-069 A.3.2.5: ParameterNames.
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<GetParameterAttributes, Fault> {
        Ok(GetParameterAttributes { parameter_names: args.strings("ParameterNames")? })
    }
}

/// One row of the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterAttribute {
    /// The full path.
    pub name: String,
    /// 0 off, 1 passive, 2 active.
    pub notification: u8,
    /// Who besides the ACS may write: nobody or `Subscriber`.
    pub access_list: Vec<String>,
}

impl Row for ParameterAttribute {
    const LIST: List = List::Attributes;

    fn write(&self, xml: &mut Xml) {
        xml.plain("Name", &self.name);
        xml.leaf("Notification", &self.notification.to_string());
        xml.strings("AccessList", self.access_list.iter().map(String::as_str));
    }
}
