//! What a service behind an agent offers: `Register`, `Deregister`.
#![allow(missing_docs)]

use prost::Message;

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
