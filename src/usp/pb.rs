//! The messages of TR-369 as structs: fields, tags and nesting of `usp-msg-1-4.proto`, written for prost's derive.
//!
//! Names are those that prost gives the standard's names, so what a field means is looked up there. Only shapes are
//! here; what must hold between fields is checked where each message is handled, the bytes around in [`super::record`].
//!
//! Source: TR-369 `usp-msg-1-4.proto`, `usp-record-1-4.proto` (the latter in [`record`]).
//= TR-369 R-ENC.0: messages follow the schema of version 1.4.
#![allow(missing_docs)]

use prost::Message;
use std::collections::BTreeMap;

pub mod record;

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

/// `Get`.
#[derive(Clone, PartialEq, Message)]
pub struct Get {
    #[prost(string, repeated, tag = "1")]
    pub param_paths: Vec<String>,
    #[prost(fixed32, tag = "2")]
    pub max_depth: u32,
}

/// `GetResp`.
#[derive(Clone, PartialEq, Message)]
pub struct GetResp {
    #[prost(message, repeated, tag = "1")]
    pub req_path_results: Vec<get_resp::RequestedPathResult>,
}

/// Types inside `GetResp`.
pub mod get_resp {
    use prost::Message;
    use std::collections::BTreeMap;

    /// `GetResp.RequestedPathResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct RequestedPathResult {
        #[prost(string, tag = "1")]
        pub requested_path: String,
        #[prost(fixed32, tag = "2")]
        pub err_code: u32,
        #[prost(string, tag = "3")]
        pub err_msg: String,
        #[prost(message, repeated, tag = "4")]
        pub resolved_path_results: Vec<ResolvedPathResult>,
    }

    /// `GetResp.ResolvedPathResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct ResolvedPathResult {
        #[prost(string, tag = "1")]
        pub resolved_path: String,
        #[prost(btree_map = "string, string", tag = "2")]
        pub result_params: BTreeMap<String, String>,
    }
}

/// `GetSupportedDM`.
#[derive(Clone, PartialEq, Message)]
pub struct GetSupportedDm {
    #[prost(string, repeated, tag = "1")]
    pub obj_paths: Vec<String>,
    #[prost(bool, tag = "2")]
    pub first_level_only: bool,
    #[prost(bool, tag = "3")]
    pub return_commands: bool,
    #[prost(bool, tag = "4")]
    pub return_events: bool,
    #[prost(bool, tag = "5")]
    pub return_params: bool,
    #[prost(bool, tag = "6")]
    pub return_unique_key_sets: bool,
}

/// `GetSupportedDMResp`.
#[derive(Clone, PartialEq, Message)]
pub struct GetSupportedDmResp {
    #[prost(message, repeated, tag = "1")]
    pub req_obj_results: Vec<get_supported_dm_resp::RequestedObjectResult>,
}

/// Types inside `GetSupportedDMResp`.
pub mod get_supported_dm_resp {
    use prost::{Enumeration, Message};

