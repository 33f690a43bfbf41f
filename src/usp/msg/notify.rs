//! Notify: what is told to a controller without having been asked.
//!
//! One function per kind of notice; [`notify`] makes a message of it. What is told to whom, and when, is
//! [`crate::usp::subscription`]'s and [`crate::usp::notice`]'s.

use super::Answer;
use super::protocol::VERSIONS;
use crate::dm::schema::Arguments;
use crate::usp::error::Fault;
use crate::usp::pb::notify::operation_complete::{CommandFailure, OperationResp, OutputArgs};
pub use crate::usp::pb::notify::{
    Event, Notification, ObjectCreation, ObjectDeletion, OnBoardRequest, OperationComplete, ValueChange,
};
use crate::usp::pb::{self, request::ReqType};

/// A Notify as octets; the same message is sent again when it is repeated.
//= TR-369 R-NOT.7: subscription_id is the ID of the Subscription, empty for an OnBoardRequest.
pub fn notify(msg_id: &str, subscription: &str, send_resp: bool, what: Notification) -> Vec<u8> {
    let notify =
        pb::Notify { subscription_id: subscription.to_string(), send_resp, notification: Some(what) };
    Answer::request(ReqType::Notify(notify)).into_msg(msg_id)
}

/// A parameter has another value.
pub fn value_change(path: &str, value: &str) -> Notification {
    Notification::ValueChange(ValueChange { param_path: path.to_string(), param_value: value.to_string() })
}

/// A row came, with its keys.
//= TR-369 12: ObjectCreation carries unique_keys.
pub fn created(path: &str, unique_keys: Arguments) -> Notification {
    Notification::ObjCreation(ObjectCreation { obj_path: path.to_string(), unique_keys })
}

/// A row went.
pub fn deleted(path: &str) -> Notification {
    Notification::ObjDeletion(ObjectDeletion { obj_path: path.to_string() })
}

/// An event such as `Boot!` of an object (with its dot).
pub fn event(object: &str, name: &str, params: Arguments) -> Notification {
    Notification::Event(Event { obj_path: object.to_string(), event_name: name.to_string(), params })
}

/// An asynchronous command such as `Download()` of an object (with its dot) has ended.
//= TR-369 12: OperationComplete carries the command, its key, and its results or why it failed.
pub fn complete(object: &str, command: &str, key: &str, result: Result<Arguments, Fault>) -> Notification {
    let operation_resp = match result {
        Ok(results) => OperationResp::ReqOutputArgs(OutputArgs { output_args: results }),
        Err(Fault { code, text }) => {
            OperationResp::CmdFailure(CommandFailure { err_code: code, err_msg: text })
        }
    };
    Notification::OperComplete(OperationComplete {
        obj_path: object.to_string(),
        command_name: command.to_string(),
        command_key: key.to_string(),
        operation_resp: Some(operation_resp),
    })
}

/// The device asks to be taken up.
pub fn on_board(oui: &str, product_class: &str, serial_number: &str) -> Notification {
    Notification::OnBoardReq(OnBoardRequest {
        oui: oui.to_string(),
        product_class: product_class.to_string(),
        serial_number: serial_number.to_string(),
        agent_supported_protocol_versions: VERSIONS.to_string(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::usp::msg::{Said, read};

    //= TR-369 R-NOT.7: subscription_id is the ID of the Subscription, empty for an OnBoardRequest.
    //= TR-369 12: OperationComplete carries the command, its key, and its results or why it failed.
    //= TR-369 12: ObjectCreation carries unique_keys.
    #[test]
    fn every_kind_of_notice_reads_back_as_it_was_made() {
        let args = Arguments::from([("Status".to_string(), "Complete".to_string())]);
        let fault = Fault { code: 7022, text: "no".into() };
        let kinds = [
            ("a", true, value_change("Device.X.Name", "v")),
            ("a", false, created("Device.X.1.", args.clone())),
            ("b", true, deleted("Device.X.1.")),
            ("b", false, event("Device.", "Boot!", args.clone())),
            ("c", true, complete("Device.X.", "Go()", "key", Ok(args))),
            ("c", true, complete("Device.X.", "Go()", "key", Err(fault))),
            ("", true, on_board("001122", "class", "serial")),
        ];
        for (number, (id, send_resp, what)) in kinds.into_iter().enumerate() {
            let message = read(&notify(&number.to_string(), id, send_resp, what.clone())).unwrap();
            assert_eq!(message.msg_id, number.to_string());
            let Said::Request(ReqType::Notify(told)) = message.said else { panic!("{what:?}") };
            assert_eq!((told.subscription_id.as_str(), told.send_resp), (id, send_resp));
            assert_eq!(told.notification, Some(what));
        }
    }
}
