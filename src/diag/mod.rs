//! Diagnostics: what is asked of each, and what its results are called.
//!
//! Pure: arguments in, a [`Task`] out; what was measured in, a [`Verdict`] out. Packets are written and read here, sockets
//! are `io`'s. Knows no protocol: one shows a verdict as parameters of an object, the other sends it as results of a command.

pub mod dns;
pub mod icmp;
pub mod lookup;
pub mod neighbours;
pub mod ping;
pub mod route;
pub mod transfer;

use crate::dm::schema::Arguments;
use crate::way::Family;
use std::time::Duration;

/// Longest a diagnostic may take; then it ends with what it has.
pub const MAX_TIME: Duration = Duration::from_secs(600);
/// Most repetitions of one diagnostic.
pub const MAX_REPETITIONS: u32 = 1_000;
/// Longest wait for one answer.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// `DiagnosticsState` and `Status` of one that went through.
pub const COMPLETE: &str = "Complete";
/// The name of a host is not known.
pub const NO_NAME: &str = "Error_CannotResolveHostName";
/// No way to the host.
pub const NO_ROUTE: &str = "Error_NoRouteToHost";
/// Something in the device.
pub const INTERNAL: &str = "Error_Internal";
/// Anything else, such as arguments it cannot be run with.
pub const OTHER: &str = "Error_Other";

/// A kind of diagnostic; one of a kind runs at a time for the ACS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// IPPing.
    Ping,
    /// TraceRoute.
    Route,
    /// NSLookupDiagnostics.
    Lookup,
    /// DownloadDiagnostics.
    Download,
    /// UploadDiagnostics.
    Upload,
    /// NeighboringWiFiDiagnostic.
    Neighbours,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 6] =
        [Kind::Ping, Kind::Route, Kind::Lookup, Kind::Download, Kind::Upload, Kind::Neighbours];

    /// Its name in mapping files: of the section that keeps its arguments and of the command behind `agent`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Ping => "ip_ping",
            Kind::Route => "trace_route",
            Kind::Lookup => "name_lookup",
            Kind::Download => "download_test",
            Kind::Upload => "upload_test",
            Kind::Neighbours => "wifi_scan",
        }
    }

    /// The object of its parameters.
    pub const fn object(self) -> &'static str {
        match self {
            Kind::Ping => "Device.IP.Diagnostics.IPPing.",
            Kind::Route => "Device.IP.Diagnostics.TraceRoute.",
            Kind::Lookup => "Device.DNS.Diagnostics.NSLookupDiagnostics.",
            Kind::Download => "Device.IP.Diagnostics.DownloadDiagnostics.",
            Kind::Upload => "Device.IP.Diagnostics.UploadDiagnostics.",
            Kind::Neighbours => "Device.WiFi.NeighboringWiFiDiagnostic.",
        }
    }

    /// The parameters that are its arguments.
    pub const fn inputs(self) -> &'static [&'static str] {
        match self {
            Kind::Ping => &[
                "Interface",
                "ProtocolVersion",
                "Host",
                "NumberOfRepetitions",
                "Timeout",
                "DataBlockSize",
                "DSCP",
            ],
            Kind::Route => &[
                "Interface",
                "ProtocolVersion",
                "Host",
                "NumberOfTries",
                "Timeout",
                "DataBlockSize",
                "DSCP",
                "MaxHopCount",
            ],
            Kind::Lookup => &["Interface", "HostName", "DNSServer", "Timeout", "NumberOfRepetitions"],
            Kind::Download => &[
                "Interface",
                "DownloadURL",
                "DSCP",
                "EthernetPriority",
                "ProtocolVersion",
                "NumberOfConnections",
            ],
            Kind::Upload => &[
                "Interface",
                "UploadURL",
                "DSCP",
                "EthernetPriority",
                "ProtocolVersion",
                "NumberOfConnections",
                "TestFileLength",
            ],
            Kind::Neighbours => &[],
        }
    }

    /// Its word for a failure that has no word of its own.
    //= TR-181 WiFi.NeighboringWiFiDiagnostic: DiagnosticsState and Status know one word for all errors.
    pub const fn failed(self) -> &'static str {
        match self {
            Kind::Ping | Kind::Route | Kind::Lookup | Kind::Download | Kind::Upload => OTHER,
            Kind::Neighbours => "Error",
        }
    }

    /// The kind of a name in mapping files.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind that a parameter belongs to, and its name there.
    pub fn of(path: &str) -> Option<(Kind, &str)> {
        Kind::ALL.into_iter().find_map(|kind| Some((kind, path.strip_prefix(kind.object())?)))
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// IPPing.
    Ping(ping::Ask),
    /// TraceRoute.
    Route(route::Ask),
    /// NSLookupDiagnostics.
    Lookup(lookup::Ask),
    /// DownloadDiagnostics and UploadDiagnostics.
    Transfer(transfer::Ask),
    /// NeighboringWiFiDiagnostic: the radios, each with its path and the names its device goes by.
    Neighbours(Vec<(String, String)>),
}

