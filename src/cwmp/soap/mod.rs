//! SOAP 1.1 as TR-069 uses it: [`reader`] turns octets into a message, [`writer`] a message into octets.
//!
//! [`listing`] holds the messages too long for memory, [`xml`] the bounded tree between reader and wire. No HTTP and no sessions here.

pub mod listing;
pub mod reader;
pub mod writer;
pub mod xml;

use super::rpc::{Answer, Rpc};
use super::version::NEWEST;
use reader::{Body, Message};

/// The SOAP 1.1 envelope namespace.
pub const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The SOAP 1.1 encoding namespace, for `arrayType` and `base64`.
pub const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
/// The namespace of the types in `xsi:type`.
pub const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of `xsi:type` itself.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Reads anything as an answer of an ACS, for fuzzing.
///
/// It must neither panic nor exceed the bounds of [`xml`]. The ID and the values of what was read come back unchanged
/// when they are written and read once more.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    let Ok(message) = reader::read(data) else { return };
    let version = message.version.unwrap_or(NEWEST);
    let envelope = writer::Envelope { version, id: message.id.as_deref(), announce: false };
    let again = |text: &str| reader::read(text.as_bytes()).map(|again| again.id);
    assert_eq!(again(&envelope.around(|_| {})), Ok(message.id.clone()));
    match &message.body {
        Body::Request(Ok(Rpc::SetParameterValues(request))) => {
            for new in &request.parameter_list {
                let mut xml = writer::Xml::default();
                xml.leaf("Value", &new.value);
                let read = xml::parse(xml.as_str().as_bytes()).map(|element| element.text.to_string());
                assert_eq!(read.as_ref(), Ok(&new.value));
            }
        }
        Body::Request(Err(fault)) => {
            if let writer::Outgoing::Text(text) = envelope.answer(&Answer::Fault(fault.clone())) {
                assert!(matches!(reader::read(text.as_bytes()), Ok(Message { body: Body::Fault(_), .. })));
            }
        }
        Body::Empty | Body::Request(Ok(_)) | Body::Response(_) | Body::Fault(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_value_a_server_can_send_comes_back_as_it_was(value in "\\PC*|[ \t\r\n&<>\"']*", id in "[ -~\r\n\t]*") {
            let version = NEWEST;
            let envelope = writer::Envelope { version, id: Some(&id), announce: false };
            let text = envelope.around(|xml| {
                xml.open("cwmp:SetParameterValues");
                xml.open_array("ParameterList", "cwmp:ParameterValueStruct", 1);
                xml.open("ParameterValueStruct");
                xml.leaf("Name", "Device.A");
                xml.typed("Value", super::super::rpc::ValueType::String, &value);
                xml.close("ParameterValueStruct");
                xml.close("ParameterList");
                xml.leaf("ParameterKey", "");
                xml.close("cwmp:SetParameterValues");
            });
            exercise(text.as_bytes());
            let message = reader::read(text.as_bytes()).expect("it is well-formed");
            prop_assert_eq!(message.id, Some(id));
            let Body::Request(Ok(Rpc::SetParameterValues(request))) = message.body else { panic!("not read") };
            let carried = value.chars().map(|c| if xml::legal(c) { c } else { '\u{fffd}' }).collect::<String>();
            prop_assert_eq!(&request.parameter_list.first().expect("one").value, &carried);
        }

        #[test]
        fn octets_of_any_kind_are_survived(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            exercise(&data);
        }
    }
}
