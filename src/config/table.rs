//! Every option of the UCI package `cpeagent`: its section, type, default and meaning.
//!
//! The one place where an option is declared; the reader checks values against it and `docs/SETTINGS.md` is made
//! from it ([`settings_page`]).

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
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name of its section, which is also the section's type.
    pub section: &'static str,
    /// Its name.
    pub option: &'static str,
    /// Its values.
    pub kind: Kind,
    /// The value where there is none or a wrong one.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// The sections and what they are for.
pub const SECTIONS: &[(&str, &str)] = &[
    ("agent", "The agent itself."),
    ("identity", "Who this device is. Left out, a value is taken from the board."),
    ("acs", "The ACS and the way to it (`Device.ManagementServer.`)."),
];

const fn setting(
    section: &'static str,
    option: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { section, option, kind, default, meaning }
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

    setting("identity", "manufacturer", Kind::Text(64), "", "`DeviceInfo.Manufacturer`."),
    setting("identity", "oui", Kind::Oui, "", "`DeviceInfo.ManufacturerOUI`. Must never change once the ACS knows it."),
    setting("identity", "product_class", Kind::Text(64), "", "`DeviceInfo.ProductClass`. Part of the identity too."),
    setting("identity", "serial", Kind::Text(64), "", "`DeviceInfo.SerialNumber`. Part of the identity too."),
    setting("identity", "model_name", Kind::Text(64), "", "`DeviceInfo.ModelName`."),
    setting("identity", "hardware_version", Kind::Text(64), "", "`DeviceInfo.HardwareVersion`."),
    setting("identity", "provisioning_code", Kind::Text(64), "", "`DeviceInfo.ProvisioningCode`."),
    setting("identity", "friendly_name", Kind::Text(64), "", "`DeviceInfo.FriendlyName`."),

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
    setting("acs", "interface", Kind::Text(15), "wan", "The network (section of `/etc/config/network`) that leads to the ACS."),
    setting("acs", "source_address", Kind::Address, "", "The address to talk from. Empty: the system chooses."),
    setting("acs", "family", Kind::Choice(&["any", "ipv4", "ipv6"]), "any", "The address families to use."),
    setting("acs", "dscp", Kind::Number(0, 63), "0", "The DSCP of what is sent to the ACS."),
    setting("acs", "mark", Kind::Number(0, U32), "0", "The routing mark (`SO_MARK`) of it; 0 for none."),

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
            Kind::Secret(max) => format!("secret, up to {max} characters"),
            Kind::Url => "URL".into(),
            Kind::File => "absolute path".into(),
            Kind::Time => "date and time".into(),
            Kind::Address => "IP address".into(),
            Kind::Oui => "6 hexadecimal digits".into(),
            Kind::Digests => "list of up to 8 times 64 hexadecimal digits".into(),
        }
    }
}

/// The page `docs/SETTINGS.md`.
pub fn settings_page() -> String {
    let mut page = String::from(
        "# Settings\n\nThe UCI package `cpeagent` (`/etc/config/cpeagent`). Every section bears its type as its name, as in\n\
         `config acs 'acs'`. A value that is not allowed is logged with its section and option, and the default is\n\
         used. An option left out or empty has its default. Changes take effect at once, without a restart.\n\n\
         This page is made from the table in `src/config/table.rs`.\n",
    );
    for (section, about) in SECTIONS {
        let _ = write!(
            page,
            "\n## {section}\n\n{about}\n\n| Option | Values | Default | Meaning |\n|---|---|---|---|\n"
        );
        for setting in SETTINGS.iter().filter(|setting| setting.section == *section) {
            let default = if setting.default.is_empty() { "" } else { &format!("`{}`", setting.default) };
            let (option, values, meaning) = (setting.option, setting.kind.words(), setting.meaning);
            let _ = writeln!(page, "| `{option}` | {values} | {default} | {meaning} |");
        }
    }
    page
}
