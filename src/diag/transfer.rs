//! DownloadDiagnostics and UploadDiagnostics: one file over HTTP, its octets and moments.

use super::{COMPLETE, Given, Unfit, Verdict};
use crate::time::{UNKNOWN, Wall};
use crate::way::Family;
use std::net::IpAddr;
use std::time::Duration;

/// Connections of one test.
pub const MAX_CONNECTIONS: u32 = 1;
/// Largest file sent.
pub const MAX_UPLOAD: u64 = 4 << 30;
/// Octets of a download that are read; then the test ends well.
pub const MAX_DOWNLOAD: u64 = 4 << 30;
/// The connection was refused.
pub const NO_CONNECTION: &str = "Error_InitConnectionFailed";
/// The server did not answer.
pub const NO_RESPONSE: &str = "Error_NoResponse";
/// The transfer broke off, or the server refused it.
pub const fn broken(upload: bool) -> &'static str {
    if upload { "Error_NoTransferComplete" } else { "Error_TransferFailed" }
}
/// It took too long.
pub const TOO_SLOW: &str = "Error_Timeout";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// From or to where.
    pub url: String,
    /// Of an upload, how many octets; `None` is a download.
    pub upload: Option<u64>,
    /// Which addresses count.
    pub version: Family,
    /// Differentiated services code point.
    pub dscp: u8,
    /// The priority of its frames, 0 to 7.
    pub priority: u8,
}

impl Ask {
    pub(super) fn read(given: &Given<'_>, upload: bool) -> Result<Ask, Unfit> {
        if given.number("NumberOfConnections", 1)? > MAX_CONNECTIONS {
            return Err(Unfit("too many connections"));
        }
        if given.number("TimeBasedTestDuration", 0)? > 0 {
            return Err(Unfit("there are no tests over a time"));
        }
        let priority = u8::try_from(given.number("EthernetPriority", 0)?).ok().filter(|number| *number < 8);
        let priority = priority.ok_or(Unfit("EthernetPriority is out of range"))?;
        let size = match upload {
            false => None,
            true => {
                let size = given.text("TestFileLength").parse().map_err(|_| Unfit("no TestFileLength"))?;
                Some(size)
            }
        };
        if size.is_some_and(|size| size > MAX_UPLOAD) {
            return Err(Unfit("TestFileLength is too large"));
        }
        let url = given.wanted(if upload { "UploadURL" } else { "DownloadURL" })?;
        Ok(Ask { url, upload: size, version: given.version(), dscp: given.dscp()?, priority })
    }
}

/// What was measured: moments by the time since the test began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The address of the server.
    pub used: IpAddr,
    /// When the test began, once the calendar is known.
    pub start: Option<Wall>,
    /// When the connection that the file went over was asked for.
    pub asked: Duration,
    /// When it stood.
    pub stood: Duration,
    /// When the request was made.
    pub request: Duration,
    /// When the first octet of the file came or went.
    pub first: Duration,
    /// When the last did.
    pub last: Duration,
    /// Octets of the file.
    pub octets: u64,
}

/// The results of a transfer that went through.
//= TR-143 4.1: TCPOpenRequestTime is when the connection was asked for, TCPOpenResponseTime when it stood.
//= TR-143 4.1: moments of request, first and last octet, in microseconds; one connection is under full load throughout.
pub fn verdict(upload: bool, measured: &Measured) -> Verdict {
    let date = |moment: Duration| {
        measured.start.map_or_else(|| UNKNOWN.into(), |start| start.after(moment).to_string())
    };
    let (octets, none) = (measured.octets.to_string(), "0".to_string());
    let (sent, received) = if upload { (&octets, &none) } else { (&none, &octets) };
    let test = if upload { "TestBytesSent" } else { "TestBytesReceived" };
    let mut verdict = Verdict::new(
        COMPLETE,
        [
            ("IPAddressUsed", measured.used.to_string()),
            ("TCPOpenRequestTime", date(measured.asked)),
            ("TCPOpenResponseTime", date(measured.stood)),
            ("ROMTime", date(measured.request)),
            ("BOMTime", date(measured.first)),
            ("EOMTime", date(measured.last)),
            (test, octets.clone()),
            ("TotalBytesSent", sent.clone()),
            ("TotalBytesReceived", received.clone()),
            ("TotalBytesSentUnderFullLoading", sent.clone()),
            ("TotalBytesReceivedUnderFullLoading", received.clone()),
            ("PeriodOfFullLoading", measured.last.saturating_sub(measured.first).as_micros().to_string()),
        ],
    );
    verdict.results.insert(format!("{test}UnderFullLoading"), octets);
    verdict
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn measured(start: Option<Wall>) -> Measured {
        let [asked, stood, request, first, last] = [0, 5, 6, 2_000, 4_500].map(Duration::from_millis);
        let used = "192.0.2.1".parse().unwrap();
        Measured { used, start, asked, stood, request, first, last, octets: 500 }
    }

    //= TR-143 4.1: moments of request, first and last octet, in microseconds; one connection is under full load throughout.
    #[test]
    fn octets_count_for_their_direction_alone() {
        for (upload, want) in [(true, "500 - 500 0"), (false, "- 500 0 500")] {
            let verdict = verdict(upload, &measured(None));
            let of = |name: &str| verdict.results.get(name).map_or("-", String::as_str);
            let got = ["TestBytesSent", "TestBytesReceived", "TotalBytesSent", "TotalBytesReceived"]
                .map(of)
                .join(" ");
            assert_eq!(got, want);
            assert_eq!(of("PeriodOfFullLoading"), "2500000");
        }
    }

    //= TR-143 4.1: TCPOpenRequestTime is when the connection was asked for, TCPOpenResponseTime when it stood.
    //= TR-143 4.1: moments of request, first and last octet, in microseconds; one connection is under full load throughout.
    #[test]
    fn moments_count_from_the_start_and_are_unknown_without_a_calendar() {
        let names = ["TCPOpenRequestTime", "TCPOpenResponseTime", "ROMTime", "BOMTime", "EOMTime"];
        let start = Wall { micros: 600_000, ..Wall::at(1_700_000_000) };
        for (start, want) in [
            (Some(start), ["20.600000", "20.605000", "20.606000", "22.600000", "25.100000"]),
            (None, [""; 5]),
        ] {
            let verdict = verdict(false, &measured(start));
            for (name, want) in names.into_iter().zip(want) {
                let want = if want.is_empty() { UNKNOWN.into() } else { format!("2023-11-14T22:13:{want}Z") };
                assert_eq!(verdict.results.get(name), Some(&want), "{name}");
            }
        }
    }
}
