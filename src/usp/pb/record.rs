//! The Record of TR-369 and what can be in it: fields, tags and nesting of `usp-record-1-4.proto`.
//!
//! Used to make Records and to look at them in tests; what arrives is read by [`crate::usp::record`], which is stricter.
//= TR-369 R-ENC.1: Records follow the schema of version 1.4.

use prost::Message;

/// `Record`.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    #[prost(string, tag = "1")]
    pub version: String,
    #[prost(string, tag = "2")]
    pub to_id: String,
    #[prost(string, tag = "3")]
    pub from_id: String,
    #[prost(enumeration = "record::PayloadSecurity", tag = "4")]
    pub payload_security: i32,
    #[prost(bytes = "vec", tag = "5")]
    pub mac_signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub sender_cert: Vec<u8>,
    #[prost(oneof = "record::RecordType", tags = "7, 8, 9, 10, 11, 12, 13")]
    pub record_type: Option<record::RecordType>,
}

/// Types inside `Record`.
#[allow(clippy::module_inception)] // what prost names it
pub mod record {
    use prost::{Enumeration, Oneof};

    /// `Record.record_type`.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum RecordType {
        #[prost(message, tag = "7")]
        NoSessionContext(super::NoSessionContextRecord),
        #[prost(message, tag = "8")]
        SessionContext(super::SessionContextRecord),
        #[prost(message, tag = "9")]
        WebsocketConnect(super::WebSocketConnectRecord),
        #[prost(message, tag = "10")]
        MqttConnect(super::MqttConnectRecord),
        #[prost(message, tag = "11")]
        StompConnect(super::StompConnectRecord),
        #[prost(message, tag = "12")]
        Disconnect(super::DisconnectRecord),
        #[prost(message, tag = "13")]
        UdsConnect(super::UdsConnectRecord),
    }

    /// `Record.PayloadSecurity`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum PayloadSecurity {
        Plaintext = 0,
        Tls12 = 1,
    }
}

/// `NoSessionContextRecord`.
#[derive(Clone, PartialEq, Message)]
pub struct NoSessionContextRecord {
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
}

/// `SessionContextRecord`.
#[derive(Clone, PartialEq, Message)]
pub struct SessionContextRecord {
    #[prost(uint64, tag = "1")]
    pub session_id: u64,
    #[prost(uint64, tag = "2")]
    pub sequence_id: u64,
    #[prost(uint64, tag = "3")]
    pub expected_id: u64,
    #[prost(uint64, tag = "4")]
    pub retransmit_id: u64,
    #[prost(enumeration = "session_context_record::PayloadSarState", tag = "5")]
    pub payload_sar_state: i32,
    #[prost(enumeration = "session_context_record::PayloadSarState", tag = "6")]
    pub payloadrec_sar_state: i32,
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub payload: Vec<Vec<u8>>,
}

/// Types inside `SessionContextRecord`.
pub mod session_context_record {
    use prost::Enumeration;

    /// `SessionContextRecord.PayloadSARState`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum PayloadSarState {
        None = 0,
        Begin = 1,
        Inprocess = 2,
        Complete = 3,
    }
}

/// `WebSocketConnectRecord`.
#[derive(Clone, PartialEq, Message)]
pub struct WebSocketConnectRecord {}

/// `MQTTConnectRecord`.
#[derive(Clone, PartialEq, Message)]
pub struct MqttConnectRecord {
    #[prost(enumeration = "mqtt_connect_record::MqttVersion", tag = "1")]
    pub version: i32,
    #[prost(string, tag = "2")]
    pub subscribed_topic: String,
}

/// Types inside `MQTTConnectRecord`.
pub mod mqtt_connect_record {
    use prost::Enumeration;

    /// `MQTTConnectRecord.MQTTVersion`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum MqttVersion {
        V311 = 0,
        V5 = 1,
    }
}

/// `STOMPConnectRecord`.
#[derive(Clone, PartialEq, Message)]
pub struct StompConnectRecord {
    #[prost(enumeration = "stomp_connect_record::StompVersion", tag = "1")]
    pub version: i32,
    #[prost(string, tag = "2")]
    pub subscribed_destination: String,
}

/// Types inside `STOMPConnectRecord`.
pub mod stomp_connect_record {
    use prost::Enumeration;

    /// `STOMPConnectRecord.STOMPVersion`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum StompVersion {
        V12 = 0,
    }
}

/// `UDSConnectRecord`.
#[derive(Clone, PartialEq, Message)]
pub struct UdsConnectRecord {}

/// `DisconnectRecord`.
#[derive(Clone, PartialEq, Message)]
pub struct DisconnectRecord {
    #[prost(string, tag = "1")]
    pub reason: String,
    #[prost(fixed32, tag = "2")]
    pub reason_code: u32,
}
