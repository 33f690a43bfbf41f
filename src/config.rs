//! Typed settings, read from the tree of the UCI package `cpeagent`.
//!
//! Every option is declared once, in [`table`]; here it becomes a field. A value that is not allowed is reported and
//! its default used, so that a typing error never stops the agent. Reads no file and writes none.

mod reader;
pub mod subnet;
pub mod table;
pub mod usp;

pub use reader::{allowed, allows, flag};

use crate::dm::tree::Tree;
use crate::retry::Curve;
use crate::secret::Secret;
use crate::time::Wall;
use crate::way::{Family, Network};
use reader::Reader;
use std::fmt;
use std::time::Duration;
use subnet::Subnet;

/// The package's file, for messages.
pub const FILE: &str = "/etc/config/cpeagent";
/// The most digests in a list.
pub const MAX_DIGESTS: usize = 8;

/// A value that is not allowed; its default is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The section's name.
    pub section: Box<str>,
    /// The option; empty where the section itself is meant.
    pub option: Box<str>,
    /// What is wrong, without the value.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.option.is_empty() { "" } else { "." };
        write!(f, "{FILE}: {}{dot}{}: {}", self.section, self.option, self.why)
    }
}

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The agent itself.
    pub agent: Agent,
    /// Who this device is.
    pub identity: Identity,
    /// The ACS.
    #[cfg(feature = "cwmp")]
    pub acs: Acs,
    /// USP: the agent's side of TR-369.
    pub usp: usp::Usp,
}

/// The section `agent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The least important messages that are logged.
    pub log_level: log::LevelFilter,
    /// What an empty value written to a secret does.
    pub empty_secret_write: EmptySecret,
    /// The time between looks at values that announce no change.
    pub sampling_period: Duration,
    /// Whether a change that cuts its manager off is undone.
    pub guard: bool,
    /// After how long without him.
    pub guard_timeout: Duration,
    /// Whether the firewall is opened for our ports.
    pub firewall: bool,
    /// Whether changes from outside are recorded on flash instead of in memory.
    pub audit_on_flash: bool,
    /// The most KiB of that file; 0 for no record.
    pub audit_size: u32,
}

/// What an empty value written to a secret does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptySecret {
    /// Nothing: secrets read as empty, and managers write back what they read.
    Ignore,
    /// It clears the secret.
    Clear,
}

/// The section `identity`; `None` where the board tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `DeviceInfo.Manufacturer`.
    pub manufacturer: Option<String>,
    /// `DeviceInfo.ManufacturerOUI`, upper case.
    pub oui: Option<String>,
    /// `DeviceInfo.ProductClass`.
    pub product_class: Option<String>,
    /// `DeviceInfo.SerialNumber`.
    pub serial: Option<String>,
    /// `DeviceInfo.ModelName`.
    pub model_name: Option<String>,
    /// `DeviceInfo.HardwareVersion`.
    pub hardware_version: Option<String>,
    /// `DeviceInfo.ProvisioningCode`.
    pub provisioning_code: Option<String>,
    /// `DeviceInfo.FriendlyName`.
    pub friendly_name: Option<String>,
}

/// The section `acs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acs {
    /// Whether there are sessions at all.
    pub enable: bool,
    /// The ACS; `None` where none is set, or a plain one that is not allowed.
    pub url: Option<String>,
    /// The name this device gives.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// The time between periodic sessions; `None` without such.
    pub periodic: Option<Duration>,
    /// What periodic sessions are counted from; `None` where the device chooses.
    pub periodic_time: Option<Wall>,
    /// The waits after failed sessions.
    pub retry: Curve,
    /// How long an answer is waited for.
    pub session_timeout: Duration,
    /// Connection requests over HTTP.
    pub connection_request: ConnectionRequest,
    /// Connection requests over UDP.
    pub stun: Stun,
    /// The least time between sessions because of active notifications.
    pub active_notification_throttle: Duration,
    /// How requests are compressed.
    pub compression: Compression,
    /// Whether the ACS alone upgrades the firmware.
    pub upgrades_managed: bool,
    /// What TLS shows and asks for.
    pub tls: Tls,
    /// Whether the ACS may be reached without TLS.
    pub allow_plain_http: bool,
    /// Whether the URL may come from DHCP.
    pub dhcp_discovery: bool,
    /// What DHCP told last.
    pub dhcp_url: Option<String>,
    /// Which DHCP told it: [`Family::V4`] or [`Family::V6`].
    pub dhcp_from: Family,
    /// The way to the ACS.
    pub network: Network,
}

