//! The web page of the workbench and the JSON behind it, for a browser on the same machine.
//!
//! There is no login, so only loopback is served, and only what names this very server as Host and Origin: a page from
//! elsewhere that resolves its own name to 127.0.0.1 gets nothing. Driven by [`super::acs`].

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::acs::{Acs, Direction, Entry, Summary};
use super::controller::{self, Contact, Controller, Transport};
use super::http::{Handler, Request, Response};
use super::known::Parameter;
use super::message;
use super::rpc::{Answer, Attribute, Failure, Rpc, Value};

/// How long a question for news waits for some.
pub const NEWS_WAIT: Duration = Duration::from_secs(20);
/// How long a call made on the page waits for the device.
pub const CALL_WAIT: Duration = Duration::from_secs(60);
/// The largest body of a request of the page.
pub const BODY_MAX: usize = 1024 * 1024;

const FILES: [(&str, &str, &str); 4] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
    ("/usp.js", "text/javascript; charset=utf-8", include_str!("page/usp.js")),
];
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Serves the page of an [`Acs`].
#[derive(Clone)]
pub struct Page {
    acs: Acs,
    /// What a browser may call this server.
    hosts: Vec<String>,
}

impl Page {
    /// The page of an ACS that was started with one.
    pub fn new(acs: Acs) -> Page {
        let port = acs.page_address().map_or(0, |at| at.port());
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}"));
        Page { acs, hosts: hosts.into() }
    }

    /// Whether the request comes from this page, or from a program on this machine.
    fn trusted(&self, request: &Request) -> bool {
        let host = request.fields.value("Host").unwrap_or_default();
        let ours = |name: &str| self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name));
        let origin = request.fields.value("Origin");
        request.peer.ip().is_loopback()
            && ours(host)
            && origin.is_none_or(|o| o.strip_prefix("http://").is_some_and(ours))
    }

    async fn api(&self, request: &Request, path: &str, query: &str) -> Result<Json, Response> {
        match (request.method.as_str(), path) {
            ("GET", "/api/devices") => Ok(
                json!({ "acs": self.acs.url(), "devices": self.acs.devices().iter().map(device).collect::<Vec<_>>() }),
            ),
            ("GET", "/api/log") => {
                let after = argument(query, "after").and_then(|n| n.parse().ok()).unwrap_or(0);
                if argument(query, "wait").is_some() {
                    // No news is an answer too.
                    let _ = timeout(NEWS_WAIT, self.acs.logged(after)).await;
                }
                Ok(json!({ "entries": self.acs.log(after).iter().map(entry).collect::<Vec<_>>() }))
            }
            ("GET", "/api/parameters") => {
                let id = argument(query, "device").ok_or_else(|| bad("device is missing"))?;
                let children = self.acs.device(&id).children(&argument(query, "path").unwrap_or_default());
                Ok(
                    json!({ "parameters": children.iter().map(|(path, p)| parameter(path, p)).collect::<Vec<_>>() }),
                )
            }
            ("POST", "/api/rpc") => {
                let asked = body(request)?;
                let rpc = rpc(&asked).map_err(|why| bad(&why))?;
                Ok(self.call(text(&asked, "device"), rpc).await)
            }
            ("POST", "/api/wake") => {
                let asked = body(request)?;
                Ok(match self.acs.device(text(&asked, "device")).wake().await {
                    Ok(status @ (200 | 204)) => json!({ "ok": true, "status": status }),
                    Ok(status) => json!({ "ok": false, "error": format!("the device answered {status}") }),
                    Err(why) => json!({ "ok": false, "error": why.to_string() }),
                })
            }
            ("GET", "/api/usp") => {
                let after = argument(query, "after").and_then(|n| n.parse().ok()).unwrap_or(0);
                Ok(self.acs.controller().map_or(json!({}), |controller| controllers(&controller, after)))
            }
            ("POST", "/api/usp") => {
                let asked = body(request)?;
                let wanted = message::asked(&asked).map_err(|why| bad(&why))?;
                let Some(controller) = self.acs.controller() else { return Err(Response::empty(404)) };
                let over = Transport::ALL.into_iter().find(|over| over.name() == text(&asked, "over"));
                let over = over.ok_or_else(|| bad("over names no transport"))?;
                let agent = Contact { agent: text(&asked, "agent").to_owned(), over };
                Ok(match controller.ask(&agent, wanted).await {
                    Ok(response) => json!({ "ok": true, "answer": message::response(&response).1 }),
                    Err(failure) => {
                        let fault = match &failure {
                            controller::Failure::Error(error) => message::error(error),
                            controller::Failure::Lost(_) => Json::Null,
                        };
                        json!({ "ok": false, "error": failure.to_string(), "fault": fault })
                    }
                })
            }
            ("GET" | "POST", _) => Err(Response::empty(404)),
            _ => Err(Response::empty(405).with("Allow", "GET, POST")),
        }
    }

    /// Asks the device, waking it if it is asleep.
    async fn call(&self, id: &str, rpc: Rpc) -> Json {
        let device = self.acs.device(id);
        if device.inform().is_none() {
            return json!({ "ok": false, "error": "no such device" });
        }
        let name = rpc.name();
        match timeout(CALL_WAIT, device.ask(rpc)).await {
            Err(_) => json!({ "ok": false, "error": "the device did not come in time" }),
            Ok(Ok(done)) => json!({ "ok": true, "rpc": name, "answer": answer(&done) }),
            Ok(Err(Failure::Fault(f))) => {
                let parameters =
                    f.parameters.iter().map(|p| json!({ "name": p.name, "code": p.code, "text": p.text }));
                json!({ "ok": false, "error": f.to_string(), "fault": {
                    "code": f.code, "text": f.text, "side": f.side, "parameters": parameters.collect::<Vec<_>>() } })
            }
            Ok(Err(other)) => json!({ "ok": false, "error": other.to_string() }),
        }
    }
}

