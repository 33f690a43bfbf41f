//! The settings of USP: controllers and the ways to them, roles, certificates, brokers.
//!
//! A section that names a parent (`option controller`) becomes part of it; one whose parent is missing is told and left
//! out. Links and rights are made of this by the agent; [`Usp::rights`] reads the permissions. Brokers are `broker`'s.

mod broker;

pub use broker::{Broker, Subscription};

use super::Tls;
use super::reader::Reader;
use super::subnet::Subnet;
use crate::dm::acl::{self, Grant, Rights, Rule, Rwxn};
use crate::retry::Curve;
use crate::secret::Secret;
use crate::time::Wall;
use crate::way::Network;
use std::time::Duration;

/// All settings of USP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usp {
    /// Whether there are links at all.
    pub enable: bool,
    /// The endpoint id; `None` for the one of OUI and serial number.
    pub endpoint_id: Option<String>,
    /// Subtypes that discovery advertises.
    pub device_subtypes: Vec<String>,
    /// The most time until a changed subscription counts.
    pub adoption_time: Duration,
    /// The section of the role of whoever has no other.
    pub untrusted_role: Option<String>,
    /// The section of the role of whoever's certificate is revoked.
    pub banned_role: Option<String>,
    /// The sections of the roles that see secured values.
    pub secured_roles: Vec<String>,
    /// Whether unknown certificates are taken up.
    pub trust_on_first_use: bool,
    /// Whether a controller may come from DHCP.
    pub dhcp_discovery: bool,
    /// The sections of its roles.
    pub dhcp_role: Vec<String>,
    /// How long such a controller may be silent; `None` for ever.
    pub trust_inactivity: Option<Duration>,
    /// This device's certificate and those that are trusted; no pins.
    pub tls: Tls,
    /// The way to controllers.
    pub network: Network,
    /// The controllers.
    pub controllers: Vec<Controller>,
    /// The ways on which this device is reached.
    pub mtps: Vec<Mtp>,
    /// The connections to brokers.
    pub brokers: Vec<Broker>,
    /// The roles.
    pub roles: Vec<Role>,
    /// Known certificates.
    pub certificates: Vec<Certificate>,
    /// Who is trusted by a certificate.
    pub credentials: Vec<Credential>,
    /// How roles are got by a secret.
    pub challenges: Vec<Challenge>,
}

/// A section `controller`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// The section's name.
    pub name: String,
    /// Whether it may do anything.
    pub enable: bool,
    /// Its endpoint id; empty where none is set.
    pub endpoint_id: String,
    /// The sections of its roles.
    pub roles: Vec<String>,
    /// The sections of the certificates known to be its own.
    pub certificates: Vec<String>,
    /// Whether it came by itself.
    pub first_use: bool,
    /// A text of its own.
    pub controller_code: String,
    /// The provisioning code it gave.
    pub provisioning_code: String,
    /// The time between `Periodic!` events.
    pub periodic: Duration,
    /// What they are counted from; `None` where the device chooses.
    pub periodic_time: Option<Wall>,
    /// The waits after notifications that were not answered.
    pub retry: Curve,
    /// Whether it has taken up this device.
    pub onboarding_complete: bool,
    /// The time after which it is asked again; `None` for never.
    pub onboarding_restart: Option<Duration>,
    /// Of which transfers it is told the end.
    pub transfer_results: Results,
    /// The ways to it, lowest order first.
    pub mtps: Vec<ControllerMtp>,
    /// The paths whose values it is told at boot.
    pub boot_parameters: Vec<String>,
}

/// Of which transfers a controller is told the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    /// Those that succeeded.
    Success,
    /// Those that failed.
    Failure,
    /// All.
    Both,
}

/// A section `controller_mtp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerMtp {
    /// The section's name.
    pub name: String,
    /// Whether it is used.
    pub enable: bool,
    /// Lower ones first; equal ones at the same time.
    pub order: u32,
    /// SHA-256 digests of the keys the controller may have, lower case hex; any key where empty.
    pub pins: Vec<String>,
    /// Which way.
    pub way: ControllerWay,
}

