//! NSLookupDiagnostics: one name asked of one name server, several times.

use super::dns::Answer;
use super::{COMPLETE, Given, Unfit, Verdict, millis};
use std::net::IpAddr;
use std::time::Duration;

/// The name server's own name is not known, or there is no server.
pub const NO_SERVER: &str = "Error_DNSServerNotResolved";
/// Most addresses of one result.
const MAX_ADDRESSES: usize = 10;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The name that is looked up.
    pub name: String,
    /// The server, by name or address; empty for the device's own.
    pub server: String,
    /// How long each answer is waited for.
    pub wait: Duration,
    /// How often.
    pub count: u32,
}

impl Ask {
    pub(super) fn read(given: &Given<'_>) -> Result<Ask, Unfit> {
        Ok(Ask {
            name: given.wanted("HostName")?,
            server: given.text("DNSServer").trim().to_string(),
            wait: given.wait(5_000)?,
            count: given.repetitions("NumberOfRepetitions", 1)?,
        })
    }
}

/// What one repetition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Try {
    /// The server answered all questions in that time.
    Answered(Vec<Answer>, Duration),
    /// Nothing came in time.
    Silent,
    /// The server cannot be reached.
    Unreachable,
    /// The name cannot be asked for.
    NoQuestion,
}

/// The results of all tries, asked of `server`.
//= TR-181 DNS.Diagnostics.NSLookupDiagnostics: a result for every repetition; what was not answered takes no time.
pub fn verdict(server: IpAddr, tries: &[Try]) -> Verdict {
    let mut good = 0;
    let mut verdict = Verdict::bare(COMPLETE);
    for (at, one) in tries.iter().enumerate() {
        let mut row = |name: &str, value: String| {
            verdict.results.insert(format!("Result.{}.{name}", at + 1), value);
        };
        let (status, answers, time) = match one {
            Try::Answered(answers, time) if answers.iter().any(|answer| !answer.addresses.is_empty()) => {
                good += 1;
                ("Success", answers.as_slice(), *time)
            }
            Try::Answered(answers, time) if answers.iter().all(|answer| matches!(answer.code, 0 | 3)) => {
                ("Error_HostNameNotResolved", &[][..], *time)
            }
            Try::Answered(_, time) => ("Error_Other", &[][..], *time),
            Try::Silent => ("Error_Timeout", &[][..], Duration::ZERO),
            Try::Unreachable => ("Error_DNSServerNotAvailable", &[][..], Duration::ZERO),
            Try::NoQuestion => ("Error_HostNameNotResolved", &[][..], Duration::ZERO),
        };
        let answer = answers.iter().find(|answer| !answer.addresses.is_empty());
        let kind = match answer {
            None => "None",
            Some(answer) if answer.authoritative => "Authoritative",
            Some(_) => "NonAuthoritative",
        };
        let addresses = answers.iter().flat_map(|answer| &answer.addresses).take(MAX_ADDRESSES);
        let addresses: Vec<String> = addresses.map(IpAddr::to_string).collect();
        row("Status", status.into());
        row("AnswerType", kind.into());
        row("HostNameReturned", answer.map(|answer| answer.name.clone()).unwrap_or_default());
        row("IPAddresses", addresses.join(","));
        row("DNSServerIP", server.to_string());
        row("ResponseTime", millis(time).to_string());
    }
    verdict.results.insert("SuccessCount".into(), good.to_string());
    verdict
}

/// The name servers that a `resolv.conf` names, in its order.
pub fn servers(text: &str) -> Vec<IpAddr> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    lines.filter_map(|rest| rest.trim().parse().ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= TR-181 DNS.Diagnostics.NSLookupDiagnostics: a result for every repetition; what was not answered takes no time.
    #[test]
    fn each_try_is_a_result_of_its_own() {
        let found = Answer {
            authoritative: true,
            name: "a.example".into(),
            addresses: vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()],
            ..Answer::default()
        };
        let unknown = Answer { code: 3, ..Answer::default() };
        let failed = Answer { code: 2, ..Answer::default() };
        let time = Duration::from_millis(7);
        for (one, want) in [
            (
                Try::Answered(vec![found.clone(), unknown.clone()], time),
                "Success Authoritative a.example 192.0.2.1,192.0.2.2 7",
            ),
            (Try::Answered(vec![unknown], time), "Error_HostNameNotResolved None   7"),
            (Try::Answered(vec![failed], time), "Error_Other None   7"),
            (Try::Silent, "Error_Timeout None   0"),
            (Try::Unreachable, "Error_DNSServerNotAvailable None   0"),
            (Try::NoQuestion, "Error_HostNameNotResolved None   0"),
        ] {
            let verdict = verdict("192.0.2.53".parse().unwrap(), std::slice::from_ref(&one));
            let of = |name: &str| verdict.results.get(&format!("Result.1.{name}")).cloned().unwrap();
            let got =
                ["Status", "AnswerType", "HostNameReturned", "IPAddresses", "ResponseTime"].map(of).join(" ");
            assert_eq!(got, want);
            let good = verdict.results.get("SuccessCount").map(String::as_str);
            assert_eq!(
                (good, verdict.status),
                (Some(if got.starts_with('S') { "1" } else { "0" }), COMPLETE)
            );
        }
    }

    #[test]
    fn only_name_servers_are_taken_from_resolv_conf() {
        let text = "search lan\nnameserver 127.0.0.1\n# nameserver 192.0.2.1\nnameserver ::1\nnameserver x\n";
        let want: Vec<IpAddr> = ["127.0.0.1", "::1"].iter().filter_map(|it| it.parse().ok()).collect();
        assert_eq!(servers(text), want);
    }
}