    /// `GetSupportedDMResp.RequestedObjectResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct RequestedObjectResult {
        #[prost(string, tag = "1")]
        pub req_obj_path: String,
        #[prost(fixed32, tag = "2")]
        pub err_code: u32,
        #[prost(string, tag = "3")]
        pub err_msg: String,
        #[prost(string, tag = "4")]
        pub data_model_inst_uri: String,
        #[prost(message, repeated, tag = "5")]
        pub supported_objs: Vec<SupportedObjectResult>,
    }

    /// `GetSupportedDMResp.SupportedObjectResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct SupportedObjectResult {
        #[prost(string, tag = "1")]
        pub supported_obj_path: String,
        #[prost(enumeration = "ObjAccessType", tag = "2")]
        pub access: i32,
        #[prost(bool, tag = "3")]
        pub is_multi_instance: bool,
        #[prost(message, repeated, tag = "4")]
        pub supported_commands: Vec<SupportedCommandResult>,
        #[prost(message, repeated, tag = "5")]
        pub supported_events: Vec<SupportedEventResult>,
        #[prost(message, repeated, tag = "6")]
        pub supported_params: Vec<SupportedParamResult>,
        #[prost(string, repeated, tag = "7")]
        pub divergent_paths: Vec<String>,
        #[prost(message, repeated, tag = "8")]
        pub unique_key_sets: Vec<SupportedUniqueKeySet>,
    }

    /// `GetSupportedDMResp.SupportedParamResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct SupportedParamResult {
        #[prost(string, tag = "1")]
        pub param_name: String,
        #[prost(enumeration = "ParamAccessType", tag = "2")]
        pub access: i32,
        #[prost(enumeration = "ParamValueType", tag = "3")]
        pub value_type: i32,
        #[prost(enumeration = "ValueChangeType", tag = "4")]
        pub value_change: i32,
    }

    /// `GetSupportedDMResp.SupportedCommandResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct SupportedCommandResult {
        #[prost(string, tag = "1")]
        pub command_name: String,
        #[prost(string, repeated, tag = "2")]
        pub input_arg_names: Vec<String>,
        #[prost(string, repeated, tag = "3")]
        pub output_arg_names: Vec<String>,
        #[prost(enumeration = "CmdType", tag = "4")]
        pub command_type: i32,
    }

    /// `GetSupportedDMResp.SupportedEventResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct SupportedEventResult {
        #[prost(string, tag = "1")]
        pub event_name: String,
        #[prost(string, repeated, tag = "2")]
        pub arg_names: Vec<String>,
    }

    /// `GetSupportedDMResp.SupportedUniqueKeySet`.
    #[derive(Clone, PartialEq, Message)]
    pub struct SupportedUniqueKeySet {
        #[prost(string, repeated, tag = "1")]
        pub key_names: Vec<String>,
    }

    /// `GetSupportedDMResp.ParamAccessType`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum ParamAccessType {
        ParamReadOnly = 0,
        ParamReadWrite = 1,
        ParamWriteOnly = 2,
    }

    /// `GetSupportedDMResp.ObjAccessType`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum ObjAccessType {
        ObjReadOnly = 0,
        ObjAddDelete = 1,
        ObjAddOnly = 2,
        ObjDeleteOnly = 3,
    }

    /// `GetSupportedDMResp.ParamValueType`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum ParamValueType {
        ParamUnknown = 0,
        ParamBase64 = 1,
        ParamBoolean = 2,
        ParamDateTime = 3,
        ParamDecimal = 4,
        ParamHexBinary = 5,
        ParamInt = 6,
        ParamLong = 7,
        ParamString = 8,
        ParamUnsignedInt = 9,
        ParamUnsignedLong = 10,
    }

    /// `GetSupportedDMResp.ValueChangeType`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum ValueChangeType {
        ValueChangeUnknown = 0,
        ValueChangeAllowed = 1,
        ValueChangeWillIgnore = 2,
    }

    /// `GetSupportedDMResp.CmdType`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
    #[repr(i32)]
    pub enum CmdType {
        CmdUnknown = 0,
        CmdSync = 1,
        CmdAsync = 2,
    }
}

/// `GetInstances`.
#[derive(Clone, PartialEq, Message)]
pub struct GetInstances {
    #[prost(string, repeated, tag = "1")]
    pub obj_paths: Vec<String>,
    #[prost(bool, tag = "2")]
    pub first_level_only: bool,
}

/// `GetInstancesResp`.
#[derive(Clone, PartialEq, Message)]
pub struct GetInstancesResp {
    #[prost(message, repeated, tag = "1")]
    pub req_path_results: Vec<get_instances_resp::RequestedPathResult>,
}

/// Types inside `GetInstancesResp`.
pub mod get_instances_resp {
    use prost::Message;
    use std::collections::BTreeMap;

    /// `GetInstancesResp.RequestedPathResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct RequestedPathResult {
        #[prost(string, tag = "1")]
        pub requested_path: String,
        #[prost(fixed32, tag = "2")]
        pub err_code: u32,
        #[prost(string, tag = "3")]
        pub err_msg: String,
        #[prost(message, repeated, tag = "4")]
        pub curr_insts: Vec<CurrInstance>,
    }

    /// `GetInstancesResp.CurrInstance`.
    #[derive(Clone, PartialEq, Message)]
    pub struct CurrInstance {
        #[prost(string, tag = "1")]
        pub instantiated_obj_path: String,
        #[prost(btree_map = "string, string", tag = "2")]
        pub unique_keys: BTreeMap<String, String>,
    }
}

/// `GetSupportedProtocol`.
#[derive(Clone, PartialEq, Message)]
pub struct GetSupportedProtocol {
    #[prost(string, tag = "1")]
    pub controller_supported_protocol_versions: String,
}

