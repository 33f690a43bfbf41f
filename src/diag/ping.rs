//! IPPing: echo requests to one host, counted and timed.

use super::{COMPLETE, Given, Unfit, Verdict, millis};
use crate::way::Family;
use std::net::IpAddr;
use std::time::Duration;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The name or address.
    pub host: String,
    /// Which addresses count.
    pub version: Family,
    /// How many requests.
    pub count: u32,
    /// How long each is waited for.
    pub wait: Duration,
    /// Octets of payload.
    pub size: u16,
    /// Differentiated services code point.
    pub dscp: u8,
}

impl Ask {
    pub(super) fn read(given: &Given<'_>) -> Result<Ask, Unfit> {
        Ok(Ask {
            host: given.wanted("Host")?,
            version: given.version(),
            count: given.repetitions("NumberOfRepetitions", 3)?,
            wait: given.wait(5_000)?,
            size: given.size(56)?,
            dscp: given.dscp()?,
        })
    }
}

/// What was measured so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    times: Vec<Duration>,
    lost: u32,
}

impl Counts {
    /// A request was answered after `Some` time, or not.
    pub fn note(&mut self, time: Option<Duration>) {
        match time {
            Some(time) => self.times.push(time),
            None => self.lost += 1,
        }
    }

    /// The results; the test ended by itself, or with `status`.
    //= TR-181 IP.Diagnostics.IPPing: times count answered requests alone, and are zero where there were none.
    pub fn verdict(&self, status: Option<&'static str>, used: IpAddr) -> Verdict {
        let none = Duration::ZERO;
        let least = self.times.iter().min().copied().unwrap_or(none);
        let most = self.times.iter().max().copied().unwrap_or(none);
        let count = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        let mean = self.times.iter().sum::<Duration>().checked_div(count).unwrap_or(none);
        Verdict::new(
            status.unwrap_or(COMPLETE),
            [
                ("SuccessCount", count.to_string()),
                ("FailureCount", self.lost.to_string()),
                ("IPAddressUsed", used.to_string()),
                ("AverageResponseTime", millis(mean).to_string()),
                ("MinimumResponseTime", millis(least).to_string()),
                ("MaximumResponseTime", millis(most).to_string()),
                ("AverageResponseTimeDetailed", mean.as_micros().to_string()),
                ("MinimumResponseTimeDetailed", least.as_micros().to_string()),
                ("MaximumResponseTimeDetailed", most.as_micros().to_string()),
            ],
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= TR-181 IP.Diagnostics.IPPing: times count answered requests alone, and are zero where there were none.
    #[test]
    fn times_are_of_the_requests_that_were_answered() {
        let micros = |n| Some(Duration::from_micros(n));
        for (noted, want) in [
            (vec![], "0 0 0/0/0 0/0/0"),
            (vec![None, None], "0 2 0/0/0 0/0/0"),
            (vec![micros(300)], "1 0 1/1/1 300/300/300"),
            (vec![micros(1_000), None, micros(3_000)], "2 1 1/2/3 1000/2000/3000"),
        ] {
            let mut counts = Counts::default();
            noted.into_iter().for_each(|time| counts.note(time));
            let verdict = counts.verdict(None, "192.0.2.1".parse().unwrap());
            let of = |name: &str| verdict.results.get(name).cloned().unwrap();
            let three = |tail: &str| {
                ["Minimum", "Average", "Maximum"]
                    .map(|of_what| of(&format!("{of_what}ResponseTime{tail}")))
                    .join("/")
            };
            let got =
                format!("{} {} {} {}", of("SuccessCount"), of("FailureCount"), three(""), three("Detailed"));
            assert_eq!((got.as_str(), verdict.status), (want, COMPLETE));
        }
    }
}
