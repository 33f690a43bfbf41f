//! Every option of the UCI package `cpeagent`: its section, type, default and meaning.
//!
//! The one place where an option is declared; the reader checks values against it and `docs/SETTINGS.md` is made
//! from it (`settings_page`); what stands on that page alone is not in a router's program.

use crate::audit;
#[cfg(feature = "bench")]
use std::fmt::Write;

/// What values an option may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `1 on true yes enabled`, `0 off false no disabled`.
    Flag,
    /// A whole number within these bounds; hexadecimal with `0x`.
    Number(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A text up to this many characters, without control characters.
    Text(usize),
    /// A topic of MQTT that something is published at: a text up to this many characters without wildcards (MQTT 5.0 4.7.1).
    Topic(usize),
    /// As a text, and never shown.
    Secret(usize),
    /// `http://` or `https://` with a host, up to 256 characters.
    Url,
    /// An absolute path.
    File,
    /// A date and time.
    Time,
    /// An IPv4 or IPv6 address.
    Address,
    /// Six hexadecimal digits.
    Oui,
    /// A list of SHA-256 digests, 64 hexadecimal digits each, at most 8.
    Digests,
    /// A list of names of sections, or of words.
    Names,
    /// A list of paths of the data model, as permissions know them.
    Paths,
    /// A list of addresses and networks.
    Subnets,
    /// `rwxn`, with `-` for a letter that is not given.
    Letters,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The type of its section.
    pub section: &'static str,
    /// Its name.
    pub option: &'static str,
    /// Its values.
    pub kind: Kind,
    /// The value where there is none or a wrong one.
    pub default: &'static str,
    /// What it does.
    #[cfg(feature = "bench")]
    pub meaning: &'static str,
}

/// A type of sections.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The type.
    pub kind: &'static str,
    /// Whether there may be any number, with any names; else there is one, named as its type.
    pub many: bool,
    /// What it is for.
    #[cfg(feature = "bench")]
    pub about: &'static str,
}

const fn one(kind: &'static str, about: &'static str) -> Section {
    section(kind, false, about)
}

const fn many(kind: &'static str, about: &'static str) -> Section {
    section(kind, true, about)
}

#[cfg_attr(not(feature = "bench"), expect(unused_variables, reason = "for the page alone"))]
const fn section(kind: &'static str, many: bool, about: &'static str) -> Section {
    Section {
        kind,
        many,
        #[cfg(feature = "bench")]
        about,
    }
}

/// The types of sections and what they are for.
#[rustfmt::skip]
pub const SECTIONS: &[Section] = &[
    one("agent", "The agent itself."),
    one("identity", "Who this device is. Left out, a value is taken from the board."),
    one("acs", "The ACS and the way to it (`Device.ManagementServer.`)."),
    one("usp", "USP: this device as an agent of TR-369 (`Device.LocalAgent.`)."),
    many("controller", "A controller (`Device.LocalAgent.Controller.{i}.`)."),
    many("controller_mtp", "A way to a controller (`Device.LocalAgent.Controller.{i}.MTP.{i}.`)."),
    many("boot_parameter", "What a controller is told in `Boot!` (`Device.LocalAgent.Controller.{i}.BootParameter.{i}.`)."),
    many("mtp", "A way on which controllers reach this device (`Device.LocalAgent.MTP.{i}.`)."),
    many("mqtt", "A connection to a broker (`Device.MQTT.Client.{i}.`)."),
    many("mqtt_subscription", "A topic asked for at a broker (`Device.MQTT.Client.{i}.Subscription.{i}.`)."),
    many("mqtt_user_property", "What is said to a broker of 5.0 with packets (`Device.MQTT.Client.{i}.UserProperty.{i}.`)."),
    many("role", "What controllers may be (`Device.LocalAgent.ControllerTrust.Role.{i}.`)."),
    many("permission", "What a role may do (`Device.LocalAgent.ControllerTrust.Role.{i}.Permission.{i}.`)."),
    many("certificate", "A certificate that is known (`Device.LocalAgent.Certificate.{i}.`)."),
    many("credential", "Who is trusted by a certificate (`Device.LocalAgent.ControllerTrust.Credential.{i}.`)."),
    many("challenge", "How a controller gets a role by a secret (`Device.LocalAgent.ControllerTrust.Challenge.{i}.`)."),
];

