//! Which options hold secrets, so that they can be masked wherever a package is shown.
//!
//! Owns the list of names. Does not decide what a manager may read: that is the data model's. Driven by whoever
//! prints a plan or captures a device.

use super::tree::{Package, Value};

/// What stands for a secret.
pub const MASK: &str = "***";

/// Ends of option names that are secrets in any package, in lower case.
const ENDINGS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "_pass",
    "_pwd",
    "secret",
    "private_key",
    "shared_key",
    "preshared_key",
    "psk",
    "token",
];

/// Options that are secrets in one package.
const NAMES: [(&str, &str); 13] = [
    ("wireless", "key"),
    ("wireless", "key1"),
    ("wireless", "key2"),
    ("wireless", "key3"),
    ("wireless", "key4"),
    ("wireless", "ap_pin"),
    ("wireless", "wps_pin"),
    ("wireless", "r0kh"),
    ("wireless", "r1kh"),
    ("wireless", "multi_ap_backhaul_key"),
    ("network", "pincode"),
    ("snmpd", "community"),
    ("cpeagent", "key"),
];

/// Whether the option of a package is a secret. `ppsk` and the like, which switch something, are none.
pub fn is_secret(package: &str, option: &str) -> bool {
    let lower = option.to_ascii_lowercase();
    let listed = NAMES.iter().any(|(of, name)| *of == package && *name == lower);
    listed || (lower != "ppsk" && ENDINGS.iter().any(|ending| lower.ends_with(ending)))
}

impl Package {
    /// Puts [`MASK`] in place of every secret, for captures of the package called `name`.
    ///
    /// Write a capture with [`Package::export`]: a comment in the original text may quote a secret too.
    pub fn mask(&mut self, name: &str) {
        let options = self.sections.iter_mut().flat_map(|section| &mut section.options);
        for option in options.filter(|option| is_secret(name, &option.name)) {
            match &mut option.value {
                Value::Text(value) => *value = MASK.into(),
                Value::List(items) => items.iter_mut().for_each(|item| *item = MASK.into()),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Mode, parse};
    use super::*;

    #[test]
    fn secrets_are_known_by_package_and_name() {
        for (package, option, secret) in [
            ("wireless", "key", true),
            ("wireless", "auth_secret", true),
            ("wireless", "acct_server_shared_secret", true),
            ("wireless", "priv_key_pwd", true),
            ("wireless", "sae_password", true),
            ("wireless", "ppsk", false),
            ("wireless", "ssid", false),
            ("wireless", "wpa_group_rekey", false),
            ("network", "password", true),
            ("network", "private_key", true),
            ("network", "preshared_key", true),
            ("network", "public_key", false),
            ("network", "pincode", true),
            ("ddns", "password", true),
            ("rpcd", "password", true),
            ("dropbear", "PasswordAuth", false),
            ("uhttpd", "key", false),
            ("cpeagent", "connection_request_password", true),
            ("cpeagent", "username", false),
        ] {
            assert_eq!(is_secret(package, option), secret, "{package}.{option}");
        }
    }

    #[test]
    fn a_capture_shows_that_there_is_a_secret_but_not_which() {
        let text =
            b"config wifi-iface w\n\toption ssid home\n\toption key abc\n\tlist r0kh a\n\tlist r0kh b\n";
        let mut package = parse(text, Mode::Strict).unwrap().package;
        package.mask("wireless");
        assert_eq!(
            String::from_utf8(package.show("wireless", false)).unwrap(),
            "wireless.w=wifi-iface\nwireless.w.ssid='home'\nwireless.w.key='***'\nwireless.w.r0kh='***' '***'\n"
        );
    }
}