impl Task {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Task::Ping(_) => Kind::Ping,
            Task::Route(_) => Kind::Route,
            Task::Lookup(_) => Kind::Lookup,
            Task::Transfer(ask) if ask.upload.is_some() => Kind::Upload,
            Task::Transfer(_) => Kind::Download,
            Task::Neighbours(_) => Kind::Neighbours,
        }
    }
}

/// A diagnostic to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By which its verdict is known.
    pub id: u64,
    /// The Linux device it is bound to; any without one.
    pub device: Option<String>,
    /// What is to be done.
    pub task: Task,
}

/// What a diagnostic came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `Complete` or an error's word.
    pub status: &'static str,
    /// Its results by their names; those of rows as `Result.1.Status`.
    pub results: Arguments,
}

impl Verdict {
    /// A verdict without results.
    pub fn bare(status: &'static str) -> Verdict {
        Verdict { status, results: Arguments::new() }
    }

    /// A verdict with results.
    pub fn new<const N: usize>(status: &'static str, results: [(&str, String); N]) -> Verdict {
        let results = results.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        Verdict { status, results }
    }
}

/// Why arguments make no task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(pub &'static str);

/// What these arguments ask for.
///
/// Refuses what is missing, and what would go beyond the bounds of a diagnostic. Of [`Kind::Neighbours`] the radios are
/// the caller's to fill in.
pub fn task(kind: Kind, given: &Arguments) -> Result<Task, Unfit> {
    let given = Given(given);
    Ok(match kind {
        Kind::Ping => Task::Ping(ping::Ask::read(&given)?),
        Kind::Route => Task::Route(route::Ask::read(&given)?),
        Kind::Lookup => Task::Lookup(lookup::Ask::read(&given)?),
        Kind::Download => Task::Transfer(transfer::Ask::read(&given, false)?),
        Kind::Upload => Task::Transfer(transfer::Ask::read(&given, true)?),
        Kind::Neighbours => Task::Neighbours(Vec::new()),
    })
}

/// Arguments, to be read one by one.
struct Given<'a>(&'a Arguments);

impl Given<'_> {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A number; `otherwise` where there is none.
    fn number(&self, name: &str, otherwise: u32) -> Result<u32, Unfit> {
        match self.text(name) {
            "" => Ok(otherwise),
            text => text.parse().map_err(|_| Unfit("a number that is none")),
        }
    }

    fn wanted(&self, name: &str) -> Result<String, Unfit> {
        match self.text(name).trim() {
            "" => Err(Unfit("no host, name or URL is given")),
            text => Ok(text.to_string()),
        }
    }

    fn repetitions(&self, name: &str, otherwise: u32) -> Result<u32, Unfit> {
        let count = self.number(name, otherwise)?.max(1);
        if count > MAX_REPETITIONS { Err(Unfit("too many repetitions")) } else { Ok(count) }
    }

    fn wait(&self, otherwise: u32) -> Result<Duration, Unfit> {
        let wait = Duration::from_millis(self.number("Timeout", otherwise)?.max(1).into());
        Ok(wait.min(MAX_WAIT))
    }

    fn dscp(&self) -> Result<u8, Unfit> {
        u8::try_from(self.number("DSCP", 0)?).map_err(|_| Unfit("DSCP is out of range"))
    }

    fn version(&self) -> Family {
        match self.text("ProtocolVersion") {
            "IPv4" => Family::V4,
            "IPv6" => Family::V6,
            _ => Family::Any,
        }
    }

    fn size(&self, otherwise: u16) -> Result<u16, Unfit> {
        u16::try_from(self.number("DataBlockSize", otherwise.into())?)
            .map_err(|_| Unfit("DataBlockSize is out of range"))
    }
}

