//! An envelope from an ACS as a typed message.
//!
//! By namespace, never by prefix. Decides what kind of message it is, checks the headers, and hands the arguments of
//! a request to [`crate::cwmp::rpc`]. Whether the message is welcome now is for the session to say.

use super::xml::{self, Element, Space, Unreadable};
use crate::cwmp::fault::Fault;
use crate::cwmp::rpc::{Response, Rpc};
use crate::cwmp::version::Version;
use std::fmt;

/// An envelope that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The version the namespace of the body's element stands for.
    pub version: Option<Version>,
    /// The header ID, octet for octet.
    pub id: Option<String>,
    /// The header HoldRequests.
    pub hold_requests: bool,
    /// The header UseCWMPVersion as written.
    pub use_version: Option<String>,
    /// A header that must be understood and is not.
    pub not_understood: Option<String>,
    /// What it says.
    pub body: Body,
}

/// What is in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A request, or why it cannot be one.
    Request(Result<Rpc, Fault>),
    /// A response to our request.
    Response(Response),
    /// A fault in answer to our request.
    Fault(AcsFault),
}

/// A fault from the ACS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcsFault {
    /// The local part of `faultcode`.
    pub soap_code: String,
    /// The CWMP code; `None` for a fault of plain SOAP.
    pub code: Option<u16>,
    /// What went wrong, for the log.
    pub text: String,
}

/// Why octets are not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoMessage {
    /// Not readable as XML, or too large.
    Xml(Unreadable),
    /// An envelope of another version of SOAP.
    OtherSoap,
    /// XML of another kind; what is wrong with it.
    NotSoap(&'static str),
}

impl fmt::Display for NoMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoMessage::Xml(why) => write!(f, "the message cannot be read: {why}"),
            NoMessage::OtherSoap => f.write_str("the message is an envelope of another SOAP version"),
            NoMessage::NotSoap(what) => write!(f, "the message is no SOAP: {what}"),
        }
    }
}

/// Reads one envelope.
//= TR-069 3.5: SOAP 1.1, one envelope per HTTP message, one RPC per envelope.
pub fn read(octets: &[u8]) -> Result<Message, NoMessage> {
    let root = xml::parse(octets).map_err(NoMessage::Xml)?;
    match (&*root.name, root.space) {
        ("Envelope", Space::Envelope) => {}
        ("Envelope", Space::None | Space::Cwmp(_) | Space::Other) => return Err(NoMessage::OtherSoap),
        _ => return Err(NoMessage::NotSoap("not an envelope")),
    }
    let part = |name: &str| {
        let mut parts = root.children.iter().filter(|c| *c.name == *name && c.space == Space::Envelope);
        (parts.next(), parts.next().is_some())
    };
    let (header, two_headers) = part("Header");
    let (Some(body), two_bodies) = part("Body") else { return Err(NoMessage::NotSoap("no body")) };
    if two_headers || two_bodies || body.children.len() > 1 {
        return Err(NoMessage::NotSoap("more than one message"));
    }
    let mut message = Message {
        version: None,
        id: None,
        hold_requests: false,
        use_version: None,
        not_understood: None,
        body: Body::Empty,
    };
    for entry in header.map(|header| header.children.as_slice()).unwrap_or_default() {
        self::header(&mut message, entry);
    }
    if let Some(element) = body.children.first() {
        if let Space::Cwmp(version) = element.space {
            message.version = Some(version);
        }
        message.body = match (element.space, &*element.name) {
            (Space::Envelope, "Fault") => {
                let (fault, version) = fault(element);
                message.version = version;
                Body::Fault(fault)
            }
            (Space::Cwmp(_), name) if name.ends_with("Response") => Body::Response(Response::read(element)),
            _ => Body::Request(Rpc::read(element)),
        };
    }
    Ok(message)
}

//= TR-069 3.5: ID, HoldRequests and UseCWMPVersion are understood, NoMoreRequests is ignored.
fn header(message: &mut Message, entry: &Element<'_>) {
    match (entry.space, &*entry.name) {
        (Space::Cwmp(_), "ID") => message.id = Some(entry.text.to_string()),
        (Space::Cwmp(_), "HoldRequests") => {
            message.hold_requests = matches!(entry.text.trim(), "1" | "true");
        }
        (Space::Cwmp(_), "UseCWMPVersion") => message.use_version = Some(entry.text.trim().to_string()),
        (Space::Cwmp(_), "NoMoreRequests" | "SessionTimeout" | "SupportedCWMPVersions") => {}
        //= SOAP 1.1 4.2.3: a header that must be understood and is not makes the message fail.
        _ if entry.must_understand => message.not_understood = Some(entry.name.to_string()),
        _ => {}
    }
}