#[cfg_attr(not(feature = "bench"), expect(unused_variables, reason = "for the page alone"))]
const fn setting(
    section: &'static str,
    option: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        section,
        option,
        kind,
        default,
        #[cfg(feature = "bench")]
        meaning,
    }
}

const U32: i64 = u32::MAX as i64;

/// Every option, section by section.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting("agent", "log_level", Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info",
        "The least important messages that are logged."),
    setting("agent", "empty_secret_write", Kind::Choice(&["ignore", "clear"]), "ignore",
        "What an empty value written to a password does. Secrets read as empty, so whoever writes back what he \
         read would clear them."),
    setting("agent", "sampling_period", Kind::Number(1, 3_600), "30",
        "Seconds between looks at values that announce no change, while somebody watches them."),
    setting("agent", "guard", Kind::Flag, "1",
        "Whether a change by a manager that cuts the way to him is undone: network, routes, uplink Wi-Fi, zone, resolver, and \
         what is set here of him."),
    setting("agent", "guard_timeout", Kind::Number(60, 86_400), "300",
        "Seconds without the manager, and without the link, the next router or a name server that was there before, after \
         which it is."),
    setting("agent", "firewall", Kind::Flag, "1",
        "Whether the firewall is opened for the ports of connection requests and of controllers, while they are open and for who may \
         come there alone."),
    setting("agent", "audit", Kind::Choice(&["memory", "flash"]), "memory",
        "Where changes that managers ask for are recorded: `/var/log/cpeagent.audit`, gone after a boot, or `/etc/cpeagent/audit`."),
    setting("agent", "audit_size", Kind::Number(0, audit::MAX_KIB as i64), "64",
        "The most KiB of that file, 16 at least, and of the one before it; 0 for no record."),

    setting("identity", "manufacturer", Kind::Text(64), "", "`DeviceInfo.Manufacturer`."),
    setting("identity", "oui", Kind::Oui, "", "`DeviceInfo.ManufacturerOUI`. Must never change once the ACS knows it."),
    setting("identity", "product_class", Kind::Text(64), "", "`DeviceInfo.ProductClass`. Part of the identity too."),
    setting("identity", "serial", Kind::Text(64), "", "`DeviceInfo.SerialNumber`. Part of the identity too."),
    setting("identity", "model_name", Kind::Text(64), "", "`DeviceInfo.ModelName`."),
    setting("identity", "hardware_version", Kind::Text(64), "", "`DeviceInfo.HardwareVersion`."),
    setting("identity", "provisioning_code", Kind::Text(64), "", "`DeviceInfo.ProvisioningCode`."),
    setting("identity", "friendly_name", Kind::Text(32), "", "`DeviceInfo.FriendlyName`."),

    setting("acs", "enable", Kind::Flag, "1", "Whether there are sessions with an ACS at all."),
    setting("acs", "url", Kind::Url, "", "The ACS. Empty: there are no sessions."),
    setting("acs", "username", Kind::Text(256), "", "The name this device gives to the ACS."),
    setting("acs", "password", Kind::Secret(256), "", "Its password."),
    setting("acs", "periodic_enable", Kind::Flag, "1", "Whether there is a session every `periodic_interval`."),
    setting("acs", "periodic_interval", Kind::Number(1, U32), "86400", "Seconds between periodic sessions."),
    setting("acs", "periodic_time", Kind::Time, "0001-01-01T00:00:00Z",
        "A moment that periodic sessions are counted from; the default lets the device choose."),
    setting("acs", "retry_minimum_wait", Kind::Number(1, 65_535), "5", "Seconds, lower end of the wait after a failed session."),
    setting("acs", "retry_multiplier", Kind::Number(1_000, 65_535), "2000",
        "How that wait grows with each failure, in thousandths."),
    setting("acs", "session_timeout", Kind::Number(10, 3_600), "60", "Seconds to wait for an answer of the ACS."),
    setting("acs", "connection_request_enable", Kind::Flag, "1", "Whether the ACS can ask for a session over HTTP."),
    setting("acs", "connection_request_port", Kind::Number(1, 65_535), "7547", "The TCP port for that."),
    setting("acs", "connection_request_source", Kind::Subnets, "",
        "From where the firewall lets them through. Empty: from the addresses that the name of the ACS has."),
    setting("acs", "connection_request_path", Kind::Text(128), "",
        "The path in the connection request URL. Empty: one that nobody can guess."),
    setting("acs", "connection_request_username", Kind::Text(256), "", "The name the ACS gives then."),
    setting("acs", "connection_request_password", Kind::Secret(256), "", "Its password. Without one, requests are refused."),
    setting("acs", "stun_enable", Kind::Flag, "0", "Whether the ACS can ask over UDP through a NAT."),
    setting("acs", "stun_server", Kind::Text(256), "", "The STUN server. Empty: the host of the ACS."),
    setting("acs", "stun_port", Kind::Number(0, 65_535), "3478", "Its UDP port."),
    setting("acs", "stun_username", Kind::Text(256), "", "The name given to it."),
    setting("acs", "stun_password", Kind::Secret(256), "", "Its password."),
    setting("acs", "stun_max_keepalive", Kind::Number(-1, U32), "-1", "The most seconds between bindings; -1 for no bound."),
    setting("acs", "stun_min_keepalive", Kind::Number(0, U32), "30", "The least seconds between bindings."),
    setting("acs", "active_notification_throttle", Kind::Number(0, U32), "0",
        "The least seconds between sessions because of active notifications."),
    setting("acs", "http_compression", Kind::Choice(&["Disabled", "GZIP", "Deflate"]), "Disabled",
        "How requests to the ACS are compressed."),
    setting("acs", "upgrades_managed", Kind::Flag, "0", "Whether the ACS alone upgrades the firmware."),
    setting("acs", "ca_file", Kind::File, "/etc/ssl/certs/ca-certificates.crt",
        "The certificates, in PEM, that the certificate of the ACS must lead to."),
    setting("acs", "client_cert", Kind::File, "", "The certificate, in PEM, that this device shows. Needs `client_key`."),
    setting("acs", "client_key", Kind::File, "", "Its private key, in PEM."),
    setting("acs", "pin_sha256", Kind::Digests, "",
        "If any: the key (SubjectPublicKeyInfo) of the ACS must have one of these SHA-256 digests."),
    setting("acs", "allow_plain_http", Kind::Flag, "0", "Whether `url` may be `http://`. Anyone on the way can then take over."),
    setting("acs", "dhcp_discovery", Kind::Flag, "0",
        "Whether `url` may come from DHCP where none is set. Whoever answers DHCP first then names the ACS."),
    setting("acs", "dhcp_url", Kind::Url, "", "What DHCP told last; written by the agent. While `url` is the same, DHCP may change it."),
    setting("acs", "dhcp_from", Kind::Choice(&["ipv4", "ipv6"]), "ipv4", "Which DHCP told it; written by the agent."),
    setting("acs", "interface", Kind::Text(15), "wan", "The network (section of `/etc/config/network`) that leads to the ACS."),
    setting("acs", "source_address", Kind::Address, "", "The address to talk from. Empty: the system chooses."),
    setting("acs", "family", Kind::Choice(&["any", "ipv4", "ipv6"]), "any", "The address families to use."),
    setting("acs", "dscp", Kind::Number(0, 63), "0", "The DSCP of what is sent to the ACS."),
    setting("acs", "mark", Kind::Number(0, U32), "0", "The routing mark (`SO_MARK`) of it; 0 for none."),

    setting("usp", "enable", Kind::Flag, "1", "Whether there are links to controllers at all."),
    setting("usp", "endpoint_id", Kind::Text(128), "",
        "The endpoint id of this device. Empty: `os::OUI-SerialNumber`. Must never change once a controller knows it."),
    setting("usp", "device_subtype", Kind::Names, "", "Subtypes that discovery advertises."),
    setting("usp", "adoption_time", Kind::Number(5, U32), "10", "The most seconds until a changed subscription counts."),
    setting("usp", "untrusted_role", Kind::Text(64), "", "The role of a controller that no other is given to. Empty: it may do nothing."),
    setting("usp", "banned_role", Kind::Text(64), "", "The role of a controller whose certificate is revoked."),
    setting("usp", "secured_role", Kind::Names, "", "Roles that are shown passwords and keys."),
    setting("usp", "trust_on_first_use", Kind::Flag, "0",
        "Whether a controller with a certificate that nobody vouches for is taken up, with the untrusted role."),
    setting("usp", "trust_inactivity", Kind::Number(0, U32), "0",
        "Seconds after which such a controller is cut off if it says nothing; 0 for never."),
    setting("usp", "dhcp_discovery", Kind::Flag, "0", "Whether a controller may come from DHCP, as section `dhcp_controller`."),
    setting("usp", "dhcp_role", Kind::Names, "", "The roles of that one. Empty: those of whoever has no other."),
    setting("usp", "ca_file", Kind::File, "/etc/ssl/certs/ca-certificates.crt",
        "The certificates, in PEM, that the certificates of controllers and brokers may lead to, besides credentials."),
    setting("usp", "client_cert", Kind::File, "", "The certificate, in PEM, that this device shows. Needs `client_key`."),
    setting("usp", "client_key", Kind::File, "", "Its private key, in PEM."),
    setting("usp", "interface", Kind::Text(15), "wan", "The network (section of `/etc/config/network`) that leads to the controllers."),
    setting("usp", "source_address", Kind::Address, "", "The address to talk from. Empty: the system chooses."),
    setting("usp", "family", Kind::Choice(&["any", "ipv4", "ipv6"]), "any", "The address families to use."),
    setting("usp", "dscp", Kind::Number(0, 63), "0", "The DSCP of what is sent to controllers."),
    setting("usp", "mark", Kind::Number(0, U32), "0", "The routing mark (`SO_MARK`) of it; 0 for none."),

    setting("controller", "enable", Kind::Flag, "0", "Whether it may do anything."),
    setting("controller", "endpoint_id", Kind::Text(128), "", "Its endpoint id."),
    setting("controller", "role", Kind::Names, "", "Its roles."),
    setting("controller", "certificate", Kind::Names, "", "The certificates that are known to be its own."),
    setting("controller", "first_use", Kind::Flag, "0", "Whether it came by itself and was taken up; written by the agent."),
    setting("controller", "controller_code", Kind::Text(128), "", "A text of its own."),
    setting("controller", "provisioning_code", Kind::Text(64), "", "The provisioning code it gave."),
    setting("controller", "periodic_interval", Kind::Number(1, U32), "86400", "Seconds between its `Periodic!` events."),
    setting("controller", "periodic_time", Kind::Time, "0001-01-01T00:00:00Z",
        "A moment that they are counted from; the default lets the device choose."),
    setting("controller", "retry_minimum_wait", Kind::Number(1, 65_535), "5",
        "Seconds, lower end of the wait after a notification that was not answered."),
    setting("controller", "retry_multiplier", Kind::Number(1_000, 65_535), "2000",
        "How that wait grows with each failure, in thousandths."),
    setting("controller", "onboarding_complete", Kind::Flag, "0", "Whether it has taken up this device; until then it is asked to."),
    setting("controller", "onboarding_restart", Kind::Number(0, U32), "0", "Seconds after which it is asked again; 0 for never."),
    setting("controller", "transfer_results", Kind::Choice(&["Success", "Failure", "Both"]), "Both",
        "Of which transfers it is told the end."),

    setting("controller_mtp", "controller", Kind::Text(64), "", "Its controller."),
    setting("controller_mtp", "enable", Kind::Flag, "0", "Whether it is used."),
    setting("controller_mtp", "order", Kind::Number(1, U32), "1", "Lower ones are tried first."),
    setting("controller_mtp", "protocol", Kind::Choice(&["WebSocket", "MQTT"]), "WebSocket", "How it is reached."),
    setting("controller_mtp", "host", Kind::Text(256), "", "WebSocket: its name or address."),
    setting("controller_mtp", "port", Kind::Number(1, 65_535), "443", "WebSocket: its TCP port."),
    setting("controller_mtp", "path", Kind::Text(256), "", "WebSocket: the path in its URL."),
    //= TR-369 R-MTP.0: what goes over networks is secured, unless somebody who knows better says otherwise.
    setting("controller_mtp", "encryption", Kind::Flag, "1", "WebSocket: TLS. Without, anyone on the way can take over."),
    setting("controller_mtp", "keepalive", Kind::Number(1, U32), "60", "WebSocket: seconds between pings."),
    setting("controller_mtp", "retry_minimum_wait", Kind::Number(1, 65_535), "5",
        "WebSocket: seconds, lower end of the wait after a session failed."),
    setting("controller_mtp", "retry_multiplier", Kind::Number(1_000, 65_535), "2000",
        "WebSocket: how that wait grows with each failure, in thousandths."),
    setting("controller_mtp", "pin_sha256", Kind::Digests, "",
        "If any: the key (SubjectPublicKeyInfo) of the controller must have one of these SHA-256 digests."),
    setting("controller_mtp", "mtp", Kind::Text(64), "", "MQTT: the section `mtp` of this device that it is reached through."),
    setting("controller_mtp", "topic", Kind::Topic(1_024), "", "MQTT: the topic at which it listens."),
    setting("controller_mtp", "retain_response", Kind::Flag, "0", "MQTT: whether the broker keeps answers to it."),
    setting("controller_mtp", "retain_notify", Kind::Flag, "0", "MQTT: whether the broker keeps notifications to it."),

    setting("boot_parameter", "controller", Kind::Text(64), "", "Its controller."),
    setting("boot_parameter", "enable", Kind::Flag, "0", "Whether it is told."),
    setting("boot_parameter", "parameter", Kind::Text(256), "", "The path of the parameter, or a search."),

    setting("mtp", "enable", Kind::Flag, "0", "Whether it is used."),
    setting("mtp", "protocol", Kind::Choice(&["WebSocket", "MQTT"]), "WebSocket", "How this device is reached."),
    setting("mtp", "port", Kind::Number(1, 65_535), "8443", "WebSocket: the TCP port that controllers connect to."),
    setting("mtp", "path", Kind::Text(256), "", "WebSocket: the path in the URL."),
    setting("mtp", "encryption", Kind::Flag, "1", "WebSocket: TLS, with `usp.client_cert`. Without, anyone on the way can take over."),
    setting("mtp", "keepalive", Kind::Number(1, U32), "60", "WebSocket: seconds between pings."),
    setting("mtp", "interface", Kind::Names, "", "WebSocket: the networks to listen on. Empty: all."),
    setting("mtp", "source", Kind::Subnets, "", "WebSocket: from where the firewall lets controllers through. Empty: it is not opened for them."),
    setting("mtp", "mqtt", Kind::Text(64), "", "MQTT: the section `mqtt` of the broker."),
    setting("mtp", "response_topic", Kind::Topic(1_024), "", "MQTT: the topic at which this device listens, where the broker tells none."),
    setting("mtp", "publish_qos", Kind::Number(0, 2), "1", "MQTT: the quality of service of what is sent."),

    setting("mqtt", "name", Kind::Text(64), "", "A name. Empty: that of the section."),
    setting("mqtt", "enable", Kind::Flag, "0", "Whether there is a connection."),
    setting("mqtt", "broker", Kind::Text(256), "", "The broker's name or address."),
    setting("mqtt", "port", Kind::Number(1, 65_535), "1883", "Its TCP port."),
    setting("mqtt", "transport", Kind::Choice(&["TCP/IP", "TLS"]), "TCP/IP", "TLS or none. Without, anyone on the way can take over."),
    setting("mqtt", "version", Kind::Choice(&["3.1.1", "5.0"]), "5.0", "The version of MQTT."),
    setting("mqtt", "client_id", Kind::Text(256), "", "The client id. Empty: one that the broker chooses, which is then kept here."),
    setting("mqtt", "username", Kind::Text(256), "", "The name given to the broker."),
    setting("mqtt", "password", Kind::Secret(256), "", "Its password."),
    setting("mqtt", "keepalive", Kind::Number(0, 65_535), "60", "Seconds of silence after which the broker is pinged; 0 for never."),
    setting("mqtt", "clean_session", Kind::Flag, "1", "3.1.1: whether the broker forgets an earlier session."),
    setting("mqtt", "clean_start", Kind::Flag, "1", "5.0: whether the broker forgets an earlier session."),
    setting("mqtt", "session_expiry", Kind::Number(0, U32), "0", "5.0: seconds that the broker keeps a session."),
    setting("mqtt", "receive_maximum", Kind::Number(1, 64), "8",
        "5.0: messages with QoS 1 that the broker may have under way to this device at a time. As many can wait in memory while a \
         session is taken up again."),
    setting("mqtt", "maximum_packet", Kind::Number(1_024, crate::mqtt::MAX_PACKET as i64), "278528",
        "5.0: octets of the longest packet that the broker may send; it leaves out messages that are longer. One that sends them all the \
         same is left."),
    setting("mqtt", "topic_aliases", Kind::Number(0, 32), "0", "5.0: how many topic aliases the broker may use."),
    setting("mqtt", "response_info", Kind::Flag, "1",
        "5.0: whether the broker is asked for the topic at which this device is answered (Response Information)."),
    setting("mqtt", "problem_info", Kind::Flag, "1", "5.0: whether the broker may say in words why it refuses something."),
    setting("mqtt", "publish_expiry", Kind::Number(0, U32), "0",
        "5.0: seconds that the broker may keep what is sent for somebody who is away; 0 for ever."),
    setting("mqtt", "retry_time", Kind::Number(1, U32), "5", "Seconds, lower end of the wait after a connection failed."),
    setting("mqtt", "retry_multiplier", Kind::Number(1_000, 65_535), "2000",
        "How that wait grows with each failure, in thousandths."),
    setting("mqtt", "retry_max", Kind::Number(1, U32), "30720", "The most seconds of that wait."),
    setting("mqtt", "message_retry", Kind::Number(1, U32), "5",
        "Kept for controllers; MQTT sends again at a new connection only."),
    setting("mqtt", "will_enable", Kind::Flag, "0", "Whether the broker publishes something when this device is lost."),
    setting("mqtt", "will_topic", Kind::Topic(1_024), "", "At this topic."),
    setting("mqtt", "will_value", Kind::Text(1_024), "", "What."),
    setting("mqtt", "will_qos", Kind::Number(0, 2), "0", "With this quality of service."),
    setting("mqtt", "will_retain", Kind::Flag, "0", "Whether the broker keeps it."),
    setting("mqtt", "will_delay", Kind::Number(0, U32), "5", "5.0: seconds until then."),
    setting("mqtt", "will_expiry", Kind::Number(0, U32), "0", "5.0: seconds that the broker may keep it from then on; 0 for ever."),
    setting("mqtt", "will_content_type", Kind::Text(256), "", "5.0: its content type. Empty: none."),
    setting("mqtt", "will_response_topic", Kind::Topic(1_024), "", "5.0: the topic for answers to it. Empty: none."),
    setting("mqtt", "interface", Kind::Text(15), "", "The network that leads to the broker. Empty: that of section `usp`."),
    setting("mqtt", "pin_sha256", Kind::Digests, "",
        "If any: the key (SubjectPublicKeyInfo) of the broker must have one of these SHA-256 digests."),
    setting("mqtt", "alpn", Kind::Names, "", "The protocols that the broker is offered in the TLS handshake (ALPN), such as `mqtt`."),

    setting("mqtt_subscription", "mqtt", Kind::Text(64), "", "Its section `mqtt`."),
    setting("mqtt_subscription", "enable", Kind::Flag, "0", "Whether it is asked for."),
    setting("mqtt_subscription", "topic", Kind::Text(1_024), "", "The topic or filter."),
    setting("mqtt_subscription", "qos", Kind::Number(0, 2), "0", "The highest quality of service wanted."),

    setting("mqtt_user_property", "mqtt", Kind::Text(64), "", "Its section `mqtt`."),
    setting("mqtt_user_property", "enable", Kind::Flag, "0", "Whether it is said."),
    setting("mqtt_user_property", "name", Kind::Text(256), "", "The name."),
    setting("mqtt_user_property", "value", Kind::Text(256), "", "The value."),
    setting("mqtt_user_property", "packet",
        Kind::Choice(&["AUTH", "CONNECT", "DISCONNECT", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "UNSUBSCRIBE", "WILL"]),
        "", "A list: the packets it goes with. `WILL` is what the broker publishes when this device is lost; `AUTH`, `PUBREC`, `PUBREL` and `PUBCOMP` are never sent."),

    setting("role", "enable", Kind::Flag, "0", "Whether it gives anything."),
    setting("role", "name", Kind::Text(64), "", "A name. Empty: that of the section."),

    setting("permission", "role", Kind::Text(64), "", "Its role."),
    setting("permission", "enable", Kind::Flag, "0", "Whether it counts."),
    setting("permission", "order", Kind::Number(0, U32), "0", "Of those of a role that cover something, the one with the largest order decides."),
    setting("permission", "target", Kind::Paths, "", "What it covers: paths, each with all below it; `*` and searches for rows."),
    setting("permission", "param", Kind::Letters, "----", "Parameters: `r` read, `w` write, `n` be told of changes."),
    setting("permission", "object", Kind::Letters, "----", "Objects: `r` see, `w` add rows, `n` be told of new rows."),
    setting("permission", "instance", Kind::Letters, "----", "Rows: `r` see, `w` delete, `n` be told of deletion."),
    setting("permission", "command", Kind::Letters, "----", "Commands and events: `r` see, `x` execute, `n` be told of."),

    setting("certificate", "enable", Kind::Flag, "0", "Whether it counts."),
    setting("certificate", "file", Kind::File, "", "The certificate, in PEM."),
    setting("certificate", "der", Kind::Text(4_096), "", "The certificate itself, DER in base64, instead of a file; so controllers add them."),

    setting("credential", "enable", Kind::Flag, "0", "Whether it counts."),
    setting("credential", "certificate", Kind::Text(64), "", "The section `certificate`: of a controller, a broker or who signed theirs."),
    setting("credential", "role", Kind::Names, "", "The roles of whoever it vouches for."),
    setting("credential", "uses", Kind::Choice(&["MTP-only", "MTP-and-USP", "MTP-and-broker"]), "MTP-only",
        "For links only; for the roles too; or as that of a trusted broker."),

    setting("challenge", "enable", Kind::Flag, "0", "Whether it can be taken."),
    setting("challenge", "description", Kind::Text(256), "", "What it is for."),
    setting("challenge", "role", Kind::Names, "", "The roles it gives."),
    setting("challenge", "value", Kind::Secret(1_024), "", "The answer wanted, in base64. Empty: it cannot be passed."),
    setting("challenge", "value_type", Kind::Choice(&["text/plain", "image/jpeg"]), "text/plain", "What the answer is."),
    setting("challenge", "instruction", Kind::Text(4_096), "", "What is shown to whoever takes it, in base64."),
    setting("challenge", "instruction_type", Kind::Choice(&["text/plain", "image/jpeg", "text/html"]), "text/plain", "What that is."),
    setting("challenge", "retries", Kind::Number(0, 100), "3", "So many wrong answers in a row, by whomever, close it."),
    setting("challenge", "lockout", Kind::Number(0, 2_147_483_647), "30", "Seconds for which it is closed then; 0: it never is, and can be guessed at without end."),
];

