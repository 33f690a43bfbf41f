//! What the ACS answers to each message of a CPE: one session from Inform to the empty answer.
//!
//! Sessions live in a cookie and not in a connection. Envelopes are read and written here, bodies in [`super::rpc`] and
//! [`super::inform`].

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::acs::{Acs, Call, State, provision, wall};
use super::auth::Verdict;
use super::http::{Handler, Request, Response};
use super::inform::Inform;
use super::log::{Direction, Entry, readable};
use super::rpc::{self, Answer, Failure, Rpc};
use super::xml::{self, Element};

/// The most sessions open at once.
pub const SESSIONS_MAX: usize = 256;
/// The versions this ACS speaks, the best first.
const VERSIONS: [&str; 5] = ["1.4", "1.3", "1.2", "1.1", "1.0"];
/// The cookie's name.
const COOKIE: &str = "workbench";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
//= TR-069 A.6: the namespaces of CWMP 1.0, 1.1 and of 1.2 and all later versions.
const SPACES: [&str; 3] =
    ["urn:dslforum-org:cwmp-1-0", "urn:dslforum-org:cwmp-1-1", "urn:dslforum-org:cwmp-1-2"];

/// An open session.
#[derive(Debug)]
pub(super) struct Session {
    number: u64,
    device: String,
    space: &'static str,
    pending: Option<(String, Call)>,
    /// Counts the answers given, so that an old deadline knows it is old.
    turn: u64,
    /// End at the next chance although calls may wait.
    pub closing: bool,
}

/// Serves the CWMP side of an [`Acs`].
#[derive(Clone)]
pub(super) struct CwmpHandler(pub Acs);

impl Handler for CwmpHandler {
    async fn handle(&self, request: Request) -> Response {
        Exchange { acs: self.0.clone(), request }.run().await
    }
}

/// A message taken apart.
struct Envelope<'a> {
    id: Option<String>,
    header: Option<&'a Element>,
    body: &'a Element,
    space: &'static str,
}

/// One request and its answer.
struct Exchange {
    acs: Acs,
    request: Request,
}

