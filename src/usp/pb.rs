//! The messages of TR-369 as structs: fields, tags and nesting of `usp-msg-1-4.proto`, a line each.
//!
//! Names are the standard's, as Rust writes names, so what a field means is looked up there. Only shapes are
//! here; what must hold between fields is checked where each message is handled, the bytes around in [`super::record`].
//!
//! Source: TR-369 `usp-msg-1-4.proto`, `usp-record-1-4.proto` (the latter in [`record`]).
#![allow(missing_docs)]

#[macro_use]
pub mod schema;

mod act;
mod read;
pub mod record;
mod service;
mod write;

pub use act::*;
pub use read::*;
pub use service::*;
pub use write::*;

//= TR-369 R-ENC.0, R-MSG.5: messages follow the schema of version 1.4.
message! {
    /// `Msg`.
    pub struct Msg {
        header: message(Header) = 1,
        body: message(Body) = 2,
    }
}

message! {
    /// `Header`.
    pub struct Header {
        msg_id: text = 1,
        msg_type: enumeration = 2,
    }
}

/// Types inside `Header`.
pub mod header {
    enumeration! {
        /// `Header.MsgType`.
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
}

message! {
    /// `Body`.
    pub struct Body {
        msg_body: oneof(body::MsgBody),
    }
}

/// Types inside `Body`.
pub mod body {
    oneof! {
        /// `Body.msg_body`.
        pub enum MsgBody {
            Request: message(super::Request) = 1,
            Response: message(super::Response) = 2,
            Error: message(super::Error) = 3,
        }
    }
}

message! {
    /// `Request`.
    pub struct Request {
        req_type: oneof(request::ReqType),
    }
}

/// Types inside `Request`.
pub mod request {
    oneof! {
        /// `Request.req_type`.
        pub enum ReqType {
            Get: message(super::Get) = 1,
            GetSupportedDm: message(super::GetSupportedDm) = 2,
            GetInstances: message(super::GetInstances) = 3,
            Set: message(super::Set) = 4,
            Add: message(super::Add) = 5,
            Delete: message(super::Delete) = 6,
            Operate: message(super::Operate) = 7,
            Notify: message(super::Notify) = 8,
            GetSupportedProtocol: message(super::GetSupportedProtocol) = 9,
            Register: message(super::Register) = 10,
            Deregister: message(super::Deregister) = 11,
        }
    }
}

message! {
    /// `Response`.
    pub struct Response {
        resp_type: oneof(response::RespType),
    }
}

/// Types inside `Response`.
pub mod response {
    oneof! {
        /// `Response.resp_type`.
        pub enum RespType {
            GetResp: message(super::GetResp) = 1,
            GetSupportedDmResp: message(super::GetSupportedDmResp) = 2,
            GetInstancesResp: message(super::GetInstancesResp) = 3,
            SetResp: message(super::SetResp) = 4,
            AddResp: message(super::AddResp) = 5,
            DeleteResp: message(super::DeleteResp) = 6,
            OperateResp: message(super::OperateResp) = 7,
            NotifyResp: message(super::NotifyResp) = 8,
            GetSupportedProtocolResp: message(super::GetSupportedProtocolResp) = 9,
            RegisterResp: message(super::RegisterResp) = 10,
            DeregisterResp: message(super::DeregisterResp) = 11,
        }
    }
}

message! {
    /// `Error`.
    pub struct Error {
        err_code: fixed32 = 1,
        err_msg: text = 2,
        param_errs: messages(error::ParamError) = 3,
    }
}

/// Types inside `Error`.
pub mod error {
    message! {
        /// `Error.ParamError`.
        pub struct ParamError {
            param_path: text = 1,
            err_code: fixed32 = 2,
            err_msg: text = 3,
        }
    }
}
