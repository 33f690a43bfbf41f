//! TransferComplete: the CPE tells how a transfer ended.

use super::body;
use crate::cwmp::soap::writer::Xml;
use crate::cwmp::version::Version;

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

/// The general file transfer failure, which stands for kinds that a version does not know.
const TRANSFER_FAILURE: u16 = 9010;

/// Writes the request.
//= TR-069 A.3.3.2: CommandKey, FaultStruct, StartTime, CompleteTime.
pub fn write(xml: &mut Xml, version: Version, request: &TransferComplete) {
    let (code, text) = &request.fault;
    //= TR-069 A.3.3.2: 9014 to 9019 came with version 1.1, 9020 with 1.2.
    let known = match *code {
        9014..=9019 => version >= Version::V1_1,
        9020 => version >= Version::V1_2,
        _ => true,
    };
    let code = if known { *code } else { TRANSFER_FAILURE };
    body(xml, "TransferComplete", |xml| {
        xml.leaf("CommandKey", &request.command_key);
        xml.open("FaultStruct");
        xml.leaf("FaultCode", &code.to_string());
        xml.leaf("FaultString", &text.chars().take(MAX_FAULT_TEXT).collect::<String>());
        xml.close("FaultStruct");
        xml.leaf("StartTime", &request.start_time);
        xml.leaf("CompleteTime", &request.complete_time);
    });
}
