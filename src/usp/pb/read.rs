//! What is asked for: `Get`, `GetSupportedDM`, `GetInstances`, `GetSupportedProtocol`.
#![allow(missing_docs)]

use prost::Message;

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