impl Exchange {
    async fn run(self) -> Response {
        if self.request.method != "POST" {
            return Response::empty(405).with("Allow", "POST");
        }
        if let Some(refusal) = self.refused() {
            return refusal;
        }
        let cookie = self.cookie();
        if self.request.body.is_empty() {
            return self.emptied(cookie).await;
        }
        let root = match xml::read(&self.request.body) {
            Ok(root) => root,
            Err(why) => {
                let text = String::from_utf8_lossy(&self.request.body).into_owned();
                return self.broken(cookie, "malformed", text, why.to_string());
            }
        };
        let mut remarks = Vec::new();
        let envelope = match envelope(&root, &mut remarks) {
            Ok(envelope) => envelope,
            Err(why) => return self.broken(cookie, "no CWMP message", readable(&root), why),
        };
        let what = envelope.body.local().to_owned();
        //= TR-069 3.4.1: a message with an envelope is text/xml; with an answer, SOAPAction is there and empty.
        let kind = self.request.fields.value("Content-Type").unwrap_or_default();
        if !kind.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("text/xml")) {
            remarks.push(format!("Content-Type is {kind:?}, not text/xml"));
        }
        let answer = what == "Fault" || what.ends_with("Response");
        match self.request.fields.value("SOAPAction") {
            None => remarks.push("no SOAPAction header".into()),
            Some(action) if answer && !action.is_empty() => {
                remarks.push(format!("SOAPAction is {action:?}, an answer has an empty one"));
            }
            Some(_) => {}
        }
        let text = readable(&root);
        match (what.as_str(), cookie) {
            ("Inform", cookie) => self.inform(&envelope, cookie, text, remarks),
            (_, None) => self.broken(None, &what, text, "outside a session".into()),
            (_, Some(cookie)) if answer => {
                self.answered(&envelope, &cookie, text, remarks);
                self.next(&cookie).await
            }
            (_, Some(cookie)) => self.asked(&envelope, &cookie, text, remarks),
        }
    }

    /// The challenge, if the CPE has to log in and did not.
    //= TR-069 3.4.4: the ACS may ask for Digest.
    fn refused(&self) -> Option<Response> {
        let verdict = {
            let mut state = self.acs.state();
            let fresh = state.rng.hex(16);
            let header = self.request.fields.value("Authorization");
            state.door.as_mut()?.check(header, "POST", &self.request.target, fresh)
        };
        match verdict {
            Verdict::Open => None,
            Verdict::Challenge(challenge) => {
                self.log(None, Direction::ToCpe, "401 Unauthorized", String::new(), Vec::new());
                Some(Response::empty(401).with("WWW-Authenticate", challenge))
            }
        }
    }

    /// The session the CPE returned a cookie of.
    //= TR-069 3.4.2: the session is in the cookie, whatever connection it comes over.
    fn cookie(&self) -> Option<String> {
        let state = self.acs.state();
        self.request
            .fields
            .all("Cookie")
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == COOKIE && state.sessions.contains_key(*value))
            .map(|(_, value)| value.to_owned())
    }

    fn log(
        &self,
        cookie: Option<&str>,
        direction: Direction,
        what: &str,
        text: String,
        remarks: Vec<String>,
    ) {
        let (session, device) = {
            let state = self.acs.state();
            match cookie.and_then(|c| state.sessions.get(c)) {
                Some(session) => (session.number, session.device.clone()),
                None => (0, self.request.peer.to_string()),
            }
        };
        let what = what.to_owned();
        self.acs.write(Entry { number: 0, at: wall(), device, session, direction, what, text, remarks });
    }

    /// Answers what cannot be understood, and ends the session if there is one.
    fn broken(&self, cookie: Option<String>, what: &str, text: String, why: String) -> Response {
        self.log(cookie.as_deref(), Direction::FromCpe, what, text, vec![why.clone()]);
        if let Some(cookie) = &cookie {
            lose(&mut self.acs.state(), cookie, &why);
        }
        self.log(None, Direction::ToCpe, "400 Bad Request", String::new(), Vec::new());
        Response::new(400, "text/plain; charset=utf-8", why)
    }

    async fn emptied(&self, cookie: Option<String>) -> Response {
        let mut remarks = Vec::new();
        //= TR-069 3.4.1: an empty POST has neither SOAPAction nor Content-Type.
        for name in ["SOAPAction", "Content-Type"] {
            if self.request.fields.value(name).is_some() {
                remarks.push(format!("an empty POST with {name}"));
            }
        }
        let Some(cookie) = cookie else {
            return self.broken(None, "empty", String::new(), "an empty POST outside a session".into());
        };
        let waiting = self.acs.state().sessions.get_mut(&cookie).and_then(|s| s.pending.take());
        if let Some((_, call)) = waiting {
            remarks.push(format!("an empty POST instead of {}Response", call.rpc.name()));
            call.finish(Err(Failure::Garbled("an empty POST instead of an answer".into())));
        }
        self.log(Some(&cookie), Direction::FromCpe, "empty", String::new(), remarks);
        self.next(&cookie).await
    }

    fn inform(
        &self,
        envelope: &Envelope<'_>,
        cookie: Option<String>,
        text: String,
        mut remarks: Vec<String>,
    ) -> Response {
        let inform = match Inform::read(envelope.body, &mut remarks) {
            Ok(inform) => Arc::new(inform),
            Err(why) => return self.broken(cookie, "Inform", text, why),
        };
        let id = inform.id();
        let Some(cookie) = self.open(&id, &inform, envelope.space) else {
            self.log(None, Direction::FromCpe, "Inform", text, remarks);
            return Response::empty(503);
        };
        self.log(Some(&cookie), Direction::FromCpe, "Inform", text, remarks);
        self.acs.informed(&id, inform);
        let mut headers = Vec::new();
        //= TR-069 3.7.4: an ACS that understands SupportedCWMPVersions names the version to use.
        if let Some(offer) = envelope.header.and_then(|h| h.child("SupportedCWMPVersions")) {
            let offered: Vec<_> = offer.text.split(',').map(str::trim).collect();
            if let Some(version) = VERSIONS.iter().find(|v| offered.contains(v)) {
                headers.push(must_understand("cwmp:UseCWMPVersion", version));
            }
        }
        let body = Element::new("cwmp:InformResponse").having(Element::leaf("MaxEnvelopes", "1"));
        self.reply(&cookie, envelope.id.as_deref(), headers, body)
            .with("Set-Cookie", format!("{COOKIE}={cookie}; Path=/; HttpOnly"))
    }

    /// Opens a session for a device that informed and returns its cookie; a session it still had is lost.
    fn open(&self, id: &str, inform: &Arc<Inform>, space: &'static str) -> Option<String> {
        let mut guard = self.acs.state();
        let state = &mut *guard;
        let former = state.record(id)?.session.borrow().clone();
        if let Some(former) = former {
            lose(state, &former, "the device began a new session");
        }
        if state.sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let cookie = state.rng.hex(16);
        state.sessions_seen += 1;
        let number = state.sessions_seen;
        let record = state.record(id)?;
        record.known.informed(inform);
        record.at = wall();
        record.informs += 1;
        //= TR-069 3.7.1.5: 0 BOOTSTRAP also comes from a device that was reset, and knows nothing of what it was told.
        let new = record.informs == 1 || inform.has("0 BOOTSTRAP");
        if let Some(wake) = self.acs.settings().wake.as_ref().filter(|_| new) {
            record.queue.push_front(Call { rpc: provision(wake), answer: None });
        }
        record.session.send_replace(Some(cookie.clone()));
        record.inform.send_replace(Some(inform.clone()));
        let session =
            Session { number, device: id.to_owned(), space, pending: None, turn: 0, closing: false };
        state.sessions.insert(cookie.clone(), session);
        Some(cookie)
    }

    /// A request of the CPE other than Inform.
    fn asked(
        &self,
        envelope: &Envelope<'_>,
        cookie: &str,
        text: String,
        mut remarks: Vec<String>,
    ) -> Response {
        let name = envelope.body.local();
        if self.acs.state().sessions.get(cookie).is_some_and(|s| s.pending.is_some()) {
            remarks.push(format!("{name} while an answer is due"));
        }
        self.log(Some(cookie), Direction::FromCpe, name, text, remarks);
        let body = match name {
            "GetRPCMethods" => {
                let methods = [
                    "Inform",
                    "GetRPCMethods",
                    "TransferComplete",
                    "AutonomousTransferComplete",
                    "RequestDownload",
                    "DUStateChangeComplete",
                    "AutonomousDUStateChangeComplete",
                ];
                let methods = methods.map(str::to_owned);
                Element::new("cwmp:GetRPCMethodsResponse").having(rpc::strings("MethodList", &methods))
            }
            "TransferComplete"
            | "AutonomousTransferComplete"
            | "RequestDownload"
            | "DUStateChangeComplete"
            | "AutonomousDUStateChangeComplete" => Element::new(&format!("cwmp:{name}Response")),
            //= TR-069 A.5: 8000 is "method not supported" by the ACS; the requester is not to blame.
            _ => Element::new("soap-env:Fault")
                .having(Element::leaf("faultcode", "soap-env:Server"))
                .having(Element::leaf("faultstring", "CWMP fault"))
                .having(
                    Element::new("detail").having(
                        Element::new("cwmp:Fault")
                            .having(Element::leaf("FaultCode", "8000"))
                            .having(Element::leaf("FaultString", "Method not supported")),
                    ),
                ),
        };
        self.reply(cookie, envelope.id.as_deref(), Vec::new(), body)
    }

    /// An answer of the CPE to what it was asked.
    fn answered(&self, envelope: &Envelope<'_>, cookie: &str, text: String, mut remarks: Vec<String>) {
        let pending = self.acs.state().sessions.get_mut(cookie).and_then(|s| s.pending.take());
        let what = envelope.body.local();
        let Some((id, call)) = pending else {
            remarks.push(format!("{what} although nothing was asked"));
            return self.log(Some(cookie), Direction::FromCpe, what, text, remarks);
        };
        //= TR-069 3.5: an answer carries the ID of the request.
        if envelope.id.as_deref() != Some(id.as_str()) {
            remarks.push(format!("ID {:?} instead of {id:?}", envelope.id));
        }
        let result = if what == "Fault" {
            match rpc::fault(envelope.body, &mut remarks) {
                Ok(fault) => Err(Failure::Fault(fault)),
                Err(other) => Err(other),
            }
        } else {
            call.rpc.answer(envelope.body, &mut remarks)
        };
        if let Err(Failure::Garbled(why)) = &result {
            remarks.push(why.clone());
        }
        self.log(Some(cookie), Direction::FromCpe, what, text, remarks);
        self.learn(cookie, &call.rpc, result.as_ref().ok());
        call.finish(result);
    }

    fn learn(&self, cookie: &str, rpc: &Rpc, answer: Option<&Answer>) {
        let mut guard = self.acs.state();
        let State { sessions, devices, .. } = &mut *guard;
        let (Some(answer), Some(session)) = (answer, sessions.get_mut(cookie)) else { return };
        session.closing |= rpc.ends_session();
        if let Some(record) = devices.get_mut(&session.device) {
            record.known.learn(rpc, answer);
        }
    }

    /// The next call, waited for a while, or the end of the session.
    async fn next(&self, cookie: &str) -> Response {
        let until = Instant::now() + self.acs.settings().linger;
        loop {
            let work = {
                let mut guard = self.acs.state();
                let State { sessions, devices, rng, .. } = &mut *guard;
                let Some(session) = sessions.get_mut(cookie) else { break };
                let Some(record) = devices.get_mut(&session.device) else { break };
                if session.closing {
                    break;
                }
                // A call whose caller has gone is not made.
                let gone = |c: &Call| c.answer.as_ref().is_some_and(|a| a.is_closed());
                while record.queue.front().is_some_and(gone) {
                    record.queue.pop_front();
                }
                if let Some(call) = record.queue.pop_front() {
                    let (id, body) = (rng.hex(8), call.rpc.element());
                    session.pending = Some((id.clone(), call));
                    drop(guard);
                    return self.reply(cookie, Some(&id), Vec::new(), body);
                }
                record.work.clone()
            };
            if timeout_at(until, work.notified()).await.is_err() {
                break;
            }
        }
        //= TR-069 3.4.1: an empty answer tells the CPE that the ACS has nothing more.
        self.log(Some(cookie), Direction::ToCpe, "204 No Content", String::new(), Vec::new());
        lose(&mut self.acs.state(), cookie, "the session has ended");
        Response::empty(204)
    }

    fn reply(&self, cookie: &str, id: Option<&str>, mut headers: Vec<Element>, body: Element) -> Response {
        let (space, turn) = {
            let mut state = self.acs.state();
            let Some(session) = state.sessions.get_mut(cookie) else { return Response::empty(400) };
            session.turn += 1;
            (session.space, session.turn)
        };
        //= TR-069 3.5: an answer echoes the ID of the request.
        if let Some(id) = id {
            headers.insert(0, must_understand("cwmp:ID", id));
        }
        let what = body.tag.trim_start_matches("cwmp:").trim_start_matches("soap-env:").to_owned();
        let mut header = Element::new("soap-env:Header");
        header.children = headers;
        let envelope = Element::new("soap-env:Envelope")
            .with("xmlns:soap-env", SOAP)
            .with("xmlns:soap-enc", "http://schemas.xmlsoap.org/soap/encoding/")
            .with("xmlns:xsd", "http://www.w3.org/2001/XMLSchema")
            .with("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
            .with("xmlns:cwmp", space)
            .having(header)
            .having(Element::new("soap-env:Body").having(body));
        self.log(Some(cookie), Direction::ToCpe, &what, readable(&envelope), Vec::new());
        self.expire(cookie, turn);
        Response::new(200, "text/xml; charset=\"utf-8\"", envelope.document())
    }

    /// Ends the session if the CPE stays silent after this answer.
    fn expire(&self, cookie: &str, turn: u64) {
        let (acs, cookie, patience) = (self.acs.clone(), cookie.to_owned(), self.acs.settings().patience);
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            let mut state = acs.state();
            if state.sessions.get(&cookie).is_some_and(|s| s.turn == turn) {
                lose(&mut state, &cookie, "the device fell silent");
            }
        });
    }
}

