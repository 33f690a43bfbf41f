//! What is done and what is told: `Operate`, `Notify`.
#![allow(missing_docs)]

use prost::Message;
use std::collections::BTreeMap;

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
