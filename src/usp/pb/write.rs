//! What changes rows and values: `Add`, `Delete`, `Set`.
#![allow(missing_docs)]

message! {
    /// `Add`.
    pub struct Add {
        allow_partial: boolean = 1,
        create_objs: messages(add::CreateObject) = 2,
    }
}

/// Types inside `Add`.
pub mod add {
    message! {
        /// `Add.CreateObject`.
        pub struct CreateObject {
            obj_path: text = 1,
            param_settings: messages(CreateParamSetting) = 2,
        }
    }

    message! {
        /// `Add.CreateParamSetting`.
        pub struct CreateParamSetting {
            param: text = 1,
            value: text = 2,
            required: boolean = 3,
        }
    }
}

message! {
    /// `AddResp`.
    pub struct AddResp {
        created_obj_results: messages(add_resp::CreatedObjectResult) = 1,
    }
}

/// Types inside `AddResp`.
pub mod add_resp {
    message! {
        /// `AddResp.CreatedObjectResult`.
        pub struct CreatedObjectResult {
            requested_path: text = 1,
            oper_status: message(created_object_result::OperationStatus) = 2,
        }
    }

    /// Types inside `CreatedObjectResult`.
    pub mod created_object_result {
        message! {
            /// `AddResp.CreatedObjectResult.OperationStatus`.
            pub struct OperationStatus {
                oper_status: oneof(operation_status::OperStatus),
            }
        }

        /// Types inside `OperationStatus`.
        pub mod operation_status {
            oneof! {
                /// `OperationStatus.oper_status`.
                pub enum OperStatus {
                    OperFailure: message(OperationFailure) = 1,
                    OperSuccess: message(OperationSuccess) = 2,
                }
            }

            message! {
                /// `AddResp.CreatedObjectResult.OperationStatus.OperationFailure`.
                pub struct OperationFailure {
                    err_code: fixed32 = 1,
                    err_msg: text = 2,
                }
            }

            message! {
                /// `AddResp.CreatedObjectResult.OperationStatus.OperationSuccess`.
                pub struct OperationSuccess {
                    instantiated_path: text = 1,
                    param_errs: messages(super::super::ParameterError) = 2,
                    unique_keys: map = 3,
                }
            }
        }
    }

    message! {
        /// `AddResp.ParameterError`.
        pub struct ParameterError {
            param: text = 1,
            err_code: fixed32 = 2,
            err_msg: text = 3,
        }
    }
}

message! {
    /// `Delete`.
    pub struct Delete {
        allow_partial: boolean = 1,
        obj_paths: texts = 2,
    }
}

message! {
    /// `DeleteResp`.
    pub struct DeleteResp {
        deleted_obj_results: messages(delete_resp::DeletedObjectResult) = 1,
    }
}

/// Types inside `DeleteResp`.
pub mod delete_resp {
    message! {
        /// `DeleteResp.DeletedObjectResult`.
        pub struct DeletedObjectResult {
            requested_path: text = 1,
            oper_status: message(deleted_object_result::OperationStatus) = 2,
        }
    }

    /// Types inside `DeletedObjectResult`.
    pub mod deleted_object_result {
        message! {
            /// `DeleteResp.DeletedObjectResult.OperationStatus`.
            pub struct OperationStatus {
                oper_status: oneof(operation_status::OperStatus),
            }
        }

        /// Types inside `OperationStatus`.
        pub mod operation_status {
            oneof! {
                /// `OperationStatus.oper_status`.
                pub enum OperStatus {
                    OperFailure: message(OperationFailure) = 1,
                    OperSuccess: message(OperationSuccess) = 2,
                }
            }

            message! {
                /// `DeleteResp.DeletedObjectResult.OperationStatus.OperationFailure`.
                pub struct OperationFailure {
                    err_code: fixed32 = 1,
                    err_msg: text = 2,
                }
            }

            message! {
                /// `DeleteResp.DeletedObjectResult.OperationStatus.OperationSuccess`.
                pub struct OperationSuccess {
                    affected_paths: texts = 1,
                    unaffected_path_errs: messages(super::super::UnaffectedPathError) = 2,
                }
            }
        }
    }

    message! {
        /// `DeleteResp.UnaffectedPathError`.
        pub struct UnaffectedPathError {
            unaffected_path: text = 1,
            err_code: fixed32 = 2,
            err_msg: text = 3,
        }
    }
}

message! {
    /// `Set`.
    pub struct Set {
        allow_partial: boolean = 1,
        update_objs: messages(set::UpdateObject) = 2,
    }
}

/// Types inside `Set`.
pub mod set {
    message! {
        /// `Set.UpdateObject`.
        pub struct UpdateObject {
            obj_path: text = 1,
            param_settings: messages(UpdateParamSetting) = 2,
        }
    }

    message! {
        /// `Set.UpdateParamSetting`.
        pub struct UpdateParamSetting {
            param: text = 1,
            value: text = 2,
            required: boolean = 3,
        }
    }
}

message! {
    /// `SetResp`.
    pub struct SetResp {
        updated_obj_results: messages(set_resp::UpdatedObjectResult) = 1,
    }
}

/// Types inside `SetResp`.
pub mod set_resp {
    message! {
        /// `SetResp.UpdatedObjectResult`.
        pub struct UpdatedObjectResult {
            requested_path: text = 1,
            oper_status: message(updated_object_result::OperationStatus) = 2,
        }
    }

    /// Types inside `UpdatedObjectResult`.
    pub mod updated_object_result {
        message! {
            /// `SetResp.UpdatedObjectResult.OperationStatus`.
            pub struct OperationStatus {
                oper_status: oneof(operation_status::OperStatus),
            }
        }

        /// Types inside `OperationStatus`.
        pub mod operation_status {
            oneof! {
                /// `OperationStatus.oper_status`.
                pub enum OperStatus {
                    OperFailure: message(OperationFailure) = 1,
                    OperSuccess: message(OperationSuccess) = 2,
                }
            }

            message! {
                /// `SetResp.UpdatedObjectResult.OperationStatus.OperationFailure`.
                pub struct OperationFailure {
                    err_code: fixed32 = 1,
                    err_msg: text = 2,
                    updated_inst_failures: messages(super::super::UpdatedInstanceFailure) = 3,
                }
            }

            message! {
                /// `SetResp.UpdatedObjectResult.OperationStatus.OperationSuccess`.
                pub struct OperationSuccess {
                    updated_inst_results: messages(super::super::UpdatedInstanceResult) = 1,
                }
            }
        }
    }

    message! {
        /// `SetResp.UpdatedInstanceFailure`.
        pub struct UpdatedInstanceFailure {
            affected_path: text = 1,
            param_errs: messages(ParameterError) = 2,
        }
    }

    message! {
        /// `SetResp.UpdatedInstanceResult`.
        pub struct UpdatedInstanceResult {
            affected_path: text = 1,
            param_errs: messages(ParameterError) = 2,
            updated_params: map = 3,
        }
    }

    message! {
        /// `SetResp.ParameterError`.
        pub struct ParameterError {
            param: text = 1,
            err_code: fixed32 = 2,
            err_msg: text = 3,
        }
    }
}
