//! GetParameterNames: what there is below a path.

use super::Arguments;
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::listing::{List, Row};
use crate::cwmp::soap::writer::Xml;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetParameterNames {
    /// A full or partial path; empty for the root.
    pub parameter_path: String,
    /// Only the level below, instead of all.
    pub next_level: bool,
}

impl GetParameterNames {
    //= TR-069 A.3.2.3: ParameterPath and NextLevel.
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<GetParameterNames, Fault> {
        Ok(GetParameterNames {
            parameter_path: args.text("ParameterPath")?,
            next_level: args.boolean("NextLevel")?,
        })
    }
}

/// One row of the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInfo {
    /// The path; of an object with its final dot.
    pub name: String,
    /// A parameter can be set, a table takes new rows, a row can be removed.
    pub writable: bool,
}

impl Row for ParameterInfo {
    const LIST: List = List::Names;

    fn write(&self, xml: &mut Xml) {
        xml.plain("Name", &self.name);
        xml.leaf("Writable", if self.writable { "1" } else { "0" });
    }
}