/// A way to a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerWay {
    /// A WebSocket session opened by this device.
    WebSocket {
        /// A name or an address; `None` where the controller is to open the session.
        host: Option<String>,
        /// The TCP port.
        port: u16,
        /// The path.
        path: String,
        /// TLS.
        encryption: bool,
        /// Between pings.
        keepalive: Duration,
        /// After a failure.
        retry: Curve,
    },
    /// A topic at a broker.
    Mqtt {
        /// The section `mtp` through which; `None` where none is set.
        mtp: Option<String>,
        /// The topic at which it listens; empty where it is only learnt.
        topic: String,
        /// Whether the broker keeps answers.
        retain_response: bool,
        /// Whether the broker keeps notifications.
        retain_notify: bool,
    },
}

/// A section `mtp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtp {
    /// The section's name.
    pub name: String,
    /// Whether it is used.
    pub enable: bool,
    /// Which way.
    pub way: Way,
}

/// A way on which this device is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A port for WebSocket sessions.
    WebSocket {
        /// The TCP port.
        port: u16,
        /// The path.
        path: String,
        /// TLS.
        encryption: bool,
        /// Between pings.
        keepalive: Duration,
        /// The networks to listen on; all where empty.
        interfaces: Vec<String>,
        /// From where the firewall lets controllers through; from nowhere where empty.
        sources: Vec<Subnet>,
    },
    /// A connection to a broker.
    Mqtt {
        /// The section `mqtt`; `None` where none is set.
        broker: Option<String>,
        /// The topic at which this device listens, where the broker tells none.
        response_topic: Option<String>,
        /// The quality of service of what is sent, 0 to 2.
        publish_qos: u8,
    },
}

/// A section `role`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The section's name.
    pub name: String,
    /// The name shown.
    pub title: String,
    /// Whether it gives anything.
    pub enable: bool,
    /// Its enabled permissions.
    pub rules: Vec<Rule>,
}

/// A section `certificate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The section's name.
    pub name: String,
    /// Whether it counts.
    pub enable: bool,
    /// Its file, PEM; empty where none is set.
    pub file: String,
    /// The certificate itself, DER in base64; empty where it is a file.
    pub der: String,
}

/// A section `credential`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The section's name.
    pub name: String,
    /// Whether it counts.
    pub enable: bool,
    /// The section of the certificate; `None` where none is set.
    pub certificate: Option<String>,
    /// The sections of the roles of whoever it vouches for.
    pub roles: Vec<String>,
    /// For what.
    pub uses: Uses,
}

/// What a credential is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// Links; its roles do not count.
    Link,
    /// Links, and its roles count.
    LinkAndRoles,
    /// A trusted broker, whose word on who sent something counts.
    Broker,
}

/// A section `challenge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The section's name.
    pub name: String,
    /// Whether it can be taken.
    pub enable: bool,
    /// What it is for.
    pub description: String,
    /// The sections of the roles it gives.
    pub roles: Vec<String>,
    /// The answer wanted, base64; empty where it cannot be passed.
    pub value: Secret,
    /// The media type of the answer.
    pub value_type: String,
    /// What is shown, base64.
    pub instruction: String,
    /// The media type of that.
    pub instruction_type: String,
    /// So many wrong answers in a row close it.
    pub retries: u32,
    /// For how long it is closed then.
    pub lockout: Duration,
}

impl Usp {
    /// What somebody with these roles (names of sections) may do; roles that are off or missing give nothing.
    pub fn rights<'a>(&self, roles: impl IntoIterator<Item = &'a str>) -> Rights {
        let mut known = Vec::new();
        for name in roles {
            let role = self.roles.iter().find(|role| role.name == name && role.enable);
            known.extend(role.map(|role| acl::Role {
                rules: role.rules.clone(),
                secured: self.secured_roles.contains(&role.name),
            }));
        }
        Rights::of(known)
    }

    /// The controller of an endpoint id that is enabled.
    pub fn controller(&self, endpoint_id: &str) -> Option<&Controller> {
        let mut all = self.controllers.iter();
        all.find(|controller| controller.enable && controller.endpoint_id == endpoint_id)
    }

    /// The certificate of a section that is enabled.
    pub fn certificate(&self, name: &str) -> Option<&Certificate> {
        self.certificates.iter().find(|certificate| certificate.enable && certificate.name == name)
    }
}

