//! TraceRoute: echo requests with a life that grows by one, and who let each end.

use super::{COMPLETE, Given, Unfit, Verdict, millis};
use crate::way::Family;
use std::net::IpAddr;
use std::time::Duration;

/// Most hops.
pub const MAX_HOPS: u32 = 64;
/// The way is longer than was allowed.
pub const TOO_FAR: &str = "Error_MaxHopCountExceeded";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The name or address.
    pub host: String,
    /// Which addresses count.
    pub version: Family,
    /// Requests for each hop.
    pub tries: u32,
    /// How long each is waited for.
    pub wait: Duration,
    /// Octets of payload.
    pub size: u16,
    /// Differentiated services code point.
    pub dscp: u8,
    /// The longest life.
    pub hops: u32,
}

impl Ask {
    pub(super) fn read(given: &Given<'_>) -> Result<Ask, Unfit> {
        let hops = given.number("MaxHopCount", 30)?.max(1);
        let tries = given.number("NumberOfTries", 3)?.max(1);
        if hops > MAX_HOPS || tries > 3 {
            return Err(Unfit("too many hops or tries"));
        }
        Ok(Ask {
            host: given.wanted("Host")?,
            version: given.version(),
            tries,
            wait: given.wait(5_000)?,
            size: given.size(38)?,
            dscp: given.dscp()?,
            hops,
        })
    }
}

/// What is known of one hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// Who answered.
    pub from: Option<IpAddr>,
    /// The code of the ICMP message.
    pub code: u8,
    /// How long each try took; zero where nothing came.
    pub times: Vec<Duration>,
}

/// The results, of the hops so far.
//= TR-181 IP.Diagnostics.TraceRoute: a hop without a name has its address as Host, and a try without answer is 0.
//= TR-181 IP.Diagnostics.TraceRoute: ResponseTime is 0 where the way was not found.
pub fn verdict(status: Option<&'static str>, used: IpAddr, hops: &[Hop]) -> Verdict {
    let answered = |hop: &Hop| {
        let times: Vec<Duration> = hop.times.iter().filter(|time| !time.is_zero()).copied().collect();
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        times.iter().sum::<Duration>().checked_div(count).unwrap_or_default()
    };
    let whole = hops.last().filter(|_| status.is_none()).map(answered).unwrap_or_default();
    let mut verdict = Verdict::new(
        status.unwrap_or(COMPLETE),
        [("ResponseTime", millis(whole).to_string()), ("IPAddressUsed", used.to_string())],
    );
    for (at, hop) in hops.iter().enumerate() {
        let times: Vec<String> = hop.times.iter().map(|time| millis(*time).to_string()).collect();
        let host = hop.from.map(|from| from.to_string()).unwrap_or_default();
        for (name, value) in [
            ("Host", host),
            ("HostAddress", String::new()),
            ("ErrorCode", hop.code.to_string()),
            ("RTTimes", times.join(",")),
        ] {
            verdict.results.insert(format!("RouteHops.{}.{name}", at + 1), value);
        }
    }
    verdict
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= TR-181 IP.Diagnostics.TraceRoute: a hop without a name has its address as Host, and a try without answer is 0.
    //= TR-181 IP.Diagnostics.TraceRoute: ResponseTime is 0 where the way was not found.
    #[test]
    fn hops_are_told_in_order_and_the_last_one_gives_the_time() {
        let ms = Duration::from_millis;
        let address = |text: &str| text.parse::<IpAddr>().ok();
        let hops = [
            Hop { from: address("192.0.2.1"), code: 0, times: vec![ms(1), ms(0)] },
            Hop { from: None, code: 0, times: vec![ms(0), ms(0)] },
            Hop { from: address("192.0.2.9"), code: 0, times: vec![ms(4), ms(6)] },
        ];
        for (status, want) in [(None, "5"), (Some(TOO_FAR), "0")] {
            let verdict = verdict(status, address("192.0.2.9").unwrap(), &hops);
            let of = |name: &str| verdict.results.get(name).map(String::as_str);
            assert_eq!(of("ResponseTime"), Some(want));
            assert_eq!((of("RouteHops.1.Host"), of("RouteHops.1.RTTimes")), (Some("192.0.2.1"), Some("1,0")));
            assert_eq!((of("RouteHops.2.Host"), of("RouteHops.3.RTTimes")), (Some(""), Some("4,6")));
            assert_eq!(of("RouteHops.4.Host"), None);
        }
    }
}
