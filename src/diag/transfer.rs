//! DownloadDiagnostics and UploadDiagnostics: one file over HTTP, its octets and moments.

use super::{COMPLETE, Given, Unfit, Verdict, Version};
use crate::time::{UNKNOWN, Wall};
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
    pub version: Version,
    /// Differentiated services code point.
    pub dscp: u8,
}

impl Ask {
    pub(super) fn read(given: &Given<'_>, upload: bool) -> Result<Ask, Unfit> {
        if given.number("NumberOfConnections", 1)? > MAX_CONNECTIONS {
            return Err(Unfit("too many connections"));
        }
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
        Ok(Ask { url, upload: size, version: given.version(), dscp: given.dscp()? })
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The address of the server.
    pub used: IpAddr,
    /// When the request was made.
    pub rom: Option<Wall>,
    /// When the first octet of the file came or went.
    pub bom: Option<Wall>,
    /// When the last did.
    pub eom: Option<Wall>,
    /// Between the last two.
    pub period: Duration,
    /// Octets of the file.
    pub octets: u64,
}

/// The results of a transfer that went through.
//= TR-143 4.1: moments of request, first and last octet, in microseconds; one connection is under full load throughout.
pub fn verdict(upload: bool, measured: &Measured) -> Verdict {
    let date = |moment: Option<Wall>| moment.map_or_else(|| UNKNOWN.into(), |wall| wall.to_string());
    let (octets, none) = (measured.octets.to_string(), "0".to_string());
    let (sent, received) = if upload { (&octets, &none) } else { (&none, &octets) };
    let test = if upload { "TestBytesSent" } else { "TestBytesReceived" };
    let mut verdict = Verdict::new(
        COMPLETE,
        [
            ("IPAddressUsed", measured.used.to_string()),
            ("ROMTime", date(measured.rom)),
            ("BOMTime", date(measured.bom)),
            ("EOMTime", date(measured.eom)),
            (test, octets.clone()),
            ("TotalBytesSent", sent.clone()),
            ("TotalBytesReceived", received.clone()),
            ("TotalBytesSentUnderFullLoading", sent.clone()),
            ("TotalBytesReceivedUnderFullLoading", received.clone()),
            ("PeriodOfFullLoading", measured.period.as_micros().to_string()),
        ],
    );
    verdict.results.insert(format!("{test}UnderFullLoading"), octets);
    verdict
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= TR-143 4.1: moments of request, first and last octet, in microseconds; one connection is under full load throughout.
    #[test]
    fn octets_count_for_their_direction_alone() {
        let wall = |seconds| Some(Wall::at(seconds));
        let measured = Measured {
            used: "192.0.2.1".parse().unwrap(),
            rom: None,
            bom: wall(1_700_000_000),
            eom: wall(1_700_000_002),
            period: Duration::from_secs(2),
            octets: 500,
        };
        for (upload, want) in [(true, "500 - 500 0"), (false, "- 500 0 500")] {
            let verdict = verdict(upload, &measured);
            let of = |name: &str| verdict.results.get(name).map_or("-", String::as_str);
            let got = ["TestBytesSent", "TestBytesReceived", "TotalBytesSent", "TotalBytesReceived"]
                .map(of)
                .join(" ");
            assert_eq!(got, want);
            assert_eq!((of("PeriodOfFullLoading"), of("ROMTime")), ("2000000", UNKNOWN));
        }
    }
}
