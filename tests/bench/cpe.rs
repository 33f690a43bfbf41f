//! A CPE from a script: enough of TR-069 to exercise an ACS, written as text so that it shares no writer with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpeagent::bench::auth::{self, Door, Login, Verdict};
use cpeagent::bench::http::{self, Client, Fields, Handler, Request, Response};
use cpeagent::bench::xml::{self, Element};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub const WAIT: Duration = Duration::from_secs(20);
pub const ID: &str = "001122-Box-42";
const URL: &str = "Device.ManagementServer.ConnectionRequestURL";
const USER: &str = "Device.ManagementServer.ConnectionRequestUsername";
const PASSWORD: &str = "Device.ManagementServer.ConnectionRequestPassword";

/// How it deviates from the plain case.
#[derive(Clone)]
pub struct Style {
    pub space: &'static str,
    pub offers: Option<&'static str>,
    /// A new connection for each message.
    pub reconnects: bool,
    pub login: Option<Login>,
    /// Sets what it can although another parameter of the call is refused.
    pub half_sets: bool,
    /// Breaks small rules: headers on empty messages, array counts, the ID.
    pub sloppy: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style {
            space: "urn:dslforum-org:cwmp-1-2",
            offers: Some("1.0,1.1,1.2,1.3,1.4"),
            reconnects: false,
            login: None,
            half_sets: false,
            sloppy: false,
        }
    }
}

struct Parameter {
    kind: &'static str,
    value: String,
    writable: bool,
    notification: u8,
}

type Model = Arc<Mutex<BTreeMap<String, Parameter>>>;

pub struct Cpe {
    pub style: Style,
    host: String,
    model: Model,
    /// name=value of each cookie.
    cookies: Vec<String>,
    client: Option<Client>,
    authorization: Option<String>,
    next_instance: u32,
    /// Every message the ACS sent, in order.
    pub heard: Vec<Element>,
}

impl Cpe {
    pub fn new(acs_url: &str) -> Cpe {
        let row = |(name, kind, value, writable): &(&str, &'static str, &str, bool)| {
            let p = Parameter { kind, value: (*value).into(), writable: *writable, notification: 0 };
            ((*name).to_owned(), p)
        };
        let model = [
            ("Device.RootDataModelVersion", "string", "2.18", false),
            ("Device.DeviceInfo.HardwareVersion", "string", "1", false),
            ("Device.DeviceInfo.SoftwareVersion", "string", "24.10.0", false),
            ("Device.DeviceInfo.ProvisioningCode", "string", "", true),
            ("Device.DeviceInfo.UpTime", "unsignedInt", "77", false),
            (URL, "string", "", false),
            (USER, "string", "", true),
            (PASSWORD, "string", "", true),
            ("Device.ManagementServer.ParameterKey", "string", "", false),
            ("Device.WiFi.SSID.1.Enable", "boolean", "1", true),
            ("Device.WiFi.SSID.1.SSID", "string", "OpenWrt & <friends>", true),
            ("Device.WiFi.SSID.2.SSID", "string", "guests", true),
        ];
        Cpe {
            style: Style::default(),
            host: acs_url.trim_start_matches("http://").trim_end_matches('/').to_owned(),
            model: Arc::new(Mutex::new(model.iter().map(row).collect())),
            cookies: Vec::new(),
            client: None,
            authorization: None,
            next_instance: 1,
            heard: Vec::new(),
        }
    }

    pub fn value(&self, name: &str) -> String {
        self.model.lock().unwrap().get(name).map(|p| p.value.clone()).unwrap_or_default()
    }

    /// One whole session; gives the names of the RPCs it was asked.
    pub async fn session(&mut self, events: &[&str]) -> Vec<String> {
        self.inform(events).await;
        let mut asked = Vec::new();
        let mut reply = self.post(None).await;
        while reply.status == 200 && !reply.body.is_empty() {
            let (id, body) = self.hear(&reply);
            asked.push(body.local().to_owned());
            let answer = self.act(&body);
            reply = self.post(Some(&self.envelope(&id, &answer))).await;
        }
        assert_eq!(reply.status, 204);
        self.cookies.clear();
        self.client = None;
        asked
    }

