//! Inform: who is there, why, and what has changed.

use super::body;
use super::get_parameter_values::ParameterValue;
use crate::cwmp::soap::listing::Row;
use crate::cwmp::soap::writer::Xml;

/// The most events of one Inform. Source: `EventList` of the schema.
pub const MAX_EVENTS: usize = 64;
/// The most characters of Manufacturer, ProductClass and SerialNumber. Source: `DeviceIdStruct` of the schema.
pub const MAX_IDENTITY: usize = 64;

/// Who the device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceId {
    /// For people.
    pub manufacturer: String,
    /// Six hex digits.
    pub oui: String,
    /// The line of products.
    pub product_class: String,
    /// Unique within the OUI and ProductClass.
    pub serial_number: String,
}

/// The request to the ACS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inform {
    /// Who the device is.
    pub device_id: DeviceId,
    /// The codes with their command keys, empty but for `M` events.
    pub events: Vec<(String, String)>,
    /// Local time with its offset, or [`crate::time::UNKNOWN`].
    pub current_time: String,
    /// How often this session has failed before.
    pub retry_count: u32,
    /// Forced and changed parameters, each once.
    pub parameters: Vec<ParameterValue>,
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_IDENTITY).collect()
}

/// Writes the request. Identity beyond [`MAX_IDENTITY`] and events beyond [`MAX_EVENTS`] are left out.
//= TR-069 A.3.3.1: DeviceId, Event, MaxEnvelopes of 1, CurrentTime, RetryCount, ParameterList.
pub fn write(xml: &mut Xml, inform: &Inform) {
    body(xml, "Inform", |xml| {
        xml.open("DeviceId");
        xml.leaf("Manufacturer", &cut(&inform.device_id.manufacturer));
        xml.leaf("OUI", &inform.device_id.oui.to_ascii_uppercase());
        xml.leaf("ProductClass", &cut(&inform.device_id.product_class));
        xml.leaf("SerialNumber", &cut(&inform.device_id.serial_number));
        xml.close("DeviceId");
        xml.open_array("Event", "cwmp:EventStruct", inform.events.len().min(MAX_EVENTS) as u64);
        for (code, key) in inform.events.iter().take(MAX_EVENTS) {
            xml.open("EventStruct");
            xml.leaf("EventCode", code);
            xml.leaf("CommandKey", key);
            xml.close("EventStruct");
        }
        xml.close("Event");
        xml.leaf("MaxEnvelopes", "1");
        xml.leaf("CurrentTime", &inform.current_time);
        xml.leaf("RetryCount", &inform.retry_count.to_string());
        xml.open_array("ParameterList", "cwmp:ParameterValueStruct", inform.parameters.len() as u64);
        for parameter in &inform.parameters {
            xml.open("ParameterValueStruct");
            parameter.write(xml);
            xml.close("ParameterValueStruct");
        }
        xml.close("ParameterList");
    });
}
