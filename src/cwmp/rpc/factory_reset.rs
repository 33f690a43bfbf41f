//! FactoryReset: back to the factory state after the session. The request has no arguments.

use super::body;
use crate::cwmp::soap::writer::Xml;

/// Writes the response.
//= TR-069 A.4.1.6: an empty response, before anything is reset.
pub fn write(xml: &mut Xml) {
    body(xml, "FactoryResetResponse", |_| {});
}