/// How connection requests over HTTP are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRequest {
    /// Whether they are.
    pub enable: bool,
    /// The TCP port.
    pub port: u16,
    /// The path; `None` for one that nobody can guess.
    pub path: Option<String>,
    /// The name the ACS gives.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// From where the firewall lets them through; the addresses of the ACS where empty.
    pub sources: Vec<Subnet>,
}

/// How a NAT is kept open for requests over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stun {
    /// Whether it is.
    pub enable: bool,
    /// The server; `None` for the host of the ACS.
    pub server: Option<String>,
    /// Its UDP port.
    pub port: u16,
    /// The name given to it.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// The most time between bindings; `None` without a bound.
    pub max_keepalive: Option<Duration>,
    /// The least time between bindings.
    pub min_keepalive: Duration,
}

/// How requests to the ACS are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Disabled,
    /// `Content-Encoding: gzip`.
    Gzip,
    /// `Content-Encoding: deflate`.
    Deflate,
}

/// What TLS towards the ACS shows and asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The trusted certificates, PEM.
    pub ca_file: String,
    /// This device's certificate and key, PEM.
    pub client: Option<(String, String)>,
    /// SHA-256 digests of the keys the ACS may have, lower case hex; any key where empty.
    pub pins: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config::read(&Tree::Map(Vec::new())).0
    }
}

impl Config {
    /// The settings of a package, and every value of it that is not allowed.
    pub fn read(package: &Tree) -> (Config, Vec<Fault>) {
        let mut from = Reader::new(package);
        let config = Config {
            agent: from.agent(),
            identity: from.identity(),
            #[cfg(feature = "cwmp")]
            acs: from.acs(),
            usp: from.usp(),
        };
        (config, from.faults)
    }
}

