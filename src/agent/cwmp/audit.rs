//! Which changes a request of the ACS asks for, and with which codes it is refused.

use super::{Agent, Answer, Work};
use crate::audit::{Change, What};
use crate::cwmp::rpc::Rpc;

impl Work {
    /// The changes that are asked for.
    pub(in crate::agent) fn changes(&self) -> Vec<Change> {
        let Work::Serve(rpc) = self else { return Vec::new() };
        match rpc {
            Rpc::SetParameterValues(ask) => {
                let values = ask.parameter_list.iter();
                values.map(|new| Change::new(What::Set, new.name.as_str(), Some(&new.value))).collect()
            }
            Rpc::SetParameterAttributes(ask) => {
                let change = |new: &crate::cwmp::rpc::AttributeChange| {
                    let notification = new.notification.map(|level| format!("Notification={level}"));
                    let access =
                        new.access_list.as_ref().map(|list| format!("AccessList={}", list.join(",")));
                    let words: Vec<String> = notification.into_iter().chain(access).collect();
                    Change::new(What::Attributes, new.name.as_str(), Some(&words.join(" ")))
                };
                ask.parameter_list.iter().map(change).collect()
            }
            Rpc::AddObject(ask) => vec![Change::new(What::Add, ask.object_name.as_str(), None)],
            Rpc::DeleteObject(ask) => vec![Change::new(What::Delete, ask.object_name.as_str(), None)],
            // Commands are the session's own: see `audit_command`.
            Rpc::Reboot(_)
            | Rpc::FactoryReset
            | Rpc::ScheduleInform(_)
            | Rpc::GetRpcMethods
            | Rpc::GetParameterNames(_)
            | Rpc::GetParameterValues(_)
            | Rpc::GetParameterAttributes(_) => Vec::new(),
        }
    }
}

impl Agent {
    /// Where the ACS is: its name among managers.
    pub(in crate::agent) fn acs(&self) -> String {
        self.config.acs.url.clone().unwrap_or_default()
    }

    /// Notes a command that the session has answered.
    pub(super) fn audit_command(&mut self, name: &str, key: &str, fault: Option<u16>) {
        let change = Change::new(What::Command, name, Some(key));
        let change = if let Some(code) = fault { change.refused(code.into()) } else { change };
        let manager = self.acs();
        self.audited(&manager, None, [change]);
    }

    /// Notes what a request came to.
    //= TR-069 A.3.2.1: all or nothing, so with one value all are refused: it with its own code, the others with 9003.
    pub(super) fn audit_answer(&mut self, answer: &Answer) {
        let Answer::Fault(fault) = answer else { return self.audit_done() };
        self.audit_refused(|path| {
            let own = fault.parameters.iter().find(|own| own.name == path);
            own.map_or(fault.code, |own| own.code).into()
        });
    }
}