/// `GetSupportedProtocolResp`.
#[derive(Clone, PartialEq, Message)]
pub struct GetSupportedProtocolResp {
    #[prost(string, tag = "1")]
    pub agent_supported_protocol_versions: String,
}

/// `Add`.
#[derive(Clone, PartialEq, Message)]
pub struct Add {
    #[prost(bool, tag = "1")]
    pub allow_partial: bool,
    #[prost(message, repeated, tag = "2")]
    pub create_objs: Vec<add::CreateObject>,
}

/// Types inside `Add`.
pub mod add {
    use prost::Message;

    /// `Add.CreateObject`.
    #[derive(Clone, PartialEq, Message)]
    pub struct CreateObject {
        #[prost(string, tag = "1")]
        pub obj_path: String,
        #[prost(message, repeated, tag = "2")]
        pub param_settings: Vec<CreateParamSetting>,
    }

    /// `Add.CreateParamSetting`.
    #[derive(Clone, PartialEq, Message)]
    pub struct CreateParamSetting {
        #[prost(string, tag = "1")]
        pub param: String,
        #[prost(string, tag = "2")]
        pub value: String,
        #[prost(bool, tag = "3")]
        pub required: bool,
    }
}

/// `AddResp`.
#[derive(Clone, PartialEq, Message)]
pub struct AddResp {
    #[prost(message, repeated, tag = "1")]
    pub created_obj_results: Vec<add_resp::CreatedObjectResult>,
}

/// Types inside `AddResp`.
pub mod add_resp {
    use prost::Message;

    /// `AddResp.CreatedObjectResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct CreatedObjectResult {
        #[prost(string, tag = "1")]
        pub requested_path: String,
        #[prost(message, optional, tag = "2")]
        pub oper_status: Option<created_object_result::OperationStatus>,
    }

    /// Types inside `CreatedObjectResult`.
    pub mod created_object_result {
        use prost::Message;

        /// `AddResp.CreatedObjectResult.OperationStatus`.
        #[derive(Clone, PartialEq, Message)]
        pub struct OperationStatus {
            #[prost(oneof = "operation_status::OperStatus", tags = "1, 2")]
            pub oper_status: Option<operation_status::OperStatus>,
        }

        /// Types inside `OperationStatus`.
        pub mod operation_status {
            use prost::{Message, Oneof};
            use std::collections::BTreeMap;

            /// `OperationStatus.oper_status`.
            #[derive(Clone, PartialEq, Oneof)]
            pub enum OperStatus {
                #[prost(message, tag = "1")]
                OperFailure(OperationFailure),
                #[prost(message, tag = "2")]
                OperSuccess(OperationSuccess),
            }

            /// `AddResp.CreatedObjectResult.OperationStatus.OperationFailure`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationFailure {
                #[prost(fixed32, tag = "1")]
                pub err_code: u32,
                #[prost(string, tag = "2")]
                pub err_msg: String,
            }

            /// `AddResp.CreatedObjectResult.OperationStatus.OperationSuccess`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationSuccess {
                #[prost(string, tag = "1")]
                pub instantiated_path: String,
                #[prost(message, repeated, tag = "2")]
                pub param_errs: Vec<super::super::ParameterError>,
                #[prost(btree_map = "string, string", tag = "3")]
                pub unique_keys: BTreeMap<String, String>,
            }
        }
    }

    /// `AddResp.ParameterError`.
    #[derive(Clone, PartialEq, Message)]
    pub struct ParameterError {
        #[prost(string, tag = "1")]
        pub param: String,
        #[prost(fixed32, tag = "2")]
        pub err_code: u32,
        #[prost(string, tag = "3")]
        pub err_msg: String,
    }
}

/// `Delete`.
#[derive(Clone, PartialEq, Message)]
pub struct Delete {
    #[prost(bool, tag = "1")]
    pub allow_partial: bool,
    #[prost(string, repeated, tag = "2")]
    pub obj_paths: Vec<String>,
}

/// `DeleteResp`.
#[derive(Clone, PartialEq, Message)]
pub struct DeleteResp {
    #[prost(message, repeated, tag = "1")]
    pub deleted_obj_results: Vec<delete_resp::DeletedObjectResult>,
}

/// Types inside `DeleteResp`.
pub mod delete_resp {
    use prost::Message;