/// Whole milliseconds, at least one where there was any time: a zero means that there was no answer.
fn millis(time: Duration) -> u128 {
    time.as_millis().max(u128::from(!time.is_zero()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn given(text: &str) -> Arguments {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn arguments_beyond_the_bounds_make_no_task() {
        for (kind, text, fit) in [
            (Kind::Ping, "Host=a", true),
            (Kind::Ping, "", false),
            (Kind::Ping, "Host=a NumberOfRepetitions=1000", true),
            (Kind::Ping, "Host=a NumberOfRepetitions=1001", false),
            (Kind::Ping, "Host=a DataBlockSize=65535", true),
            (Kind::Ping, "Host=a DataBlockSize=65536", false),
            (Kind::Route, "Host=a MaxHopCount=64", true),
            (Kind::Route, "Host=a MaxHopCount=65", false),
            (Kind::Lookup, "HostName=a", true),
            (Kind::Lookup, "DNSServer=a", false),
            (Kind::Download, "DownloadURL=http://a/", true),
            (Kind::Download, "DownloadURL=http://a/ NumberOfConnections=2", false),
            (Kind::Download, "DownloadURL=http://a/ EthernetPriority=7", true),
            (Kind::Download, "DownloadURL=http://a/ EthernetPriority=8", false),
            (Kind::Download, "DownloadURL=http://a/ TimeBasedTestDuration=0", true),
            (Kind::Download, "DownloadURL=http://a/ TimeBasedTestDuration=1", false),
            (Kind::Upload, "UploadURL=http://a/ TestFileLength=5", true),
            (Kind::Upload, "UploadURL=http://a/", false),
            (Kind::Neighbours, "", true),
        ] {
            assert_eq!(task(kind, &given(text)).is_ok(), fit, "{kind:?} {text}");
        }
    }

    //= TR-181 WiFi.NeighboringWiFiDiagnostic
    #[test]
    fn every_word_for_an_end_is_one_of_the_standard() {
        let standard = include_str!("../tr181/standard.tsv");
        let transfer = [NO_NAME, NO_ROUTE, INTERNAL, transfer::NO_CONNECTION, transfer::NO_RESPONSE];
        for (kind, words) in [
            (Kind::Ping, &[NO_NAME, NO_ROUTE, INTERNAL][..]),
            (Kind::Route, &[NO_NAME, NO_ROUTE, INTERNAL, route::TOO_FAR]),
            (Kind::Lookup, &[lookup::NO_SERVER, INTERNAL]),
            (Kind::Download, &[&transfer[..], &[transfer::TOO_SLOW, transfer::broken(false)]].concat()),
            (Kind::Upload, &[&transfer[..], &[transfer::TOO_SLOW, transfer::broken(true)]].concat()),
            (Kind::Neighbours, &[]),
        ] {
            let status = format!("{}().Output.Status\t", kind.object().trim_end_matches('.'));
            let line = standard.lines().find(|line| line.starts_with(&status)).unwrap();
            let list = line.split_once("enum=").unwrap().1.split(' ').next().unwrap();
            let known: Vec<&str> = list.split('|').map(|word| word.trim_end_matches("{opt}")).collect();
            for word in words.iter().copied().chain([COMPLETE, kind.failed()]) {
                assert!(known.contains(&word), "{kind:?} {word}");
            }
        }
    }

    #[test]
    fn every_kind_is_found_by_its_name_and_its_parameters() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            let path = format!("{}DiagnosticsState", kind.object());
            assert_eq!(Kind::of(&path), Some((kind, "DiagnosticsState")));
        }
        assert_eq!(Kind::of("Device.IP.Diagnostics.IPPing"), None);
    }
}