fn fault(element: &Element<'_>) -> (AcsFault, Option<Version>) {
    // SOAP 1.1 has these without a namespace; some servers qualify them.
    let child = |name: &str| element.children.iter().find(|child| *child.name == *name);
    let text = |name| child(name).map(|child| child.text.trim()).unwrap_or_default();
    let soap_code = text("faultcode").rsplit(':').next().unwrap_or_default().to_string();
    let detail = child("detail").and_then(|detail| {
        detail.children.iter().find(|inner| *inner.name == *"Fault" && inner.space != Space::Envelope)
    });
    let Some(detail) = detail else {
        return (AcsFault { soap_code, code: None, text: text("faultstring").to_string() }, None);
    };
    let version = match detail.space {
        Space::Cwmp(version) => Some(version),
        Space::None | Space::Envelope | Space::Other => None,
    };
    let inner = |name| detail.child(name).map(|child| child.text.trim()).unwrap_or_default();
    (
        AcsFault { soap_code, code: inner("FaultCode").parse().ok(), text: inner("FaultString").to_string() },
        version,
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::cwmp::rpc::*;
    use crate::cwmp::soap::ENVELOPE;
    use std::time::Duration;

    fn envelope(header: &str, body: &str) -> String {
        format!(
            "<?xml version='1.0' encoding='UTF-8'?>\n<s:Envelope xmlns:s='{ENVELOPE}' \
             xmlns:e='http://schemas.xmlsoap.org/soap/encoding/' xmlns:xsd='http://www.w3.org/2001/XMLSchema' \
             xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:c='urn:dslforum-org:cwmp-1-2'>\n\
             <s:Header>{header}</s:Header>\n<s:Body>\n {body} </s:Body></s:Envelope>"
        )
    }

    fn request(body: &str) -> Result<Rpc, u16> {
        match read(envelope("", body).as_bytes()).unwrap().body {
            Body::Request(rpc) => rpc.map_err(|fault| fault.code),
            other => panic!("not a request: {other:?}"),
        }
    }

    //= TR-069 A.3.1, A.3.2, A.4.1
    #[test]
    fn each_request_is_read_into_its_type() {
        let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        for (body, want) in [
            ("<c:GetRPCMethods/>", Rpc::GetRpcMethods),
            (
                "<c:GetParameterNames><ParameterPath>Device.</ParameterPath><NextLevel> true </NextLevel></c:GetParameterNames>",
                Rpc::GetParameterNames(GetParameterNames {
                    parameter_path: "Device.".into(),
                    next_level: true,
                }),
            ),
            (
                "<c:GetParameterValues><ParameterNames e:arrayType='xsd:string[99]'><string>Device.A</string><string/></ParameterNames></c:GetParameterValues>",
                Rpc::GetParameterValues(GetParameterValues { parameter_names: names(&["Device.A", ""]) }),
            ),
            (
                "<c:SetParameterValues><ParameterList><ParameterValueStruct><Name>Device.A</Name><Value i:type='xsd:string'> x  y </Value></ParameterValueStruct>\
                 <ParameterValueStruct><Value>1</Value><Unknown/><Name>Device.B</Name></ParameterValueStruct></ParameterList><ParameterKey>k</ParameterKey></c:SetParameterValues>",
                Rpc::SetParameterValues(SetParameterValues {
                    parameter_list: vec![
                        NewValue {
                            name: "Device.A".into(),
                            value: " x  y ".into(),
                            kind: Some("string".into()),
                        },
                        NewValue { name: "Device.B".into(), value: "1".into(), kind: None },
                    ],
                    parameter_key: "k".into(),
                }),
            ),
            (
                "<c:SetParameterValues><ParameterList/><ParameterKey/></c:SetParameterValues>",
                Rpc::SetParameterValues(SetParameterValues {
                    parameter_list: vec![],
                    parameter_key: String::new(),
                }),
            ),
            (
                "<c:GetParameterAttributes><ParameterNames><string>Device.</string></ParameterNames></c:GetParameterAttributes>",
                Rpc::GetParameterAttributes(GetParameterAttributes { parameter_names: names(&["Device."]) }),
            ),
            (
                "<c:SetParameterAttributes><ParameterList><SetParameterAttributesStruct><Name>Device.A</Name><NotificationChange>1</NotificationChange>\
                 <Notification>2</Notification><AccessListChange>0</AccessListChange><AccessList/></SetParameterAttributesStruct></ParameterList></c:SetParameterAttributes>",
                Rpc::SetParameterAttributes(SetParameterAttributes {
                    parameter_list: vec![AttributeChange {
                        name: "Device.A".into(),
                        notification: Some(2),
                        access_list: None,
                    }],
                }),
            ),
            (
                "<c:AddObject><ObjectName>Device.T.</ObjectName><ParameterKey>k</ParameterKey></c:AddObject>",
                Rpc::AddObject(AddObject { object_name: "Device.T.".into(), parameter_key: "k".into() }),
            ),
            (
                "<c:DeleteObject><ObjectName>Device.T.1.</ObjectName><ParameterKey/></c:DeleteObject>",
                Rpc::DeleteObject(DeleteObject {
                    object_name: "Device.T.1.".into(),
                    parameter_key: String::new(),
                }),
            ),
            (
                "<c:Reboot><CommandKey>key &lt;&amp;&gt; of thirty-two characters</CommandKey></c:Reboot>",
                Rpc::Reboot(Reboot { command_key: "key <&> of thirty-two characters".into() }),
            ),
            ("<c:FactoryReset/>", Rpc::FactoryReset),
            (
                "<c:ScheduleInform><DelaySeconds>60</DelaySeconds><CommandKey>k</CommandKey></c:ScheduleInform>",
                Rpc::ScheduleInform(ScheduleInform {
                    delay: Duration::from_secs(60),
                    command_key: "k".into(),
                }),
            ),
        ] {
            assert_eq!(request(body), Ok(want), "{body}");
        }
    }

    //= TR-069 A.5.1, TR-106 3.2
    #[test]
    fn an_unknown_method_is_9000_and_a_wrong_argument_9003() {
        for (body, code) in [
            ("<c:Frobnicate/>", 9000),
            ("<c:X_00D09E_Kit/>", 9000),
            ("<Reboot><CommandKey/></Reboot>", 9000),
            ("<s:Reboot><CommandKey/></s:Reboot>", 9000),
            ("<c:Reboot/>", 9003),
            ("<c:Reboot><CommandKey>123456789012345678901234567890123</CommandKey></c:Reboot>", 9003),
            ("<c:Reboot><CommandKey>a</CommandKey><CommandKey>b</CommandKey></c:Reboot>", 9003),
            ("<c:GetParameterNames><NextLevel>1</NextLevel></c:GetParameterNames>", 9003),
            ("<c:GetParameterNames><ParameterPath/></c:GetParameterNames>", 9003),
            ("<c:GetParameterNames><ParameterPath/><NextLevel>2</NextLevel></c:GetParameterNames>", 9003),
            ("<c:GetParameterValues/>", 9003),
            ("<c:AddObject><ParameterKey/></c:AddObject>", 9003),
            ("<c:SetParameterValues><ParameterList/></c:SetParameterValues>", 9003),
            (
                "<c:SetParameterValues><ParameterList><ParameterValueStruct><Name>a</Name></ParameterValueStruct></ParameterList><ParameterKey/></c:SetParameterValues>",
                9003,
            ),
            (
                "<c:SetParameterValues><ParameterList><ParameterValueStruct><Name>a</Name><Value>1</Value></ParameterValueStruct>\
                 <ParameterValueStruct><Name>a</Name><Value>1</Value></ParameterValueStruct></ParameterList><ParameterKey/></c:SetParameterValues>",
                9003,
            ),
            (
                "<c:SetParameterAttributes><ParameterList><SetParameterAttributesStruct><Name>a</Name><NotificationChange>1</NotificationChange>\
                 <Notification>7</Notification><AccessListChange>0</AccessListChange><AccessList/></SetParameterAttributesStruct></ParameterList></c:SetParameterAttributes>",
                9003,
            ),
            ("<c:ScheduleInform><DelaySeconds>0</DelaySeconds><CommandKey/></c:ScheduleInform>", 9003),
            ("<c:ScheduleInform><DelaySeconds>-1</DelaySeconds><CommandKey/></c:ScheduleInform>", 9003),
        ] {
            assert_eq!(request(body), Err(code), "{body}");
        }
    }

    //= TR-069 3.5
    #[test]
    fn the_headers_are_taken_by_namespace_and_unknown_ones_matter_only_if_they_must() {
        let blank = (None, false, None, None);
        for (header, want) in [
            ("", blank),
            ("<c:ID s:mustUnderstand='1'> a&amp;1 </c:ID>", (Some(" a&1 "), false, None, None)),
            ("<c:HoldRequests s:mustUnderstand='1'>1</c:HoldRequests>", (None, true, None, None)),
            ("<c:HoldRequests s:mustUnderstand='1'>false</c:HoldRequests>", blank),
            ("<c:NoMoreRequests s:mustUnderstand='1'>1</c:NoMoreRequests>", blank),
            (
                "<c:UseCWMPVersion s:mustUnderstand='1'>1.4</c:UseCWMPVersion>",
                (None, false, Some("1.4"), None),
            ),
            ("<x:Strange xmlns:x='urn:x' s:mustUnderstand='1'/>", (None, false, None, Some("Strange"))),
            ("<x:ID xmlns:x='urn:x' s:mustUnderstand='1'>1</x:ID>", (None, false, None, Some("ID"))),
            ("<x:Strange xmlns:x='urn:x' s:mustUnderstand='0'/><x:O xmlns:x='urn:x'/>", blank),
            ("<c:Future s:mustUnderstand='1'/>", (None, false, None, Some("Future"))),
        ] {
            let m = read(envelope(header, "<c:GetRPCMethods/>").as_bytes()).unwrap();
            let told =
                (m.id.as_deref(), m.hold_requests, m.use_version.as_deref(), m.not_understood.as_deref());
            assert_eq!(told, want, "{header}");
        }
    }

    #[test]
    fn the_version_is_that_of_the_namespace() {
        for (uri, want) in
            [("1-0", Version::V1_0), ("1-1", Version::V1_1), ("1-2", Version::V1_2), ("1-4", Version::V1_4)]
        {
            let text = envelope("", "<c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse>")
                .replace("cwmp-1-2", &format!("cwmp-{uri}"));
            let message = read(text.as_bytes()).unwrap();
            assert_eq!((message.version, message.body), (Some(want), Body::Response(Response::Inform)));
        }
    }

    //= TR-069 A.5.2
    #[test]
    fn responses_and_faults_of_the_server_are_told_apart() {
        let fault = |code: &str| {
            format!(
                "<s:Fault><faultcode>s:Server</faultcode><faultstring>CWMP fault</faultstring><detail><c:Fault>\
                 <FaultCode>{code}</FaultCode><FaultString>why</FaultString></c:Fault></detail></s:Fault>"
            )
        };
        let made = |code, soap_code: &str, text: &str| {
            Body::Fault(AcsFault { soap_code: soap_code.into(), code, text: text.into() })
        };
        for (body, want) in [
            (fault("8005"), made(Some(8005), "Server", "why")),
            (fault("many"), made(None, "Server", "why")),
            (
                "<s:Fault><faultcode>s:VersionMismatch</faultcode><faultstring>no</faultstring></s:Fault>".into(),
                made(None, "VersionMismatch", "no"),
            ),
            ("<s:Fault/>".into(), made(None, "", "")),
            ("<c:TransferCompleteResponse/>".into(), Body::Response(Response::Named("TransferCompleteResponse".into()))),
            (
                "<c:GetRPCMethodsResponse><MethodList><string>Inform</string></MethodList></c:GetRPCMethodsResponse>".into(),
                Body::Response(Response::GetRpcMethods(vec!["Inform".into()])),
            ),
            (String::new(), Body::Empty),
        ] {
            assert_eq!(read(envelope("", &body).as_bytes()).unwrap().body, want, "{body}");
        }
    }

    //= TR-069 3.5: SOAP 1.1, one envelope per HTTP message, one RPC per envelope.
    #[test]
    fn what_is_no_envelope_of_ours_is_no_message() {
        let good = envelope("", "<c:GetRPCMethods/>");
        for (text, want) in [
            ("<html/>".to_string(), NoMessage::NotSoap("not an envelope")),
            ("<Envelope/>".to_string(), NoMessage::OtherSoap),
            (good.replace(ENVELOPE, "http://www.w3.org/2003/05/soap-envelope"), NoMessage::OtherSoap),
            (format!("<s:Envelope xmlns:s='{ENVELOPE}'/>"), NoMessage::NotSoap("no body")),
            (
                good.replace("<c:GetRPCMethods/>", "<c:GetRPCMethods/><c:GetRPCMethods/>"),
                NoMessage::NotSoap("more than one message"),
            ),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), want, "{text}");
        }
        assert!(matches!(read(&good.as_bytes()[..good.len() - 25]), Err(NoMessage::Xml(_))));
    }

    #[test]
    fn the_method_may_bring_its_own_default_namespace() {
        let body = "<GetParameterNames xmlns='urn:dslforum-org:cwmp-1-2'><ParameterPath xmlns=''>Device.</ParameterPath>\
                    <NextLevel xmlns=''>1</NextLevel></GetParameterNames>";
        let all_qualified = body.replace(" xmlns=''", "");
        for body in [body, &all_qualified] {
            assert!(matches!(request(body), Ok(Rpc::GetParameterNames(_))), "{body}");
        }
    }
}
