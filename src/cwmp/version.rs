//! The versions of CWMP and the three namespaces they share.

use std::fmt;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TR-069 Amendment 1.
    V1_0,
    /// Amendment 2: autonomous transfers.
    V1_1,
    /// Amendment 3: software modules.
    V1_2,
    /// Amendment 4: the SessionTimeout header.
    V1_3,
    /// Amendment 5 and 6: versions agreed by header.
    V1_4,
}

/// What the Inform lists in its SupportedCWMPVersions header.
pub const SUPPORTED: &str = "1.0,1.1,1.2,1.3,1.4";

/// The newest version spoken, with which every first attempt begins.
pub const NEWEST: Version = Version::V1_4;

const ALL: [(Version, &str); 5] = [
    (Version::V1_0, "1.0"),
    (Version::V1_1, "1.1"),
    (Version::V1_2, "1.2"),
    (Version::V1_3, "1.3"),
    (Version::V1_4, "1.4"),
];

impl Version {
    /// The namespace its messages are in.
    //= TR-069 3.7.2.1: 1.2, 1.3 and 1.4 share one namespace, so a header and not the URI tells them apart.
    pub const fn namespace(self) -> &'static str {
        match self {
            Version::V1_0 => "urn:dslforum-org:cwmp-1-0",
            Version::V1_1 => "urn:dslforum-org:cwmp-1-1",
            Version::V1_2 | Version::V1_3 | Version::V1_4 => "urn:dslforum-org:cwmp-1-2",
        }
    }

    /// The version a namespace stands for: its lowest. `None` if it is not one of CWMP.
    ///
    /// The URIs ending in `1-3` and `1-4` do not exist in the standard, but some servers use them.
    pub fn of_namespace(uri: &str) -> Option<Version> {
        let minor = uri.strip_prefix("urn:dslforum-org:cwmp-1-")?;
        ALL.iter().find(|(_, name)| name.strip_prefix("1.") == Some(minor)).map(|(version, _)| *version)
    }

    /// Reads `1.4` as UseCWMPVersion has it. `None` for a version not spoken.
    pub fn parse(text: &str) -> Option<Version> {
        ALL.iter().find(|(_, name)| *name == text.trim()).map(|(version, _)| *version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALL.iter().find(|(version, _)| version == self).map_or("", |(_, name)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-069 3.7.2.1
    #[test]
    fn the_supported_list_names_each_version_and_each_has_one_of_three_namespaces() {
        let listed: Vec<Version> = SUPPORTED.split(',').filter_map(Version::parse).collect();
        assert_eq!(listed, ALL.map(|(version, _)| version));
        for version in listed {
            let back = Version::of_namespace(version.namespace()).expect("a namespace of ours");
            assert_eq!(back, version.min(Version::V1_2));
            assert_eq!(Version::parse(&version.to_string()), Some(version));
        }
        for foreign in
            ["urn:dslforum-org:cwmp-1-5", "urn:dslforum-org:cwmp-1-", "urn:dslforum-org:cwmp-2-0", ""]
        {
            assert_eq!(Version::of_namespace(foreign), None, "{foreign}");
        }
        assert_eq!(Version::parse("1.5"), None);
    }
}
