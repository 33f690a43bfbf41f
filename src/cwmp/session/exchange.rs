//! What is said within a session, from the answer to the Inform to the last word of both.
//!
//! The ID of a response is not compared with that of the request: there is never more than one request without an
//! answer, and servers are known to send an ID of their own. How a session begins and ends is the parent's.

use super::super::events::{Code, Delivery};
use super::super::fault::{
    ACS_RETRY_REQUEST, ACS_VERSION_INCOMPATIBLE, Fault, INTERNAL_ERROR, RESOURCES_EXCEEDED,
};
use super::super::heard::{Heard, hear, told};
use super::super::port::Action;
use super::super::rpc::{self, Answer, METHODS, Response, Rpc};
use super::super::soap::reader::{Body, Message};
use super::super::soap::writer::{Envelope, Outgoing};
use super::super::version::{NEWEST, Version};
use super::{ANSWER_WAIT, Answering, Asked, Departure, MAX_REPEATS, Open, Session, State};
use crate::time::Now;

impl Session {
    pub(super) fn inform_answered(&mut self, now: Now, open: Open, status: u16, body: &[u8]) -> State {
        let (why, version_refused) = match hear(status, body) {
            Heard::Message(Message { not_understood: Some(header), .. }) => {
                (format!("the header {header} is not known"), false)
            }
            Heard::Message(Message {
                body: Body::Response(Response::Inform),
                version,
                use_version,
                hold_requests,
                ..
            }) => {
                return self.informed(now, open, version, use_version.as_deref(), hold_requests);
            }
            Heard::Message(Message { body: Body::Fault(fault), .. })
                if fault.code == Some(ACS_RETRY_REQUEST) =>
            {
                return self.repeat(now, open, true);
            }
            Heard::Message(Message { body: Body::Fault(fault), .. }) => {
                (told(&fault), matches!(fault.code, None | Some(ACS_VERSION_INCOMPATIBLE)))
            }
            Heard::Message(_) => ("something else came for the Inform".into(), false),
            Heard::Nothing => ("nothing came for the Inform".into(), false),
            Heard::OtherSoap => ("an envelope of another SOAP version".into(), false),
            Heard::Unusable(why, version) => (why, version),
        };
        //= TR-069 3.2.1.1: an old server may refuse the namespace; the retry speaks 1.0, and if that fails the newest.
        if version_refused {
            self.attempt = if self.attempt == NEWEST { Version::V1_0 } else { NEWEST };
        }
        self.fail(now, Some(open), why)
    }

    fn informed(
        &mut self,
        now: Now,
        mut open: Open,
        namespace: Option<Version>,
        use_version: Option<&str>,
        hold: bool,
    ) -> State {
        //= TR-069 3.7.2.1: UseCWMPVersion decides; without it the namespace of the answer.
        open.version = match use_version.map(Version::parse) {
            Some(Some(version)) => version,
            Some(None) => return self.fail(now, Some(open), "the ACS wants an unknown version".into()),
            None => namespace.unwrap_or(open.version),
        };
        open.asked = None;
        open.hold = hold;
        let records = self.ledger.informed(&open.acs);
        self.persist(records);
        self.out.push_back(Action::Informed);
        self.advance(now, open)
    }

    /// Sends the request that is not answered once more, unchanged.
    //= TR-069 3.7.1.6: fault 8005 asks for the identical request in the same session.
    fn repeat(&mut self, now: Now, mut open: Open, informing: bool) -> State {
        open.deadline = now.at + ANSWER_WAIT;
        let text = match &mut open.asked {
            Some(asked) if asked.repeats < MAX_REPEATS => {
                asked.repeats += 1;
                asked.text.clone()
            }
            Some(_) | None => {
                return self.fail(now, Some(open), "the ACS asks for the same again and again".into());
            }
        };
        self.out.push_back(Action::Post(Outgoing::Text(text)));
        if informing { State::Informing(open) } else { State::Exchanging(open) }
    }