impl Kind {
    /// What may be written, in words.
    pub fn words(self) -> String {
        match self {
            Kind::Flag => "`0` or `1`".into(),
            Kind::Number(low, high) => format!("{low} to {high}"),
            Kind::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Kind::Text(max) => format!("up to {max} characters"),
            Kind::Topic(max) => format!("topic, up to {max} characters, none of them `+` or `#`"),
            Kind::Secret(max) => format!("secret, up to {max} characters"),
            Kind::Url => "URL".into(),
            Kind::File => "absolute path".into(),
            Kind::Time => "date and time".into(),
            Kind::Address => "IP address".into(),
            Kind::Oui => "6 hexadecimal digits".into(),
            Kind::Digests => "list of up to 8 times 64 hexadecimal digits".into(),
            Kind::Names => "list of names".into(),
            Kind::Paths => "list of paths".into(),
            Kind::Subnets => "list of IP addresses or networks, as `192.0.2.0/24`".into(),
            Kind::Letters => "`rwxn`, `-` for what is not given".into(),
        }
    }
}

/// The page `docs/SETTINGS.md`.
#[cfg(feature = "bench")]
pub fn settings_page() -> String {
    let mut page = String::from(
        "# Settings\n\nThe UCI package `cpeagent` (`/etc/config/cpeagent`). A section bears its type as its name, as in\n\
         `config acs 'acs'`; where there may be any number of sections, they have names of their own. A value that is not\n\
         allowed is logged with its section and option, and the default is used. An option left out or empty has its\n\
         default. Changes take effect at once, without a restart.\n\n\
         This page is made from the table in `src/config/table.rs`.\n",
    );
    for section in SECTIONS {
        let (kind, about) = (section.kind, section.about);
        let number = if section.many { " Any number of sections." } else { "" };
        let _ = write!(
            page,
            "\n## {kind}\n\n{about}{number}\n\n| Option | Values | Default | Meaning |\n|---|---|---|---|\n"
        );
        for setting in SETTINGS.iter().filter(|setting| setting.section == kind) {
            let default = if setting.default.is_empty() { "" } else { &format!("`{}`", setting.default) };
            let (option, values, meaning) = (setting.option, setting.kind.words(), setting.meaning);
            let _ = writeln!(page, "| `{option}` | {values} | {default} | {meaning} |");
        }
    }
    page
}
