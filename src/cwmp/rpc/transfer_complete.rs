//! TransferComplete: the CPE tells how a transfer ended.

use super::body;
use crate::cwmp::soap::writer::Xml;

/// The request to the ACS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferComplete {
    /// The key of the Download or Upload.
    pub command_key: String,
    /// 0 for success, or the code and what went wrong.
    pub fault: (u16, String),
    /// When it began, as dateTime; [`crate::time::UNKNOWN`] if nobody knows.
    pub start_time: String,
    /// When it ended, likewise.
    pub complete_time: String,
}

/// The most characters of the fault's text. Source: `FaultStruct` of the schema.
pub const MAX_FAULT_TEXT: usize = 256;

/// Writes the request.
//= TR-069 A.3.3.2: CommandKey, FaultStruct, StartTime, CompleteTime.
pub fn write(xml: &mut Xml, request: &TransferComplete) {
    body(xml, "TransferComplete", |xml| {
        xml.leaf("CommandKey", &request.command_key);
        xml.open("FaultStruct");
        xml.leaf("FaultCode", &request.fault.0.to_string());
        xml.leaf("FaultString", &request.fault.1.chars().take(MAX_FAULT_TEXT).collect::<String>());
        xml.close("FaultStruct");
        xml.leaf("StartTime", &request.start_time);
        xml.leaf("CompleteTime", &request.complete_time);
    });
}