    /// Says what is next, when nothing is left to answer: a request of ours, or an empty POST.
    //= TR-069 3.7.1.3: own requests first, while they are not held; then the empty POST.
    fn advance(&mut self, now: Now, mut open: Open) -> State {
        open.deadline = now.at + ANSWER_WAIT;
        let request = match !open.hold && !open.sent_empty && open.next_request < open.end_requests {
            true => self.requests.get(open.next_request).map(|(_, request)| request.clone()),
            false => None,
        };
        let outgoing = match request {
            Some(request) => {
                let id = self.id();
                let envelope = Envelope { version: open.version, id: Some(&id), announce: false };
                let text = envelope.around(|xml| rpc::transfer_complete::write(xml, open.version, &request));
                open.asked = Some(Asked { text: text.clone(), repeats: 0 });
                Outgoing::Text(text)
            }
            None => {
                open.sent_empty |= !open.hold;
                Outgoing::Empty
            }
        };
        self.out.push_back(Action::Post(outgoing));
        State::Exchanging(open)
    }

    pub(super) fn answered(&mut self, now: Now, mut open: Open, status: u16, body: &[u8]) -> State {
        let message = match hear(status, body) {
            Heard::Nothing => return self.heard_nothing(now, open),
            Heard::Message(message) => message,
            Heard::OtherSoap if open.asked.is_none() => {
                //= SOAP 1.1 4.1.2: an envelope of another version is answered by VersionMismatch.
                return self.soap_fault(now, open, None, "VersionMismatch", "SOAP 1.1 is spoken here");
            }
            Heard::OtherSoap => {
                return self.fail(now, Some(open), "an envelope of another SOAP version".into());
            }
            Heard::Unusable(why, _) => return self.fail(now, Some(open), why),
        };
        open.hold = message.hold_requests;
        let Message { id, not_understood, body, .. } = message;
        match (body, not_understood) {
            (Body::Request(_), Some(header)) => self.soap_fault(
                now,
                open,
                id.as_deref(),
                "MustUnderstand",
                &format!("header {header} is not known"),
            ),
            (Body::Empty | Body::Response(_) | Body::Fault(_), Some(header)) => {
                //= TR-069 3.5: a response is never answered by a fault.
                self.fail(now, Some(open), format!("the header {header} is not known"))
            }
            // An envelope without a message, by which some servers hold our requests.
            (Body::Empty, None) if open.hold && open.asked.is_none() => self.advance(now, open),
            (Body::Empty, None) => self.heard_nothing(now, open),
            (Body::Request(Ok(rpc)), None) => self.serve(now, open, id, rpc),
            (Body::Request(Err(fault)), None) => {
                self.respond(now, open, id.as_deref(), &Answer::Fault(fault))
            }
            (Body::Response(response), None) => self.request_answered(now, open, &response),
            (Body::Fault(fault), None) if open.asked.is_none() => {
                self.fail(now, Some(open), format!("a fault for nothing: {}", told(&fault)))
            }
            (Body::Fault(fault), None) if fault.code == Some(ACS_RETRY_REQUEST) => {
                self.repeat(now, open, false)
            }
            (Body::Fault(_), None) => {
                //= TR-069 3.7.1.5: a refused request leaves its event undelivered, for a later session.
                open.asked = None;
                open.next_request += 1;
                self.advance(now, open)
            }
        }
    }

    /// An empty HTTP response, which also ends any holding of requests.
    fn heard_nothing(&mut self, now: Now, mut open: Open) -> State {
        open.hold = false;
        match (&open.asked, open.sent_empty) {
            (Some(_), _) => self.fail(now, Some(open), "our request was not answered".into()),
            //= TR-069 3.7.1.4: over when the ACS has nothing more, we have said so too, and all is answered.
            (None, true) => self.finish(now, &open),
            (None, false) => self.advance(now, open),
        }
    }

    fn request_answered(&mut self, now: Now, mut open: Open, response: &Response) -> State {
        let wanted = matches!(response, Response::Named(name) if name == "TransferCompleteResponse");
        if open.asked.is_none() || !wanted {
            return self.fail(now, Some(open), format!("a response to nothing: {response:?}"));
        }
        open.asked = None;
        open.end_requests = open.end_requests.saturating_sub(1);
        if let Some((_, request)) = self.requests.remove(open.next_request) {
            let records = self.ledger.answered(Delivery::Transfer, &request.command_key);
            self.persist(records);
            self.out.push_back(Action::Delivered(request));
        }
        self.advance(now, open)
    }

