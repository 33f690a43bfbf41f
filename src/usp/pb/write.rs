//! What changes rows and values: `Add`, `Delete`, `Set`.
#![allow(missing_docs)]

use prost::Message;

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