impl Handler for Page {
    async fn handle(&self, request: Request) -> Response {
        let response = if self.trusted(&request) {
            let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
            match FILES.iter().find(|(name, _, _)| *name == path && request.method == "GET") {
                Some((_, kind, text)) => Response::new(200, kind, *text),
                None => match self.api(&request, path, query).await {
                    Ok(json) => Response::new(200, "application/json", json.to_string()),
                    Err(refusal) => refusal,
                },
            }
        } else {
            Response::new(403, "text/plain; charset=utf-8", "only for a page of this server, on this machine")
        };
        response
            .with("Content-Security-Policy", POLICY)
            .with("X-Content-Type-Options", "nosniff")
            .with("Referrer-Policy", "no-referrer")
            .with("Cache-Control", "no-store")
    }
}

fn bad(why: &str) -> Response {
    Response::new(400, "text/plain; charset=utf-8", why)
}

/// The body as JSON; only a request that a foreign page cannot send without asking first is taken.
fn body(request: &Request) -> Result<Json, Response> {
    let kind = request.fields.value("Content-Type").unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return Err(Response::empty(415));
    }
    if request.body.len() > BODY_MAX {
        return Err(Response::empty(413));
    }
    serde_json::from_slice(&request.body).map_err(|why| bad(&why.to_string()))
}

/// The value of an argument in a query, percent-decoded.
fn argument(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name)?.1;
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let (high, low) = (char::from(rest.next()?), char::from(rest.next()?));
                u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(octets).ok()
}

fn device(d: &Summary) -> Json {
    json!({
        "id": d.id,
        "manufacturer": d.inform.manufacturer,
        "product_class": d.inform.product_class,
        "serial": d.inform.serial,
        "oui": d.inform.oui,
        "events": d.inform.events.iter().map(|e| e.code.as_str()).collect::<Vec<_>>(),
        "software": d.inform.value("Device.DeviceInfo.SoftwareVersion"),
        "at": d.at.map(|at| at.to_string()),
        "informs": d.informs,
        "in_session": d.in_session,
        "queued": d.queued,
        "wake_url": d.wake_url,
    })
}

fn entry(e: &Entry) -> Json {
    json!({
        "number": e.number,
        "at": e.at.map(|at| at.to_string()),
        "device": e.device,
        "session": e.session,
        "from_cpe": e.direction == Direction::FromCpe,
        "what": e.what,
        "text": e.text,
        "remarks": e.remarks,
    })
}

/// What the page shows of the controller, with the notifications after number `after`.
fn controllers(controller: &Controller, after: u64) -> Json {
    let agents = controller.agents();
    let agents = agents.iter().map(|(agent, at)| {
        json!({ "id": agent.agent, "over": agent.over.name(), "at": at.map(|at| at.to_string()) })
    });
    let ways = Transport::ALL
        .map(|over| json!({ "over": over.name(), "endpoint": over.endpoint(), "url": controller.url(over) }));
    let notices = controller.notices(after);
    let notices = notices.iter().map(|n| {
        json!({ "number": n.number, "at": n.at.map(|at| at.to_string()), "agent": n.from.agent,
            "over": n.from.over.name(), "notify": message::notify(&n.notify) })
    });
    json!({ "ways": ways, "agents": agents.collect::<Vec<_>>(), "notices": notices.collect::<Vec<_>>() })
}

fn parameter(path: &str, p: &Parameter) -> Json {
    json!({ "path": path, "value": p.value, "type": p.kind, "writable": p.writable, "notification": p.notification })
}