    fn serve(&mut self, now: Now, mut open: Open, id: Option<String>, rpc: Rpc) -> State {
        let before = Box::new((self.ledger.clone(), open.departure));
        let command = command(&rpc);
        let answer = match rpc {
            Rpc::GetRpcMethods => Answer::GetRpcMethods(METHODS.to_vec()),
            Rpc::Reboot(reboot) => {
                //= TR-069 A.3.2.9: the restart waits for the end of the session; M Reboot tells of it afterwards.
                match self.raise(Code::MReboot, &reboot.command_key) {
                    true => {
                        open.departure.get_or_insert(Departure::Reboot);
                        Answer::Reboot
                    }
                    false => Answer::Fault(Fault::new(RESOURCES_EXCEEDED, "events")),
                }
            }
            Rpc::FactoryReset => {
                //= TR-069 A.4.1.6: the reset waits for the end of the session.
                let records = self.ledger.promise_reset();
                self.persist(records);
                open.departure = Some(Departure::FactoryReset);
                Answer::FactoryReset
            }
            //= TR-069 A.4.1.2: several may wait, each with its key; over a restart too, as it was promised.
            Rpc::ScheduleInform(request) => {
                match self.ledger.schedule(&request.command_key, request.delay, now) {
                    Ok(records) => {
                        self.persist(records);
                        Answer::ScheduleInform
                    }
                    Err(_) => Answer::Fault(Fault::new(RESOURCES_EXCEEDED, "scheduled informs")),
                }
            }
            Rpc::GetParameterNames(_)
            | Rpc::GetParameterValues(_)
            | Rpc::SetParameterValues(_)
            | Rpc::GetParameterAttributes(_)
            | Rpc::SetParameterAttributes(_)
            | Rpc::AddObject(_)
            | Rpc::DeleteObject(_) => {
                self.out.push_back(Action::Serve(rpc));
                return State::Serving(open, id);
            }
        };
        let state = match self.respond(now, open, id.as_deref(), &answer) {
            State::Exchanging(open) => {
                let answering = open.answering.map(|it| Answering { before: Some(before), ..it });
                State::Exchanging(Open { answering, ..open })
            }
            state => state,
        };
        if let Some((name, key)) = command {
            let fault = if let Answer::Fault(fault) = &answer { Some(fault.code) } else { None };
            self.out.push_back(Action::Commanded(name, key, fault));
        }
        state
    }

    /// What an answer on its way promises could not be kept: it is taken back, and a fault goes instead.
    pub(super) fn not_kept(&mut self, now: Now, mut open: Open) -> State {
        let Some(Answering { id, before }) = open.answering.take() else { return State::Exchanging(open) };
        if let Some(before) = before {
            (self.ledger, open.departure) = *before;
        }
        let fault = Fault::new(INTERNAL_ERROR, "it cannot be kept on flash");
        self.respond(now, open, id.as_deref(), &Answer::Fault(fault))
    }

    pub(super) fn respond(&mut self, now: Now, mut open: Open, id: Option<&str>, answer: &Answer) -> State {
        open.deadline = now.at + ANSWER_WAIT;
        open.answering = Some(Answering { id: id.map(str::to_string), before: None });
        let envelope = Envelope { version: open.version, id, announce: false };
        self.out.push_back(Action::Post(envelope.answer(answer)));
        State::Exchanging(open)
    }

    fn soap_fault(&mut self, now: Now, mut open: Open, id: Option<&str>, code: &str, text: &str) -> State {
        open.deadline = now.at + ANSWER_WAIT;
        let envelope = Envelope { version: open.version, id, announce: false };
        self.out.push_back(Action::Post(Outgoing::Text(envelope.soap_fault(code, text))));
        State::Exchanging(open)
    }
}

/// The name and CommandKey of a request that has the device do something.
fn command(rpc: &Rpc) -> Option<(&'static str, String)> {
    match rpc {
        Rpc::Reboot(ask) => Some(("Reboot", ask.command_key.clone())),
        Rpc::FactoryReset => Some(("FactoryReset", String::new())),
        Rpc::ScheduleInform(ask) => Some(("ScheduleInform", ask.command_key.clone())),
        Rpc::GetRpcMethods
        | Rpc::GetParameterNames(_)
        | Rpc::GetParameterValues(_)
        | Rpc::SetParameterValues(_)
        | Rpc::GetParameterAttributes(_)
        | Rpc::SetParameterAttributes(_)
        | Rpc::AddObject(_)
        | Rpc::DeleteObject(_) => None,
    }
}