    /// Sends an Inform and takes the answer.
    pub async fn inform(&mut self, events: &[&str]) -> Response {
        self.cookies.clear();
        let events: String = events
            .iter()
            .map(|e| {
                format!("<EventStruct><EventCode>{e}</EventCode><CommandKey></CommandKey></EventStruct>")
            })
            .collect();
        let count = events.matches("<EventStruct>").count();
        let forced = [
            "Device.RootDataModelVersion",
            "Device.DeviceInfo.HardwareVersion",
            "Device.DeviceInfo.SoftwareVersion",
            "Device.DeviceInfo.ProvisioningCode",
            URL,
            "Device.ManagementServer.ParameterKey",
        ];
        let values = self.values(&forced.map(str::to_owned));
        let body = format!(
            "<c:Inform><DeviceId><Manufacturer>ACME</Manufacturer><OUI>001122</OUI><ProductClass>Box</ProductClass>\
             <SerialNumber>42</SerialNumber></DeviceId><Event e:arrayType=\"c:EventStruct[{count}]\">{events}</Event>\
             <MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2026-01-01T00:00:00Z</CurrentTime><RetryCount>0</RetryCount>\
             {values}</c:Inform>"
        );
        let message = self.envelope("inform-1", &body);
        let reply = self.post(Some(&message)).await;
        if reply.status == 200 {
            let (id, body) = self.hear(&reply);
            assert_eq!((id.as_str(), body.local()), ("inform-1", "InformResponse"));
        }
        reply
    }

    /// POSTs a message, or nothing, the way a CPE does.
    pub async fn post(&mut self, message: Option<&str>) -> Response {
        let mut fields = Vec::new();
        if message.is_some() || self.style.sloppy {
            fields.push(("SOAPAction".to_owned(), String::new()));
        }
        if message.is_some() {
            fields.push(("Content-Type".to_owned(), "text/xml; charset=\"utf-8\"".to_owned()));
        }
        if !self.cookies.is_empty() {
            // One of somebody else in front must not disturb.
            fields.push(("Cookie".to_owned(), format!("other=1; {}", self.cookies.join("; "))));
        }
        let first = self.exchange(&fields, message).await;
        let (401, Some(login)) = (first.status, self.style.login.clone()) else { return first };
        let challenge = first.fields.value("WWW-Authenticate").unwrap().to_owned();
        self.authorization = auth::answer(&challenge, &login, "POST", "/", "cnonce");
        self.exchange(&fields, message).await
    }

    async fn exchange(&mut self, fields: &[(String, String)], message: Option<&str>) -> Response {
        if self.style.reconnects || self.client.is_none() {
            self.client = Some(Client::connect(&self.host, WAIT).await.unwrap());
        }
        let mut fields = Fields(fields.to_vec());
        if let Some(authorization) = self.authorization.take() {
            fields.0.push(("Authorization".to_owned(), authorization));
        }
        let body = message.unwrap_or_default().as_bytes();
        let client = self.client.as_mut().unwrap();
        let reply = client.send("POST", "/", &fields, body, WAIT).await.unwrap();
        for set in reply.fields.all("Set-Cookie") {
            self.cookies.push(set.split(';').next().unwrap().to_owned());
        }
        if reply.fields.has("Connection", "close") {
            self.client = None;
        }
        reply
    }

    /// Takes an envelope of the ACS apart: its ID and the element in its body.
    fn hear(&mut self, reply: &Response) -> (String, Element) {
        assert!(reply.fields.value("Content-Type").unwrap().starts_with("text/xml"));
        let root = xml::read(&reply.body).unwrap();
        self.heard.push(root.clone());
        let id = root.child("Header").unwrap().text_of("ID").to_owned();
        let body = root.child("Body").unwrap().children[0].clone();
        assert_eq!(body.space, self.style.space);
        (id, body)
    }

    pub fn envelope(&self, id: &str, body: &str) -> String {
        let inform = body.starts_with("<c:Inform>");
        let id = if self.style.sloppy && !inform { "lost" } else { id };
        let offers = match self.style.offers {
            Some(offers) if inform => {
                format!("<c:SupportedCWMPVersions s:mustUnderstand=\"0\">{offers}</c:SupportedCWMPVersions>")
            }
            _ => String::new(),
        };
        format!(
            "<?xml version=\"1.0\"?>\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:e=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:d=\"http://www.w3.org/2001/XMLSchema\" \
             xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:c=\"{}\"><s:Header>\
             <c:ID s:mustUnderstand=\"1\">{id}</c:ID>{offers}</s:Header><s:Body>{body}</s:Body></s:Envelope>",
            self.style.space
        )
    }

