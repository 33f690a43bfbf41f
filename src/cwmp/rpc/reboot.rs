//! Reboot: restart after the session.

use super::{Arguments, body};
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::writer::Xml;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reboot {
    /// Comes back with the event `M Reboot`.
    pub command_key: String,
}

impl Reboot {
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<Reboot, Fault> {
        Ok(Reboot { command_key: args.key("CommandKey")? })
    }
}

/// Writes the response.
pub fn write(xml: &mut Xml) {
    body(xml, "RebootResponse", |_| {});
}
