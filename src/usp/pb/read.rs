//! What is asked for: `Get`, `GetSupportedDM`, `GetInstances`, `GetSupportedProtocol`.
#![allow(missing_docs)]

message! {
    /// `Get`.
    pub struct Get {
        param_paths: texts = 1,
        max_depth: fixed32 = 2,
    }
}

message! {
    /// `GetResp`.
    pub struct GetResp {
        req_path_results: messages(get_resp::RequestedPathResult) = 1,
    }
}

/// Types inside `GetResp`.
pub mod get_resp {
    message! {
        /// `GetResp.RequestedPathResult`.
        pub struct RequestedPathResult {
            requested_path: text = 1,
            err_code: fixed32 = 2,
            err_msg: text = 3,
            resolved_path_results: messages(ResolvedPathResult) = 4,
        }
    }

    message! {
        /// `GetResp.ResolvedPathResult`.
        pub struct ResolvedPathResult {
            resolved_path: text = 1,
            result_params: map = 2,
        }
    }
}

message! {
    /// `GetSupportedDM`.
    pub struct GetSupportedDm {
        obj_paths: texts = 1,
        first_level_only: boolean = 2,
        return_commands: boolean = 3,
        return_events: boolean = 4,
        return_params: boolean = 5,
        return_unique_key_sets: boolean = 6,
    }
}

message! {
    /// `GetSupportedDMResp`.
    pub struct GetSupportedDmResp {
        req_obj_results: messages(get_supported_dm_resp::RequestedObjectResult) = 1,
    }
}

/// Types inside `GetSupportedDMResp`.
pub mod get_supported_dm_resp {
    message! {
        /// `GetSupportedDMResp.RequestedObjectResult`.
        pub struct RequestedObjectResult {
            req_obj_path: text = 1,
            err_code: fixed32 = 2,
            err_msg: text = 3,
            data_model_inst_uri: text = 4,
            supported_objs: messages(SupportedObjectResult) = 5,
        }
    }

    message! {
        /// `GetSupportedDMResp.SupportedObjectResult`.
        pub struct SupportedObjectResult {
            supported_obj_path: text = 1,
            access: enumeration = 2,
            is_multi_instance: boolean = 3,
            supported_commands: messages(SupportedCommandResult) = 4,
            supported_events: messages(SupportedEventResult) = 5,
            supported_params: messages(SupportedParamResult) = 6,
            divergent_paths: texts = 7,
            unique_key_sets: messages(SupportedUniqueKeySet) = 8,
        }
    }

    message! {
        /// `GetSupportedDMResp.SupportedParamResult`.
        pub struct SupportedParamResult {
            param_name: text = 1,
            access: enumeration = 2,
            value_type: enumeration = 3,
            value_change: enumeration = 4,
        }
    }

    message! {
        /// `GetSupportedDMResp.SupportedCommandResult`.
        pub struct SupportedCommandResult {
            command_name: text = 1,
            input_arg_names: texts = 2,
            output_arg_names: texts = 3,
            command_type: enumeration = 4,
        }
    }

    message! {
        /// `GetSupportedDMResp.SupportedEventResult`.
        pub struct SupportedEventResult {
            event_name: text = 1,
            arg_names: texts = 2,
        }
    }

    message! {
        /// `GetSupportedDMResp.SupportedUniqueKeySet`.
        pub struct SupportedUniqueKeySet {
            key_names: texts = 1,
        }
    }

    enumeration! {
        /// `GetSupportedDMResp.ParamAccessType`.
        pub enum ParamAccessType {
            ParamReadOnly = 0,
            ParamReadWrite = 1,
            ParamWriteOnly = 2,
        }
    }

    enumeration! {
        /// `GetSupportedDMResp.ObjAccessType`.
        pub enum ObjAccessType {
            ObjReadOnly = 0,
            ObjAddDelete = 1,
            ObjAddOnly = 2,
            ObjDeleteOnly = 3,
        }
    }

    enumeration! {
        /// `GetSupportedDMResp.ParamValueType`.
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
    }

    enumeration! {
        /// `GetSupportedDMResp.ValueChangeType`.
        pub enum ValueChangeType {
            ValueChangeUnknown = 0,
            ValueChangeAllowed = 1,
            ValueChangeWillIgnore = 2,
        }
    }

    enumeration! {
        /// `GetSupportedDMResp.CmdType`.
        pub enum CmdType {
            CmdUnknown = 0,
            CmdSync = 1,
            CmdAsync = 2,
        }
    }
}

message! {
    /// `GetInstances`.
    pub struct GetInstances {
        obj_paths: texts = 1,
        first_level_only: boolean = 2,
    }
}

message! {
    /// `GetInstancesResp`.
    pub struct GetInstancesResp {
        req_path_results: messages(get_instances_resp::RequestedPathResult) = 1,
    }
}

/// Types inside `GetInstancesResp`.
pub mod get_instances_resp {
    message! {
        /// `GetInstancesResp.RequestedPathResult`.
        pub struct RequestedPathResult {
            requested_path: text = 1,
            err_code: fixed32 = 2,
            err_msg: text = 3,
            curr_insts: messages(CurrInstance) = 4,
        }
    }

    message! {
        /// `GetInstancesResp.CurrInstance`.
        pub struct CurrInstance {
            instantiated_obj_path: text = 1,
            unique_keys: map = 2,
        }
    }
}

message! {
    /// `GetSupportedProtocol`.
    pub struct GetSupportedProtocol {
        controller_supported_protocol_versions: text = 1,
    }
}

message! {
    /// `GetSupportedProtocolResp`.
    pub struct GetSupportedProtocolResp {
        agent_supported_protocol_versions: text = 1,
    }
}