    /// Does what it is asked and gives the body of the answer.
    fn act(&mut self, rpc: &Element) -> String {
        match rpc.local() {
            "GetRPCMethods" => {
                "<c:GetRPCMethodsResponse><MethodList e:arrayType=\"d:string[2]\"><string>Inform</string>\
                                <string>Reboot</string></MethodList></c:GetRPCMethodsResponse>"
                    .to_owned()
            }
            "GetParameterNames" => self.names(rpc.text_of("ParameterPath"), rpc.text_of("NextLevel") == "1"),
            "GetParameterValues" => match self.matching(&strings(rpc, "ParameterNames")) {
                Some(names) => format!(
                    "<c:GetParameterValuesResponse>{}</c:GetParameterValuesResponse>",
                    self.values(&names)
                ),
                None => fault("Client", 9005, "Invalid parameter name", ""),
            },
            "SetParameterValues" => {
                self.set(rpc.child("ParameterList").unwrap(), rpc.text_of("ParameterKey"))
            }
            "GetParameterAttributes" => match self.matching(&strings(rpc, "ParameterNames")) {
                Some(names) => self.attributes(&names),
                None => fault("Client", 9005, "Invalid parameter name", ""),
            },
            "SetParameterAttributes" => {
                for change in &rpc.child("ParameterList").unwrap().children {
                    let mut model = self.model.lock().unwrap();
                    let parameter = model.get_mut(change.text_of("Name")).unwrap();
                    if change.text_of("NotificationChange") == "1" {
                        parameter.notification = change.text_of("Notification").parse().unwrap();
                    }
                }
                "<c:SetParameterAttributesResponse/>".to_owned()
            }
            "AddObject" if rpc.text_of("ObjectName") == "Device.NAT.PortMapping." => self.add_mapping(),
            "AddObject" => fault("Client", 9005, "Invalid parameter name", ""),
            "DeleteObject" => {
                let object = rpc.text_of("ObjectName");
                self.model.lock().unwrap().retain(|name, _| !name.starts_with(object));
                "<c:DeleteObjectResponse><Status>0</Status></c:DeleteObjectResponse>".to_owned()
            }
            "Reboot" => "<c:RebootResponse/>".to_owned(),
            "FactoryReset" => "<c:FactoryResetResponse/>".to_owned(),
            _ => fault("Server", 9000, "Method not supported", ""),
        }
    }

    fn matching(&self, asked: &[String]) -> Option<Vec<String>> {
        let model = self.model.lock().unwrap();
        let mut out = Vec::new();
        for name in asked {
            let partial = name.is_empty() || name.ends_with('.');
            let found: Vec<_> =
                model.keys().filter(|k| *k == name || partial && k.starts_with(name)).cloned().collect();
            if found.is_empty() {
                return None;
            }
            out.extend(found);
        }
        Some(out)
    }

    fn values(&self, names: &[String]) -> String {
        let model = self.model.lock().unwrap();
        let items: String = names
            .iter()
            .filter_map(|name| model.get_key_value(name))
            .map(|(name, p)| {
                let value = if name == PASSWORD { String::new() } else { escape(&p.value) };
                format!(
                    "<ParameterValueStruct><Name>{name}</Name><Value i:type=\"d:{}\">{value}</Value>\
                     </ParameterValueStruct>",
                    p.kind
                )
            })
            .collect();
        let count = names.len() + usize::from(self.style.sloppy);
        format!("<ParameterList e:arrayType=\"c:ParameterValueStruct[{count}]\">{items}</ParameterList>")
    }

    fn attributes(&self, names: &[String]) -> String {
        let model = self.model.lock().unwrap();
        let items: String = names
            .iter()
            .map(|name| {
                format!(
                    "<ParameterAttributeStruct><Name>{name}</Name><Notification>{}</Notification>\
                     <AccessList e:arrayType=\"d:string[1]\"><string>Subscriber</string></AccessList>\
                     </ParameterAttributeStruct>",
                    model[name].notification
                )
            })
            .collect();
        format!(
            "<c:GetParameterAttributesResponse><ParameterList e:arrayType=\"c:ParameterAttributeStruct[{}]\">{items}\
             </ParameterList></c:GetParameterAttributesResponse>",
            names.len()
        )
    }

    fn names(&self, path: &str, next_level: bool) -> String {
        let model = self.model.lock().unwrap();
        let mut all: BTreeMap<String, bool> = model.iter().map(|(n, p)| (n.clone(), p.writable)).collect();
        let objects: BTreeSet<String> = all
            .keys()
            .flat_map(|name| {
                name.match_indices('.').map(|(at, _)| name[..=at].to_owned()).collect::<Vec<_>>()
            })
            .chain(["Device.NAT.".to_owned(), "Device.NAT.PortMapping.".to_owned()])
            .collect();
        for object in objects {
            let writable = object.starts_with("Device.NAT.PortMapping.");
            all.insert(object, writable);
        }
        let level = |name: &str| name.trim_end_matches('.').matches('.').count();
        let depth = if path.is_empty() { 0 } else { level(path) + 1 };
        let found: Vec<_> = all
            .iter()
            .filter(|(name, _)| name.starts_with(path))
            .filter(|(name, _)| !next_level || level(name) == depth && *name != path)
            .collect();
        if !all.contains_key(path) && !path.is_empty() {
            return fault("Client", 9005, "Invalid parameter name", "");
        }
        let items: String = found
            .iter()
            .map(|(name, writable)| {
                let writable = u8::from(**writable);
                format!("<ParameterInfoStruct><Name>{name}</Name><Writable>{writable}</Writable></ParameterInfoStruct>")
            })
            .collect();
        format!(
            "<c:GetParameterNamesResponse><ParameterList e:arrayType=\"c:ParameterInfoStruct[{}]\">{items}\
             </ParameterList></c:GetParameterNamesResponse>",
            found.len()
        )
    }