/// Forgets a session; who still waits for an answer in it learns why there will be none.
fn lose(state: &mut State, cookie: &str, why: &str) {
    let Some(session) = state.sessions.remove(cookie) else { return };
    if let Some((_, call)) = session.pending {
        call.finish(Err(Failure::Lost(why.to_owned())));
    }
    if let Some(record) = state.devices.get(&session.device) {
        record.session.send_if_modified(|open| {
            let ours = open.as_deref() == Some(cookie);
            if ours {
                *open = None;
            }
            ours
        });
    }
}

fn must_understand(tag: &str, text: &str) -> Element {
    Element::leaf(tag, text).with("soap-env:mustUnderstand", "1")
}

/// Takes an envelope apart; what is odd but can be read goes to `remarks`.
fn envelope<'a>(root: &'a Element, remarks: &mut Vec<String>) -> Result<Envelope<'a>, String> {
    if root.local() != "Envelope" || root.space != SOAP {
        return Err(format!("the root is {} in {:?}, no SOAP 1.1 envelope", root.tag, root.space));
    }
    let inside = root.child("Body").filter(|b| b.space == SOAP).ok_or("an envelope without Body")?;
    let [body] = inside.children.as_slice() else {
        return Err(format!("{} elements in the Body instead of one", inside.children.len()));
    };
    let header = root.child("Header").filter(|h| h.space == SOAP);
    let spot = if body.local() == "Fault" {
        body.child("detail").and_then(|d| d.child("Fault"))
    } else {
        Some(body)
    };
    let said = spot.map_or("", |e| e.space.as_str());
    let space = match SPACES.iter().find(|s| **s == said) {
        Some(space) => space,
        None if body.local() == "Fault" => {
            remarks.push("a fault without a cwmp:Fault in its detail".into());
            "urn:dslforum-org:cwmp-1-0"
        }
        None => return Err(format!("{} is in {said:?}, no namespace of CWMP", body.tag)),
    };
    for child in body.children.iter().filter(|c| body.local() != "Fault" && !c.space.is_empty()) {
        remarks.push(format!("{} is qualified, the parts of an RPC are not", child.tag));
    }
    let id = header.and_then(|h| h.child("ID")).map(|id| id.text.clone());
    Ok(Envelope { id, header, body, space })
}