impl Reader<'_> {
    fn agent(&mut self) -> Agent {
        Agent {
            log_level: match self.text("agent", "log_level").as_str() {
                "error" => log::LevelFilter::Error,
                "warn" => log::LevelFilter::Warn,
                "debug" => log::LevelFilter::Debug,
                "trace" => log::LevelFilter::Trace,
                _ => log::LevelFilter::Info,
            },
            empty_secret_write: match self.text("agent", "empty_secret_write").as_str() {
                "clear" => EmptySecret::Clear,
                _ => EmptySecret::Ignore,
            },
            sampling_period: self.seconds("agent", "sampling_period"),
            guard: self.flag("agent", "guard"),
            guard_timeout: self.seconds("agent", "guard_timeout"),
            firewall: self.flag("agent", "firewall"),
            audit_on_flash: self.text("agent", "audit") == "flash",
            audit_size: self.u32("agent", "audit_size"),
        }
    }

    fn identity(&mut self) -> Identity {
        Identity {
            manufacturer: self.some("identity", "manufacturer"),
            oui: self.some("identity", "oui").map(|oui| oui.to_ascii_uppercase()),
            product_class: self.some("identity", "product_class"),
            serial: self.some("identity", "serial"),
            model_name: self.some("identity", "model_name"),
            hardware_version: self.some("identity", "hardware_version"),
            provisioning_code: self.some("identity", "provisioning_code"),
            friendly_name: self.some("identity", "friendly_name"),
        }
    }

    #[cfg(feature = "cwmp")]
    fn acs(&mut self) -> Acs {
        let periodic = self.seconds("acs", "periodic_interval");
        let allow_plain_http = self.flag("acs", "allow_plain_http");
        let url = self.some("acs", "url").filter(|url| {
            let allowed = allow_plain_http || !is_plain(url);
            if !allowed {
                self.fault("acs", "url", "ignored: http:// needs allow_plain_http '1'".into());
            }
            allowed
        });
        Acs {
            enable: self.flag("acs", "enable"),
            url,
            username: self.text("acs", "username"),
            password: self.secret("acs", "password"),
            periodic: self.flag("acs", "periodic_enable").then_some(periodic),
            periodic_time: self.time("acs", "periodic_time"),
            retry: Curve {
                minimum_seconds: self.u32("acs", "retry_minimum_wait"),
                multiplier: self.u32("acs", "retry_multiplier"),
            },
            session_timeout: self.seconds("acs", "session_timeout"),
            connection_request: ConnectionRequest {
                enable: self.flag("acs", "connection_request_enable"),
                port: self.u32("acs", "connection_request_port") as u16,
                path: self.some("acs", "connection_request_path"),
                username: self.text("acs", "connection_request_username"),
                password: self.secret("acs", "connection_request_password"),
                sources: self.subnets("acs", "connection_request_source"),
            },
            stun: self.stun(),
            active_notification_throttle: self.seconds("acs", "active_notification_throttle"),
            compression: match self.text("acs", "http_compression").as_str() {
                "GZIP" => Compression::Gzip,
                "Deflate" => Compression::Deflate,
                _ => Compression::Disabled,
            },
            upgrades_managed: self.flag("acs", "upgrades_managed"),
            tls: self.tls("acs"),
            allow_plain_http,
            dhcp_discovery: self.flag("acs", "dhcp_discovery"),
            dhcp_url: self.some("acs", "dhcp_url"),
            dhcp_from: match self.text("acs", "dhcp_from").as_str() {
                "ipv6" => Family::V6,
                _ => Family::V4,
            },
            network: self.network("acs"),
        }
    }

    #[cfg(feature = "cwmp")]
    fn stun(&mut self) -> Stun {
        let most = self.number("acs", "stun_max_keepalive");
        Stun {
            enable: self.flag("acs", "stun_enable"),
            server: self.some("acs", "stun_server"),
            port: self.u32("acs", "stun_port") as u16,
            username: self.text("acs", "stun_username"),
            password: self.secret("acs", "stun_password"),
            max_keepalive: u64::try_from(most).ok().map(Duration::from_secs),
            min_keepalive: self.seconds("acs", "stun_min_keepalive"),
        }
    }

    fn tls(&mut self, section: &str) -> Tls {
        let (cert, key) = (self.some(section, "client_cert"), self.some(section, "client_key"));
        if cert.is_some() != key.is_some() {
            let alone = if cert.is_some() { "client_cert" } else { "client_key" };
            self.fault(section, alone, "ignored: client_cert and client_key need each other".into());
        }
        let pins = self.text(section, "pin_sha256").to_ascii_lowercase();
        Tls {
            ca_file: self.text(section, "ca_file"),
            client: cert.zip(key),
            pins: pins.split_whitespace().map(str::to_string).collect(),
        }
    }

    fn network(&mut self, section: &str) -> Network {
        let mark = self.u32(section, "mark");
        Network {
            interface: self.text(section, "interface"),
            source_address: self.text(section, "source_address").parse().ok(),
            family: match self.text(section, "family").as_str() {
                "ipv4" => Family::V4,
                "ipv6" => Family::V6,
                _ => Family::Any,
            },
            dscp: self.u32(section, "dscp") as u8,
            mark: (mark != 0).then_some(mark),
        }
    }
}

#[cfg(feature = "cwmp")]
fn is_plain(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"))
}

#[cfg(all(test, feature = "cwmp"))]
#[path = "config/tests.rs"]
mod tests;