    /// `DeleteResp.DeletedObjectResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct DeletedObjectResult {
        #[prost(string, tag = "1")]
        pub requested_path: String,
        #[prost(message, optional, tag = "2")]
        pub oper_status: Option<deleted_object_result::OperationStatus>,
    }

    /// Types inside `DeletedObjectResult`.
    pub mod deleted_object_result {
        use prost::Message;

        /// `DeleteResp.DeletedObjectResult.OperationStatus`.
        #[derive(Clone, PartialEq, Message)]
        pub struct OperationStatus {
            #[prost(oneof = "operation_status::OperStatus", tags = "1, 2")]
            pub oper_status: Option<operation_status::OperStatus>,
        }

        /// Types inside `OperationStatus`.
        pub mod operation_status {
            use prost::{Message, Oneof};

            /// `OperationStatus.oper_status`.
            #[derive(Clone, PartialEq, Oneof)]
            pub enum OperStatus {
                #[prost(message, tag = "1")]
                OperFailure(OperationFailure),
                #[prost(message, tag = "2")]
                OperSuccess(OperationSuccess),
            }

            /// `DeleteResp.DeletedObjectResult.OperationStatus.OperationFailure`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationFailure {
                #[prost(fixed32, tag = "1")]
                pub err_code: u32,
                #[prost(string, tag = "2")]
                pub err_msg: String,
            }

            /// `DeleteResp.DeletedObjectResult.OperationStatus.OperationSuccess`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationSuccess {
                #[prost(string, repeated, tag = "1")]
                pub affected_paths: Vec<String>,
                #[prost(message, repeated, tag = "2")]
                pub unaffected_path_errs: Vec<super::super::UnaffectedPathError>,
            }
        }
    }

    /// `DeleteResp.UnaffectedPathError`.
    #[derive(Clone, PartialEq, Message)]
    pub struct UnaffectedPathError {
        #[prost(string, tag = "1")]
        pub unaffected_path: String,
        #[prost(fixed32, tag = "2")]
        pub err_code: u32,
        #[prost(string, tag = "3")]
        pub err_msg: String,
    }
}

/// `Set`.
#[derive(Clone, PartialEq, Message)]
pub struct Set {
    #[prost(bool, tag = "1")]
    pub allow_partial: bool,
    #[prost(message, repeated, tag = "2")]
    pub update_objs: Vec<set::UpdateObject>,
}

/// Types inside `Set`.
pub mod set {
    use prost::Message;

    /// `Set.UpdateObject`.
    #[derive(Clone, PartialEq, Message)]
    pub struct UpdateObject {
        #[prost(string, tag = "1")]
        pub obj_path: String,
        #[prost(message, repeated, tag = "2")]
        pub param_settings: Vec<UpdateParamSetting>,
    }

    /// `Set.UpdateParamSetting`.
    #[derive(Clone, PartialEq, Message)]
    pub struct UpdateParamSetting {
        #[prost(string, tag = "1")]
        pub param: String,
        #[prost(string, tag = "2")]
        pub value: String,
        #[prost(bool, tag = "3")]
        pub required: bool,
    }
}

/// `SetResp`.
#[derive(Clone, PartialEq, Message)]
pub struct SetResp {
    #[prost(message, repeated, tag = "1")]
    pub updated_obj_results: Vec<set_resp::UpdatedObjectResult>,
}

/// Types inside `SetResp`.
pub mod set_resp {
    use prost::Message;
    use std::collections::BTreeMap;

