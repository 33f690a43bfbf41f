//! What is done and what is told: `Operate`, `Notify`.
#![allow(missing_docs)]

message! {
    /// `Operate`.
    pub struct Operate {
        command: text = 1,
        command_key: text = 2,
        send_resp: boolean = 3,
        input_args: map = 4,
    }
}

message! {
    /// `OperateResp`.
    pub struct OperateResp {
        operation_results: messages(operate_resp::OperationResult) = 1,
    }
}

/// Types inside `OperateResp`.
pub mod operate_resp {
    message! {
        /// `OperateResp.OperationResult`.
        pub struct OperationResult {
            executed_command: text = 1,
            operation_resp: oneof(operation_result::OperationResp),
        }
    }

    /// Types inside `OperationResult`.
    pub mod operation_result {
        oneof! {
            /// `OperationResult.operation_resp`.
            pub enum OperationResp {
                ReqObjPath: text = 2,
                ReqOutputArgs: message(OutputArgs) = 3,
                CmdFailure: message(CommandFailure) = 4,
            }
        }

        message! {
            /// `OperateResp.OperationResult.OutputArgs`.
            pub struct OutputArgs {
                output_args: map = 1,
            }
        }

        message! {
            /// `OperateResp.OperationResult.CommandFailure`.
            pub struct CommandFailure {
                err_code: fixed32 = 1,
                err_msg: text = 2,
            }
        }
    }
}

message! {
    /// `Notify`.
    pub struct Notify {
        subscription_id: text = 1,
        send_resp: boolean = 2,
        notification: oneof(notify::Notification),
    }
}

/// Types inside `Notify`.
pub mod notify {
    oneof! {
        /// `Notify.notification`.
        pub enum Notification {
            Event: message(Event) = 3,
            ValueChange: message(ValueChange) = 4,
            ObjCreation: message(ObjectCreation) = 5,
            ObjDeletion: message(ObjectDeletion) = 6,
            OperComplete: message(OperationComplete) = 7,
            OnBoardReq: message(OnBoardRequest) = 8,
        }
    }

    message! {
        /// `Notify.Event`.
        pub struct Event {
            obj_path: text = 1,
            event_name: text = 2,
            params: map = 3,
        }
    }

    message! {
        /// `Notify.ValueChange`.
        pub struct ValueChange {
            param_path: text = 1,
            param_value: text = 2,
        }
    }

    message! {
        /// `Notify.ObjectCreation`.
        pub struct ObjectCreation {
            obj_path: text = 1,
            unique_keys: map = 2,
        }
    }

    message! {
        /// `Notify.ObjectDeletion`.
        pub struct ObjectDeletion {
            obj_path: text = 1,
        }
    }

    message! {
        /// `Notify.OperationComplete`.
        pub struct OperationComplete {
            obj_path: text = 1,
            command_name: text = 2,
            command_key: text = 3,
            operation_resp: oneof(operation_complete::OperationResp),
        }
    }

    /// Types inside `OperationComplete`.
    pub mod operation_complete {
        oneof! {
            /// `OperationComplete.operation_resp`.
            pub enum OperationResp {
                ReqOutputArgs: message(OutputArgs) = 4,
                CmdFailure: message(CommandFailure) = 5,
            }
        }

        message! {
            /// `Notify.OperationComplete.OutputArgs`.
            pub struct OutputArgs {
                output_args: map = 1,
            }
        }

        message! {
            /// `Notify.OperationComplete.CommandFailure`.
            pub struct CommandFailure {
                err_code: fixed32 = 1,
                err_msg: text = 2,
            }
        }
    }

    message! {
        /// `Notify.OnBoardRequest`.
        pub struct OnBoardRequest {
            oui: text = 1,
            product_class: text = 2,
            serial_number: text = 3,
            agent_supported_protocol_versions: text = 4,
        }
    }
}

message! {
    /// `NotifyResp`.
    pub struct NotifyResp {
        subscription_id: text = 1,
    }
}
