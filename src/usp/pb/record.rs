//! The Record of TR-369 and what can be in it: fields, tags and nesting of `usp-record-1-4.proto`.
//!
//! Used to make Records and to look at them in tests; what arrives is read by [`crate::usp::record`], which is stricter.
//= TR-369 R-ENC.1: Records follow the schema of version 1.4.

message! {
    /// `Record`.
    pub struct Record {
        version: text = 1,
        to_id: text = 2,
        from_id: text = 3,
        payload_security: enumeration = 4,
        mac_signature: octets = 5,
        sender_cert: octets = 6,
        record_type: oneof(record::RecordType),
    }
}

/// Types inside `Record`.
#[allow(clippy::module_inception)] // the standard has both
pub mod record {
    oneof! {
        /// `Record.record_type`.
        pub enum RecordType {
            NoSessionContext: message(super::NoSessionContextRecord) = 7,
            SessionContext: message(super::SessionContextRecord) = 8,
            WebsocketConnect: message(super::WebSocketConnectRecord) = 9,
            MqttConnect: message(super::MqttConnectRecord) = 10,
            StompConnect: message(super::StompConnectRecord) = 11,
            Disconnect: message(super::DisconnectRecord) = 12,
            UdsConnect: message(super::UdsConnectRecord) = 13,
        }
    }

    enumeration! {
        /// `Record.PayloadSecurity`.
        pub enum PayloadSecurity {
            Plaintext = 0,
            Tls12 = 1,
        }
    }
}

message! {
    /// `NoSessionContextRecord`.
    pub struct NoSessionContextRecord {
        payload: octets = 2,
    }
}

message! {
    /// `SessionContextRecord`.
    pub struct SessionContextRecord {
        session_id: uint64 = 1,
        sequence_id: uint64 = 2,
        expected_id: uint64 = 3,
        retransmit_id: uint64 = 4,
        payload_sar_state: enumeration = 5,
        payloadrec_sar_state: enumeration = 6,
        payload: octet_strings = 7,
    }
}

/// Types inside `SessionContextRecord`.
pub mod session_context_record {
    enumeration! {
        /// `SessionContextRecord.PayloadSARState`.
        pub enum PayloadSarState {
            None = 0,
            Begin = 1,
            Inprocess = 2,
            Complete = 3,
        }
    }
}

message! {
    /// `WebSocketConnectRecord`.
    pub struct WebSocketConnectRecord {
    }
}

message! {
    /// `MQTTConnectRecord`.
    pub struct MqttConnectRecord {
        version: enumeration = 1,
        subscribed_topic: text = 2,
    }
}

/// Types inside `MQTTConnectRecord`.
pub mod mqtt_connect_record {
    enumeration! {
        /// `MQTTConnectRecord.MQTTVersion`.
        pub enum MqttVersion {
            V311 = 0,
            V5 = 1,
        }
    }
}

message! {
    /// `STOMPConnectRecord`.
    pub struct StompConnectRecord {
        version: enumeration = 1,
        subscribed_destination: text = 2,
    }
}

/// Types inside `STOMPConnectRecord`.
pub mod stomp_connect_record {
    enumeration! {
        /// `STOMPConnectRecord.STOMPVersion`.
        pub enum StompVersion {
            V12 = 0,
        }
    }
}

message! {
    /// `UDSConnectRecord`.
    pub struct UdsConnectRecord {
    }
}

message! {
    /// `DisconnectRecord`.
    pub struct DisconnectRecord {
        reason: text = 1,
        reason_code: fixed32 = 2,
    }
}