    /// `SetResp.UpdatedObjectResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct UpdatedObjectResult {
        #[prost(string, tag = "1")]
        pub requested_path: String,
        #[prost(message, optional, tag = "2")]
        pub oper_status: Option<updated_object_result::OperationStatus>,
    }

    /// Types inside `UpdatedObjectResult`.
    pub mod updated_object_result {
        use prost::Message;

        /// `SetResp.UpdatedObjectResult.OperationStatus`.
        #[derive(Clone, PartialEq, Message)]
        pub struct OperationStatus {
            #[prost(oneof = "operation_status::OperStatus", tags = "1, 2")]
            pub oper_status: Option<operation_status::OperStatus>,
        }

        /// Types inside `OperationStatus`.
        pub mod operation_status {
            use prost::{Message, Oneof};

            /// `OperationStatus.oper_status`.
            #[derive(Clone, PartialEq, Oneof)]
            pub enum OperStatus {
                #[prost(message, tag = "1")]
                OperFailure(OperationFailure),
                #[prost(message, tag = "2")]
                OperSuccess(OperationSuccess),
            }

            /// `SetResp.UpdatedObjectResult.OperationStatus.OperationFailure`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationFailure {
                #[prost(fixed32, tag = "1")]
                pub err_code: u32,
                #[prost(string, tag = "2")]
                pub err_msg: String,
                #[prost(message, repeated, tag = "3")]
                pub updated_inst_failures: Vec<super::super::UpdatedInstanceFailure>,
            }

            /// `SetResp.UpdatedObjectResult.OperationStatus.OperationSuccess`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationSuccess {
                #[prost(message, repeated, tag = "1")]
                pub updated_inst_results: Vec<super::super::UpdatedInstanceResult>,
            }
        }
    }

    /// `SetResp.UpdatedInstanceFailure`.
    #[derive(Clone, PartialEq, Message)]
    pub struct UpdatedInstanceFailure {
        #[prost(string, tag = "1")]
        pub affected_path: String,
        #[prost(message, repeated, tag = "2")]
        pub param_errs: Vec<ParameterError>,
    }

    /// `SetResp.UpdatedInstanceResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct UpdatedInstanceResult {
        #[prost(string, tag = "1")]
        pub affected_path: String,
        #[prost(message, repeated, tag = "2")]
        pub param_errs: Vec<ParameterError>,
        #[prost(btree_map = "string, string", tag = "3")]
        pub updated_params: BTreeMap<String, String>,
    }

    /// `SetResp.ParameterError`.
    #[derive(Clone, PartialEq, Message)]
    pub struct ParameterError {
        #[prost(string, tag = "1")]
        pub param: String,
        #[prost(fixed32, tag = "2")]
        pub err_code: u32,
        #[prost(string, tag = "3")]
        pub err_msg: String,
    }
}

/// `Operate`.
#[derive(Clone, PartialEq, Message)]
pub struct Operate {
    #[prost(string, tag = "1")]
    pub command: String,
    #[prost(string, tag = "2")]
    pub command_key: String,
    #[prost(bool, tag = "3")]
    pub send_resp: bool,
    #[prost(btree_map = "string, string", tag = "4")]
    pub input_args: BTreeMap<String, String>,
}

/// `OperateResp`.
#[derive(Clone, PartialEq, Message)]
pub struct OperateResp {
    #[prost(message, repeated, tag = "1")]
    pub operation_results: Vec<operate_resp::OperationResult>,
}

/// Types inside `OperateResp`.
pub mod operate_resp {
    use prost::Message;

    /// `OperateResp.OperationResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct OperationResult {
        #[prost(string, tag = "1")]
        pub executed_command: String,
        #[prost(oneof = "operation_result::OperationResp", tags = "2, 3, 4")]
        pub operation_resp: Option<operation_result::OperationResp>,
    }

    /// Types inside `OperationResult`.
    pub mod operation_result {
        use prost::{Message, Oneof};
        use std::collections::BTreeMap;

        /// `OperationResult.operation_resp`.
        #[derive(Clone, PartialEq, Oneof)]
        pub enum OperationResp {
            #[prost(string, tag = "2")]
            ReqObjPath(String),
            #[prost(message, tag = "3")]
            ReqOutputArgs(OutputArgs),
            #[prost(message, tag = "4")]
            CmdFailure(CommandFailure),
        }

        /// `OperateResp.OperationResult.OutputArgs`.
        #[derive(Clone, PartialEq, Message)]
        pub struct OutputArgs {
            #[prost(btree_map = "string, string", tag = "1")]
            pub output_args: BTreeMap<String, String>,
        }

        /// `OperateResp.OperationResult.CommandFailure`.
        #[derive(Clone, PartialEq, Message)]
        pub struct CommandFailure {
            #[prost(fixed32, tag = "1")]
            pub err_code: u32,
            #[prost(string, tag = "2")]
            pub err_msg: String,
        }
    }
}

/// `Notify`.
#[derive(Clone, PartialEq, Message)]
pub struct Notify {
    #[prost(string, tag = "1")]
    pub subscription_id: String,
    #[prost(bool, tag = "2")]
    pub send_resp: bool,
    #[prost(oneof = "notify::Notification", tags = "3, 4, 5, 6, 7, 8")]
    pub notification: Option<notify::Notification>,
}

