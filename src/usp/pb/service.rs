//! What a service behind an agent offers: `Register`, `Deregister`.
#![allow(missing_docs)]

message! {
    /// `Register`.
    pub struct Register {
        allow_partial: boolean = 1,
        reg_paths: messages(register::RegistrationPath) = 2,
    }
}

/// Types inside `Register`.
pub mod register {
    message! {
        /// `Register.RegistrationPath`.
        pub struct RegistrationPath {
            path: text = 1,
        }
    }
}

message! {
    /// `RegisterResp`.
    pub struct RegisterResp {
        registered_path_results: messages(register_resp::RegisteredPathResult) = 1,
    }
}

/// Types inside `RegisterResp`.
pub mod register_resp {
    message! {
        /// `RegisterResp.RegisteredPathResult`.
        pub struct RegisteredPathResult {
            requested_path: text = 1,
            oper_status: message(registered_path_result::OperationStatus) = 2,
        }
    }

    /// Types inside `RegisteredPathResult`.
    pub mod registered_path_result {
        message! {
            /// `RegisterResp.RegisteredPathResult.OperationStatus`.
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
                /// `RegisterResp.RegisteredPathResult.OperationStatus.OperationFailure`.
                pub struct OperationFailure {
                    err_code: fixed32 = 1,
                    err_msg: text = 2,
                }
            }

            message! {
                /// `RegisterResp.RegisteredPathResult.OperationStatus.OperationSuccess`.
                pub struct OperationSuccess {
                    registered_path: text = 1,
                }
            }
        }
    }
}

message! {
    /// `Deregister`.
    pub struct Deregister {
        paths: texts = 1,
    }
}

message! {
    /// `DeregisterResp`.
    pub struct DeregisterResp {
        deregistered_path_results: messages(deregister_resp::DeregisteredPathResult) = 1,
    }
}

/// Types inside `DeregisterResp`.
pub mod deregister_resp {
    message! {
        /// `DeregisterResp.DeregisteredPathResult`.
        pub struct DeregisteredPathResult {
            requested_path: text = 1,
            oper_status: message(deregistered_path_result::OperationStatus) = 2,
        }
    }

    /// Types inside `DeregisteredPathResult`.
    pub mod deregistered_path_result {
        message! {
            /// `DeregisterResp.DeregisteredPathResult.OperationStatus`.
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
                /// `DeregisterResp.DeregisteredPathResult.OperationStatus.OperationFailure`.
                pub struct OperationFailure {
                    err_code: fixed32 = 1,
                    err_msg: text = 2,
                }
            }

            message! {
                /// `DeregisterResp.DeregisteredPathResult.OperationStatus.OperationSuccess`.
                pub struct OperationSuccess {
                    deregistered_path: texts = 1,
                }
            }
        }
    }
}