fn text<'a>(from: &'a Json, name: &str) -> &'a str {
    from.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn list<T>(from: &Json, name: &str, read: impl Fn(&Json) -> Option<T>) -> Result<Vec<T>, String> {
    let items = from.get(name).and_then(Json::as_array).ok_or_else(|| format!("{name} is no list"))?;
    items.iter().map(|item| read(item).ok_or_else(|| format!("{name} holds something else"))).collect()
}

fn string(item: &Json) -> Option<String> {
    item.as_str().map(str::to_owned)
}

/// Reads what the page asks for.
fn rpc(from: &Json) -> Result<Rpc, String> {
    let own = |name: &str| text(from, name).to_owned();
    Ok(match text(from, "rpc") {
        "GetRPCMethods" => Rpc::GetRpcMethods,
        "GetParameterNames" => Rpc::GetParameterNames {
            path: own("path"),
            next_level: from.get("next_level").and_then(Json::as_bool).unwrap_or(false),
        },
        "GetParameterValues" => Rpc::GetParameterValues(list(from, "names", string)?),
        "GetParameterAttributes" => Rpc::GetParameterAttributes(list(from, "names", string)?),
        "SetParameterValues" => {
            let value = |v: &Json| {
                Some(Value::new(v.get("name")?.as_str()?, text(v, "type"), v.get("value")?.as_str()?))
            };
            Rpc::SetParameterValues { values: list(from, "values", value)?, key: own("key") }
        }
        "SetParameterAttributes" => Rpc::SetParameterAttributes(list(from, "changes", |c| {
            Some(Attribute {
                name: c.get("name")?.as_str()?.to_owned(),
                notification: c.get("notification").and_then(Json::as_u64).and_then(|n| n.try_into().ok()),
                access: c
                    .get("access")
                    .filter(|a| a.is_array())
                    .map(|_| list(c, "access", string))
                    .transpose()
                    .ok()?,
            })
        })?),
        "AddObject" => Rpc::AddObject { object: own("object"), key: own("key") },
        "DeleteObject" => Rpc::DeleteObject { object: own("object"), key: own("key") },
        "Reboot" => Rpc::Reboot { key: own("key") },
        "FactoryReset" => Rpc::FactoryReset,
        other => return Err(format!("no such RPC: {other:?}")),
    })
}

fn answer(answer: &Answer) -> Json {
    match answer {
        Answer::Methods(methods) => json!({ "methods": methods }),
        Answer::Names(names) => {
            json!({ "names": names.iter().map(|n| json!({ "path": n.path, "writable": n.writable })).collect::<Vec<_>>() })
        }
        Answer::Values(values) => {
            let each = values.iter().map(|v| json!({ "name": v.name, "value": v.value, "type": v.kind }));
            json!({ "values": each.collect::<Vec<_>>() })
        }
        Answer::Attributes(attributes) => {
            let each = attributes
                .iter()
                .map(|a| json!({ "name": a.name, "notification": a.notification, "access": a.access }));
            json!({ "attributes": each.collect::<Vec<_>>() })
        }
        Answer::Added { instance, status } => json!({ "instance": instance, "status": status }),
        Answer::Status(status) => json!({ "status": status }),
        Answer::Done => json!({}),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_percent_decoded_and_a_broken_one_is_none() {
        for (query, want) in [
            ("path=Device.WiFi.&x=1", Some("Device.WiFi.")),
            ("x=1&path=a%5Bb%5d+c%C3%A9", Some("a[b] cé")),
            ("path=%4", None),
            ("path=%zz", None),
            ("path=%ff", None),
            ("xpath=1", None),
        ] {
            assert_eq!(argument(query, "path").as_deref(), want, "{query}");
        }
    }

    #[test]
    fn what_the_page_may_not_ask_is_refused_with_a_reason() {
        for bad in [
            json!({}),
            json!({ "rpc": "Download" }),
            json!({ "rpc": "GetParameterValues" }),
            json!({ "rpc": "GetParameterValues", "names": [1] }),
            json!({ "rpc": "SetParameterValues", "values": [{ "name": "A" }] }),
            json!({ "rpc": "SetParameterAttributes", "changes": [{ "name": "A", "access": [1] }] }),
        ] {
            assert!(rpc(&bad).is_err(), "{bad}");
        }
        let set = json!({ "rpc": "SetParameterValues", "key": "k", "values": [{ "name": "A.B", "type": "int", "value": "1" }] });
        let want = Rpc::SetParameterValues { values: vec![Value::new("A.B", "int", "1")], key: "k".into() };
        assert_eq!(rpc(&set).unwrap(), want);
    }
}