/// Types inside `Notify`.
pub mod notify {
    use prost::{Message, Oneof};
    use std::collections::BTreeMap;

    /// `Notify.notification`.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum Notification {
        #[prost(message, tag = "3")]
        Event(Event),
        #[prost(message, tag = "4")]
        ValueChange(ValueChange),
        #[prost(message, tag = "5")]
        ObjCreation(ObjectCreation),
        #[prost(message, tag = "6")]
        ObjDeletion(ObjectDeletion),
        #[prost(message, tag = "7")]
        OperComplete(OperationComplete),
        #[prost(message, tag = "8")]
        OnBoardReq(OnBoardRequest),
    }

    /// `Notify.Event`.
    #[derive(Clone, PartialEq, Message)]
    pub struct Event {
        #[prost(string, tag = "1")]
        pub obj_path: String,
        #[prost(string, tag = "2")]
        pub event_name: String,
        #[prost(btree_map = "string, string", tag = "3")]
        pub params: BTreeMap<String, String>,
    }

    /// `Notify.ValueChange`.
    #[derive(Clone, PartialEq, Message)]
    pub struct ValueChange {
        #[prost(string, tag = "1")]
        pub param_path: String,
        #[prost(string, tag = "2")]
        pub param_value: String,
    }

    /// `Notify.ObjectCreation`.
    #[derive(Clone, PartialEq, Message)]
    pub struct ObjectCreation {
        #[prost(string, tag = "1")]
        pub obj_path: String,
        #[prost(btree_map = "string, string", tag = "2")]
        pub unique_keys: BTreeMap<String, String>,
    }

    /// `Notify.ObjectDeletion`.
    #[derive(Clone, PartialEq, Message)]
    pub struct ObjectDeletion {
        #[prost(string, tag = "1")]
        pub obj_path: String,
    }

    /// `Notify.OperationComplete`.
    #[derive(Clone, PartialEq, Message)]
    pub struct OperationComplete {
        #[prost(string, tag = "1")]
        pub obj_path: String,
        #[prost(string, tag = "2")]
        pub command_name: String,
        #[prost(string, tag = "3")]
        pub command_key: String,
        #[prost(oneof = "operation_complete::OperationResp", tags = "4, 5")]
        pub operation_resp: Option<operation_complete::OperationResp>,
    }

    /// Types inside `OperationComplete`.
    pub mod operation_complete {
        use prost::{Message, Oneof};
        use std::collections::BTreeMap;

        /// `OperationComplete.operation_resp`.
        #[derive(Clone, PartialEq, Oneof)]
        pub enum OperationResp {
            #[prost(message, tag = "4")]
            ReqOutputArgs(OutputArgs),
            #[prost(message, tag = "5")]
            CmdFailure(CommandFailure),
        }

        /// `Notify.OperationComplete.OutputArgs`.
        #[derive(Clone, PartialEq, Message)]
        pub struct OutputArgs {
            #[prost(btree_map = "string, string", tag = "1")]
            pub output_args: BTreeMap<String, String>,
        }

        /// `Notify.OperationComplete.CommandFailure`.
        #[derive(Clone, PartialEq, Message)]
        pub struct CommandFailure {
            #[prost(fixed32, tag = "1")]
            pub err_code: u32,
            #[prost(string, tag = "2")]
            pub err_msg: String,
        }
    }

    /// `Notify.OnBoardRequest`.
    #[derive(Clone, PartialEq, Message)]
    pub struct OnBoardRequest {
        #[prost(string, tag = "1")]
        pub oui: String,
        #[prost(string, tag = "2")]
        pub product_class: String,
        #[prost(string, tag = "3")]
        pub serial_number: String,
        #[prost(string, tag = "4")]
        pub agent_supported_protocol_versions: String,
    }
}

/// `NotifyResp`.
#[derive(Clone, PartialEq, Message)]
pub struct NotifyResp {
    #[prost(string, tag = "1")]
    pub subscription_id: String,
}

/// `Register`.
#[derive(Clone, PartialEq, Message)]
pub struct Register {
    #[prost(bool, tag = "1")]
    pub allow_partial: bool,
    #[prost(message, repeated, tag = "2")]
    pub reg_paths: Vec<register::RegistrationPath>,
}

/// Types inside `Register`.
pub mod register {
    use prost::Message;