/// A duration, or `None` for zero.
fn some(wait: Duration) -> Option<Duration> {
    Some(wait).filter(|wait| !wait.is_zero())
}

impl Reader<'_> {
    pub(super) fn usp(&mut self) -> Usp {
        let mut usp = Usp {
            enable: self.flag("usp", "enable"),
            endpoint_id: self.some("usp", "endpoint_id"),
            device_subtypes: self.list("usp", "device_subtype"),
            adoption_time: self.seconds("usp", "adoption_time"),
            untrusted_role: self.some("usp", "untrusted_role"),
            banned_role: self.some("usp", "banned_role"),
            secured_roles: self.list("usp", "secured_role"),
            trust_on_first_use: self.flag("usp", "trust_on_first_use"),
            dhcp_discovery: self.flag("usp", "dhcp_discovery"),
            dhcp_role: self.list("usp", "dhcp_role"),
            trust_inactivity: some(self.seconds("usp", "trust_inactivity")),
            tls: self.tls("usp"),
            network: self.network("usp"),
            controllers: self.each("controller", Reader::controller),
            mtps: self.each("mtp", Reader::mtp),
            brokers: self.each("mqtt", Reader::broker),
            roles: self.each("role", Reader::role),
            certificates: self.each("certificate", Reader::certificate),
            credentials: self.each("credential", Reader::credential),
            challenges: self.each("challenge", Reader::challenge),
        };
        self.parts(&mut usp);
        usp
    }

    /// Every section of a type.
    fn each<T>(&mut self, kind: &str, read: impl Fn(&mut Self, &str) -> T) -> Vec<T> {
        self.names(kind).iter().map(|name| read(self, name)).collect()
    }

    /// Puts the sections that name a parent into it.
    fn parts(&mut self, usp: &mut Usp) {
        for name in self.names("controller_mtp") {
            let way = self.controller_mtp(&name);
            if let Some(parent) = self.parent(&name, "controller", &mut usp.controllers, |one| &one.name) {
                parent.mtps.push(way);
            }
        }
        for controller in &mut usp.controllers {
            controller.mtps.sort_by_key(|way| way.order);
        }
        for name in self.names("boot_parameter") {
            let (on, path) = (self.flag(&name, "enable"), self.some(&name, "parameter"));
            if let Some(parent) = self.parent(&name, "controller", &mut usp.controllers, |one| &one.name) {
                parent.boot_parameters.extend(path.filter(|_| on));
            }
        }
        self.broker_parts(&mut usp.brokers);
        for name in self.names("permission") {
            let (on, rule) = (self.flag(&name, "enable"), self.rule(&name));
            if let Some(parent) = self.parent(&name, "role", &mut usp.roles, |one| &one.name) {
                parent.rules.extend(Some(rule).filter(|_| on));
            }
        }
    }

    /// The parent that a section names by an option; that there is none is told.
    fn parent<'t, T>(
        &mut self,
        section: &str,
        option: &str,
        all: &'t mut [T],
        name: impl Fn(&T) -> &String,
    ) -> Option<&'t mut T> {
        let wanted = self.text(section, option);
        let found = all.iter_mut().find(|one| *name(one) == wanted);
        if found.is_none() {
            self.fault(section, option, format!("ignored: there is no section {option} of this name"));
        }
        found
    }

    fn curve(&mut self, section: &str) -> Curve {
        Curve {
            minimum_seconds: self.u32(section, "retry_minimum_wait"),
            multiplier: self.u32(section, "retry_multiplier"),
        }
    }

    fn pins(&mut self, section: &str) -> Vec<String> {
        let pins = self.text(section, "pin_sha256").to_ascii_lowercase();
        pins.split_whitespace().map(str::to_string).collect()
    }

    fn controller(&mut self, name: &str) -> Controller {
        Controller {
            name: name.to_string(),
            enable: self.flag(name, "enable"),
            endpoint_id: self.text(name, "endpoint_id"),
            roles: self.list(name, "role"),
            certificates: self.list(name, "certificate"),
            first_use: self.flag(name, "first_use"),
            controller_code: self.text(name, "controller_code"),
            provisioning_code: self.text(name, "provisioning_code"),
            periodic: self.seconds(name, "periodic_interval"),
            periodic_time: self.time(name, "periodic_time"),
            retry: self.curve(name),
            onboarding_complete: self.flag(name, "onboarding_complete"),
            onboarding_restart: some(self.seconds(name, "onboarding_restart")),
            transfer_results: match self.text(name, "transfer_results").as_str() {
                "Success" => Results::Success,
                "Failure" => Results::Failure,
                _ => Results::Both,
            },
            mtps: Vec::new(),
            boot_parameters: Vec::new(),
        }
    }

    fn controller_mtp(&mut self, name: &str) -> ControllerMtp {
        let way = match self.text(name, "protocol").as_str() {
            "MQTT" => ControllerWay::Mqtt {
                mtp: self.some(name, "mtp"),
                topic: self.text(name, "topic"),
                retain_response: self.flag(name, "retain_response"),
                retain_notify: self.flag(name, "retain_notify"),
            },
            _ => ControllerWay::WebSocket {
                host: self.some(name, "host"),
                port: self.u32(name, "port") as u16,
                path: self.text(name, "path"),
                encryption: self.flag(name, "encryption"),
                keepalive: self.seconds(name, "keepalive"),
                retry: self.curve(name),
            },
        };
        let (enable, order) = (self.flag(name, "enable"), self.u32(name, "order"));
        ControllerMtp { name: name.to_string(), enable, order, pins: self.pins(name), way }
    }

    fn mtp(&mut self, name: &str) -> Mtp {
        let way = match self.text(name, "protocol").as_str() {
            "MQTT" => Way::Mqtt {
                broker: self.some(name, "mqtt"),
                response_topic: self.some(name, "response_topic"),
                publish_qos: self.u32(name, "publish_qos") as u8,
            },
            _ => Way::WebSocket {
                port: self.u32(name, "port") as u16,
                path: self.text(name, "path"),
                encryption: self.flag(name, "encryption"),
                keepalive: self.seconds(name, "keepalive"),
                interfaces: self.list(name, "interface"),
                sources: self.subnets(name, "source"),
            },
        };
        Mtp { name: name.to_string(), enable: self.flag(name, "enable"), way }
    }

    fn role(&mut self, name: &str) -> Role {
        Role {
            name: name.to_string(),
            title: self.some(name, "name").unwrap_or_else(|| name.to_string()),
            enable: self.flag(name, "enable"),
            rules: Vec::new(),
        }
    }

    fn rule(&mut self, name: &str) -> Rule {
        let mut letters = |option: &str| Rwxn::parse(&self.text(name, option)).unwrap_or_default();
        let grant = Grant {
            param: letters("param"),
            object: letters("object"),
            instance: letters("instance"),
            command: letters("command"),
        };
        let targets = self.list(name, "target");
        let targets = targets.iter().filter_map(|path| acl::target(path).ok()).collect();
        Rule { order: self.u32(name, "order"), targets, grant }
    }

    fn certificate(&mut self, name: &str) -> Certificate {
        let (file, der) = (self.text(name, "file"), self.text(name, "der"));
        Certificate { name: name.to_string(), enable: self.flag(name, "enable"), file, der }
    }

    fn credential(&mut self, name: &str) -> Credential {
        Credential {
            name: name.to_string(),
            enable: self.flag(name, "enable"),
            certificate: self.some(name, "certificate"),
            roles: self.list(name, "role"),
            uses: match self.text(name, "uses").as_str() {
                "MTP-and-USP" => Uses::LinkAndRoles,
                "MTP-and-broker" => Uses::Broker,
                _ => Uses::Link,
            },
        }
    }

    fn challenge(&mut self, name: &str) -> Challenge {
        Challenge {
            name: name.to_string(),
            enable: self.flag(name, "enable"),
            description: self.text(name, "description"),
            roles: self.list(name, "role"),
            value: self.secret(name, "value"),
            value_type: self.text(name, "value_type"),
            instruction: self.text(name, "instruction"),
            instruction_type: self.text(name, "instruction_type"),
            retries: self.u32(name, "retries"),
            lockout: self.seconds(name, "lockout"),
        }
    }
}
