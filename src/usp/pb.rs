//! The messages of TR-369 as structs: fields, tags and nesting of `usp-msg-1-4.proto`, written for prost's derive.
//!
//! Names are those that prost gives the standard's names, so what a field means is looked up there. Only shapes are
//! here; what must hold between fields is checked where each message is handled, the bytes around in [`super::record`].
//!
//! Source: TR-369 `usp-msg-1-4.proto`, `usp-record-1-4.proto` (the latter in [`record`]).
//= TR-369 R-ENC.0, R-MSG.5: messages follow the schema of version 1.4.
#![allow(missing_docs)]

use prost::Message;

mod act;
mod read;
pub mod record;
mod service;
mod write;

pub use act::*;
pub use read::*;
pub use service::*;
pub use write::*;

/// `Msg`.
#[derive(Clone, PartialEq, Message)]
pub struct Msg {
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    #[prost(message, optional, tag = "2")]
    pub body: Option<Body>,
}

/// `Header`.
#[derive(Clone, PartialEq, Message)]
pub struct Header {
    #[prost(string, tag = "1")]
    pub msg_id: String,
    #[prost(enumeration = "header::MsgType", tag = "2")]
    pub msg_type: i32,
}

/// Types inside `Header`.
pub mod header {
    use prost::Enumeration;

    /// `Header.MsgType`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum MsgType {
        Error = 0,
        Get = 1,
        GetResp = 2,
        Notify = 3,
        Set = 4,
        SetResp = 5,
        Operate = 6,
        OperateResp = 7,
        Add = 8,
        AddResp = 9,
        Delete = 10,
        DeleteResp = 11,
        GetSupportedDm = 12,
        GetSupportedDmResp = 13,
        GetInstances = 14,
        GetInstancesResp = 15,
        NotifyResp = 16,
        GetSupportedProto = 17,
        GetSupportedProtoResp = 18,
        Register = 19,
        RegisterResp = 20,
        Deregister = 21,
        DeregisterResp = 22,
    }
}

/// `Body`.
#[derive(Clone, PartialEq, Message)]
pub struct Body {
    #[prost(oneof = "body::MsgBody", tags = "1, 2, 3")]
    pub msg_body: Option<body::MsgBody>,
}

/// Types inside `Body`.
pub mod body {
    use prost::Oneof;

    /// `Body.msg_body`.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum MsgBody {
        #[prost(message, tag = "1")]
        Request(super::Request),
        #[prost(message, tag = "2")]
        Response(super::Response),
        #[prost(message, tag = "3")]
        Error(super::Error),
    }
}

/// `Request`.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(oneof = "request::ReqType", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")]
    pub req_type: Option<request::ReqType>,
}

/// Types inside `Request`.
pub mod request {
    use prost::Oneof;

    /// `Request.req_type`.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum ReqType {
        #[prost(message, tag = "1")]
        Get(super::Get),
        #[prost(message, tag = "2")]
        GetSupportedDm(super::GetSupportedDm),
        #[prost(message, tag = "3")]
        GetInstances(super::GetInstances),
        #[prost(message, tag = "4")]
        Set(super::Set),
        #[prost(message, tag = "5")]
        Add(super::Add),
        #[prost(message, tag = "6")]
        Delete(super::Delete),
        #[prost(message, tag = "7")]
        Operate(super::Operate),
        #[prost(message, tag = "8")]
        Notify(super::Notify),
        #[prost(message, tag = "9")]
        GetSupportedProtocol(super::GetSupportedProtocol),
        #[prost(message, tag = "10")]
        Register(super::Register),
        #[prost(message, tag = "11")]
        Deregister(super::Deregister),
    }
}

/// `Response`.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    #[prost(oneof = "response::RespType", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")]
    pub resp_type: Option<response::RespType>,
}

/// Types inside `Response`.
pub mod response {
    use prost::Oneof;

    /// `Response.resp_type`.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum RespType {
        #[prost(message, tag = "1")]
        GetResp(super::GetResp),
        #[prost(message, tag = "2")]
        GetSupportedDmResp(super::GetSupportedDmResp),
        #[prost(message, tag = "3")]
        GetInstancesResp(super::GetInstancesResp),
        #[prost(message, tag = "4")]
        SetResp(super::SetResp),
        #[prost(message, tag = "5")]
        AddResp(super::AddResp),
        #[prost(message, tag = "6")]
        DeleteResp(super::DeleteResp),
        #[prost(message, tag = "7")]
        OperateResp(super::OperateResp),
        #[prost(message, tag = "8")]
        NotifyResp(super::NotifyResp),
        #[prost(message, tag = "9")]
        GetSupportedProtocolResp(super::GetSupportedProtocolResp),
        #[prost(message, tag = "10")]
        RegisterResp(super::RegisterResp),
        #[prost(message, tag = "11")]
        DeregisterResp(super::DeregisterResp),
    }
}

/// `Error`.
#[derive(Clone, PartialEq, Message)]
pub struct Error {
    #[prost(fixed32, tag = "1")]
    pub err_code: u32,
    #[prost(string, tag = "2")]
    pub err_msg: String,
    #[prost(message, repeated, tag = "3")]
    pub param_errs: Vec<error::ParamError>,
}

/// Types inside `Error`.
pub mod error {
    use prost::Message;

    /// `Error.ParamError`.
    #[derive(Clone, PartialEq, Message)]
    pub struct ParamError {
        #[prost(string, tag = "1")]
        pub param_path: String,
        #[prost(fixed32, tag = "2")]
        pub err_code: u32,
        #[prost(string, tag = "3")]
        pub err_msg: String,
    }
}