    /// `Register.RegistrationPath`.
    #[derive(Clone, PartialEq, Message)]
    pub struct RegistrationPath {
        #[prost(string, tag = "1")]
        pub path: String,
    }
}

/// `RegisterResp`.
#[derive(Clone, PartialEq, Message)]
pub struct RegisterResp {
    #[prost(message, repeated, tag = "1")]
    pub registered_path_results: Vec<register_resp::RegisteredPathResult>,
}

/// Types inside `RegisterResp`.
pub mod register_resp {
    use prost::Message;

    /// `RegisterResp.RegisteredPathResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct RegisteredPathResult {
        #[prost(string, tag = "1")]
        pub requested_path: String,
        #[prost(message, optional, tag = "2")]
        pub oper_status: Option<registered_path_result::OperationStatus>,
    }

    /// Types inside `RegisteredPathResult`.
    pub mod registered_path_result {
        use prost::Message;

        /// `RegisterResp.RegisteredPathResult.OperationStatus`.
        #[derive(Clone, PartialEq, Message)]
        pub struct OperationStatus {
            #[prost(oneof = "operation_status::OperStatus", tags = "1, 2")]
            pub oper_status: Option<operation_status::OperStatus>,
        }

        /// Types inside `OperationStatus`.
        pub mod operation_status {
            use prost::{Message, Oneof};

            /// `OperationStatus.oper_status`.
            #[derive(Clone, PartialEq, Oneof)]
            pub enum OperStatus {
                #[prost(message, tag = "1")]
                OperFailure(OperationFailure),
                #[prost(message, tag = "2")]
                OperSuccess(OperationSuccess),
            }

            /// `RegisterResp.RegisteredPathResult.OperationStatus.OperationFailure`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationFailure {
                #[prost(fixed32, tag = "1")]
                pub err_code: u32,
                #[prost(string, tag = "2")]
                pub err_msg: String,
            }

            /// `RegisterResp.RegisteredPathResult.OperationStatus.OperationSuccess`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationSuccess {
                #[prost(string, tag = "1")]
                pub registered_path: String,
            }
        }
    }
}

/// `Deregister`.
#[derive(Clone, PartialEq, Message)]
pub struct Deregister {
    #[prost(string, repeated, tag = "1")]
    pub paths: Vec<String>,
}

/// `DeregisterResp`.
#[derive(Clone, PartialEq, Message)]
pub struct DeregisterResp {
    #[prost(message, repeated, tag = "1")]
    pub deregistered_path_results: Vec<deregister_resp::DeregisteredPathResult>,
}

/// Types inside `DeregisterResp`.
pub mod deregister_resp {
    use prost::Message;

    /// `DeregisterResp.DeregisteredPathResult`.
    #[derive(Clone, PartialEq, Message)]
    pub struct DeregisteredPathResult {
        #[prost(string, tag = "1")]
        pub requested_path: String,
        #[prost(message, optional, tag = "2")]
        pub oper_status: Option<deregistered_path_result::OperationStatus>,
    }

    /// Types inside `DeregisteredPathResult`.
    pub mod deregistered_path_result {
        use prost::Message;

        /// `DeregisterResp.DeregisteredPathResult.OperationStatus`.
        #[derive(Clone, PartialEq, Message)]
        pub struct OperationStatus {
            #[prost(oneof = "operation_status::OperStatus", tags = "1, 2")]
            pub oper_status: Option<operation_status::OperStatus>,
        }

        /// Types inside `OperationStatus`.
        pub mod operation_status {
            use prost::{Message, Oneof};

            /// `OperationStatus.oper_status`.
            #[derive(Clone, PartialEq, Oneof)]
            pub enum OperStatus {
                #[prost(message, tag = "1")]
                OperFailure(OperationFailure),
                #[prost(message, tag = "2")]
                OperSuccess(OperationSuccess),
            }

            /// `DeregisterResp.DeregisteredPathResult.OperationStatus.OperationFailure`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationFailure {
                #[prost(fixed32, tag = "1")]
                pub err_code: u32,
                #[prost(string, tag = "2")]
                pub err_msg: String,
            }

            /// `DeregisterResp.DeregisteredPathResult.OperationStatus.OperationSuccess`.
            #[derive(Clone, PartialEq, Message)]
            pub struct OperationSuccess {
                #[prost(string, repeated, tag = "1")]
                pub deregistered_path: Vec<String>,
            }
        }
    }
}