    fn set(&mut self, list: &Element, key: &str) -> String {
        let mut model = self.model.lock().unwrap();
        let mut refused = String::new();
        for item in &list.children {
            let name = item.text_of("Name");
            let code = match model.get(name) {
                Some(p) if p.writable => continue,
                Some(_) => 9008,
                None => 9005,
            };
            refused.push_str(&format!(
                "<SetParameterValuesFault><ParameterName>{name}</ParameterName><FaultCode>{code}</FaultCode>\
                 <FaultString>refused</FaultString></SetParameterValuesFault>"
            ));
        }
        if refused.is_empty() || self.style.half_sets {
            for item in &list.children {
                if let Some(p) = model.get_mut(item.text_of("Name")).filter(|p| p.writable) {
                    item.text_of("Value").clone_into(&mut p.value);
                }
            }
        }
        if !refused.is_empty() {
            return fault("Client", 9003, "Invalid arguments", &refused);
        }
        if let Some(p) = model.get_mut("Device.ManagementServer.ParameterKey") {
            key.clone_into(&mut p.value);
        }
        "<c:SetParameterValuesResponse><Status>0</Status></c:SetParameterValuesResponse>".to_owned()
    }

    fn add_mapping(&mut self) -> String {
        let instance = self.next_instance;
        self.next_instance += 1;
        let leaves = [
            ("Enable", "boolean", "0"),
            ("Protocol", "string", "TCP"),
            ("ExternalPort", "unsignedInt", "0"),
            ("InternalPort", "unsignedInt", "0"),
            ("InternalClient", "string", ""),
            ("Description", "string", ""),
        ];
        let mut model = self.model.lock().unwrap();
        for (leaf, kind, value) in leaves {
            let p = Parameter { kind, value: value.into(), writable: true, notification: 0 };
            model.insert(format!("Device.NAT.PortMapping.{instance}.{leaf}"), p);
        }
        format!(
            "<c:AddObjectResponse><InstanceNumber>{instance}</InstanceNumber><Status>0</Status></c:AddObjectResponse>"
        )
    }

    /// Opens the listener for connection requests and lives on: BOOTSTRAP, then a session for each valid request.
    pub async fn live(mut self) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/wake", listener.local_addr().unwrap());
        self.model.lock().unwrap().get_mut(URL).unwrap().value = url;
        let (ring, mut rung) = mpsc::unbounded_channel();
        tokio::spawn(http::serve(
            listener,
            Bell { model: self.model.clone(), ring, doors: Arc::default(), nonces: Arc::default() },
        ));
        self.session(&["0 BOOTSTRAP", "1 BOOT"]).await;
        while rung.recv().await.is_some() {
            let asked = self.session(&["6 CONNECTION REQUEST"]).await;
            if asked.iter().any(|rpc| rpc == "Reboot") {
                self.session(&["1 BOOT", "M Reboot"]).await;
            }
        }
    }
}

/// The listener for connection requests.
#[derive(Clone)]
struct Bell {
    model: Model,
    ring: mpsc::UnboundedSender<()>,
    doors: Arc<Mutex<BTreeMap<(String, String), Door>>>,
    nonces: Arc<AtomicU32>,
}

impl Handler for Bell {
    async fn handle(&self, request: Request) -> Response {
        let (user, password) = {
            let model = self.model.lock().unwrap();
            (model[USER].value.clone(), model[PASSWORD].value.clone())
        };
        let mut doors = self.doors.lock().unwrap();
        let fresh = format!("nonce-{}", self.nonces.fetch_add(1, Ordering::Relaxed));
        let door = doors
            .entry((user.clone(), password.clone()))
            .or_insert_with(|| Door::new("cpe", Login::new(user, password)));
        match door.check(request.fields.value("Authorization"), &request.method, &request.target, fresh) {
            Verdict::Open => {
                self.ring.send(()).unwrap();
                Response::empty(204)
            }
            Verdict::Challenge(challenge) => Response::empty(401).with("WWW-Authenticate", challenge),
        }
    }
}

fn strings(rpc: &Element, list: &str) -> Vec<String> {
    rpc.child(list).unwrap().children.iter().map(|c| c.text.clone()).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn fault(side: &str, code: u16, text: &str, more: &str) -> String {
    format!(
        "<s:Fault><faultcode>s:{side}</faultcode><faultstring>CWMP fault</faultstring><detail><c:Fault>\
         <FaultCode>{code}</FaultCode><FaultString>{text}</FaultString>{more}</c:Fault></detail></s:Fault>"
    )
}
