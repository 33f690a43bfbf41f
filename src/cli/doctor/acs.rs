//! The doctor's look at the ACS: its settings, its name and certificate, and its answer to an empty POST.

use super::super::router::Router;
use super::{Finding, doubtful, good, wrong};
use crate::config::Config;
use crate::dm::tree::Tree;
use crate::io::connector::{self, Connector, NoClient};
use crate::io::http::body::Whole;
use crate::io::http::client::Reply;
use crate::io::http::connect::addresses;
use crate::io::http::error::{Error, Stage};
use crate::io::http::url::Url;
use crate::io::random;
use crate::rng::Rng;
use std::time::Duration;

/// What is said in the end where something is wrong.
pub(super) const HOPELESS: &str = "sessions with the ACS cannot work like this";
/// The longest that the look at the name, and the whole exchange, may take.
const NAME_WAIT: Duration = Duration::from_secs(20);
const WHOLE_WAIT: Duration = Duration::from_secs(90);

/// Whether the settings let there be sessions.
pub(super) fn settings(package: &Tree, config: &Config, findings: &mut Vec<Finding>) -> bool {
    let set = package.get("acs").and_then(|acs| acs.str("url")).filter(|url| !url.is_empty());
    match (&config.acs.url, set) {
        (_, None) => {
            findings.push(wrong(
                "settings",
                "no ACS is set",
                "uci set cpeagent.acs.url=https://… and uci commit cpeagent; or have DHCP name it",
            ));
            false
        }
        (None, Some(url)) => {
            findings.push(wrong(
                "settings",
                format!("{url} is not used"),
                "write an https URL; plain http needs cpeagent.acs.allow_plain_http=1, and anyone in between can then take over this router",
            ));
            false
        }
        (Some(_), Some(_)) if !config.acs.enable => {
            findings.push(wrong("settings", "sessions are switched off", "uci set cpeagent.acs.enable=1"));
            false
        }
        (Some(url), Some(_)) => {
            findings.push(match url.starts_with("http:") {
                true => doubtful(
                    "settings",
                    format!("the ACS is {url}: plain http"),
                    "whoever sits in between can read everything and take over this router; use https",
                ),
                false => good("settings", format!("the ACS is {url}")),
            });
            true
        }
    }
}

/// Whether the ACS can be reached and answers.
pub(super) fn reach(router: &Router, config: &Config, findings: &mut Vec<Finding>) {
    let Some(url) = config.acs.url.as_deref().and_then(Url::parse) else { return };
    let connector = Connector::new(&router.device, config);
    if let Err(why) = router.runtime.block_on(connector.way()) {
        return findings.push(wrong("network", why, "is the uplink up? try: ifstatus with its name"));
    }
    let route = connector::route(&router.device, config);
    match router.runtime.block_on(addresses(&url.host, url.port, &route, NAME_WAIT)) {
        Ok(found) if found.is_empty() => {
            return findings.push(wrong(
                "name",
                format!("{} has no address of the wanted family", url.host),
                "set cpeagent.acs.family to any, or give the ACS such an address",
            ));
        }
        Ok(found) => {
            let found: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
            findings.push(good("name", format!("{} is {}", url.host, found.join(", "))));
        }
        Err(error) => {
            return findings.push(wrong(
                "name",
                error.to_string(),
                "is the uplink up and /tmp/resolv.conf.d/resolv.conf.auto filled? try: nslookup with the name",
            ));
        }
    }
    let rng = Rng::new(random::seed());
    let mut client = match router.runtime.block_on(connector.client(rng)) {
        Ok(client) => client,
        Err(NoClient::Network(why) | NoClient::Settings(why)) => {
            let advice =
                "check the files of cpeagent.acs (ca_file, client_cert, client_key), and install ca-bundle";
            return findings.push(wrong("tls", why, advice));
        }
    };
    let (reply, verified) = router.runtime.block_on(async {
        let mut nothing = Whole::default();
        let reply = tokio::time::timeout(WHOLE_WAIT, client.post(&mut nothing)).await;
        (reply.unwrap_or(Err(Error::Timeout(Stage::Whole))), client.verified().is_some())
    });
    if verified {
        findings.push(good("tls", "the ACS showed a certificate that is trusted and bears its name"));
    }
    findings.push(answer(&reply));
}

/// What the ACS's answer to an empty POST, which is no session, tells.
fn answer(reply: &Result<Reply, Error>) -> Finding {
    match reply {
        Ok(reply) => match reply.status {
            404 | 405 | 410 => wrong(
                "answer",
                format!("the server answers, but there is no ACS at this address (status {})", reply.status),
                "check the path and the port in cpeagent.acs.url",
            ),
            403 => wrong(
                "answer",
                "the ACS forbids this device (status 403)",
                "is the device known to the ACS, under this user name or certificate?",
            ),
            502..=504 => wrong(
                "answer",
                format!("the server in front of the ACS answers, the ACS does not (status {})", reply.status),
                "nothing on this router: tell the operator of the ACS",
            ),
            // Many an ACS answers a POST without a session with a fault.
            status => good("answer", format!("the ACS answers (status {status})")),
        },
        Err(error) => match error {
            Error::Refused(why) => wrong(
                "credentials",
                why.to_string(),
                "check cpeagent.acs.username and cpeagent.acs.password against what the ACS expects",
            ),
            Error::Tls(why) => wrong(
                "tls",
                why.clone(),
                "an operator's own CA goes into cpeagent.acs.ca_file; a wrong clock makes good certificates fail",
            ),
            Error::Timeout(Stage::Tls) => {
                wrong("tls", error.to_string(), "is the port one of TLS, and not one of plain http?")
            }
            Error::Connect(_) | Error::Timeout(Stage::Connect) => wrong(
                "connection",
                error.to_string(),
                "refused: wrong port or the ACS is down; no answer: a firewall in between, or the wrong uplink",
            ),
            Error::Socket(why) => wrong(
                "connection",
                why.clone(),
                "check cpeagent.acs.source_address and mark; marks need root",
            ),
            Error::Redirect(why) => {
                wrong("answer", why.clone(), "set cpeagent.acs.url to where the ACS really is")
            }
            Error::Url(_) | Error::Name(..) => wrong("name", error.to_string(), "check cpeagent.acs.url"),
            Error::Timeout(_) | Error::Lost(_) | Error::Bad(_) | Error::Body(_) => wrong(
                "answer",
                error.to_string(),
                "the server took the connection but does not speak HTTP as an ACS does: check port and scheme",
            ),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::Global;
    use super::super::{State, look};
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::path::Path;

    /// What the doctor finds on a router with these settings of the section `acs`.
    fn found(acs: &str) -> Vec<(&'static str, State)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc/config")).unwrap();
        std::fs::write(folder.path().join("etc/config/cpeagent"), format!("config acs 'acs'\n{acs}"))
            .unwrap();
        std::fs::write(folder.path().join("facts.json"), "{\"clock_synchronized\": true}").unwrap();
        let global = Global { root: Some(Path::new(folder.path()).to_path_buf()), json: false };
        let mut findings = Vec::new();
        look(&Router::open(&global).unwrap(), &mut findings);
        findings.into_iter().map(|finding| (finding.what, finding.state)).collect()
    }

    /// The last thing found with an ACS that answers `answer` to every connection.
    fn against(answer: &'static str) -> (&'static str, State) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut request = [0; 4_096];
                let asked = stream.read(&mut request).unwrap_or_default();
                if request.get(..asked) == Some(b"end") {
                    return;
                }
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let url = format!("\toption url 'http://127.0.0.1:{port}/'\n\toption allow_plain_http '1'\n");
        let found = found(&url);
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(b"end").unwrap();
        server.join().unwrap();
        *found.last().unwrap()
    }

    #[test]
    fn settings_that_cannot_work_end_the_search() {
        for (acs, state) in [
            ("", State::Wrong),
            ("\toption url 'http://127.0.0.1/'\n", State::Wrong),
            ("\toption url 'https://127.0.0.1/'\n\toption enable '0'\n", State::Wrong),
            ("\toption url 'ftp://127.0.0.1/'\n", State::Wrong),
        ] {
            assert_eq!(found(acs).last(), Some(&("settings", state)), "{acs}");
        }
    }

    #[test]
    fn what_the_server_does_is_told_apart() {
        for (reply, want) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", ("answer", State::Good)),
            ("HTTP/1.1 500 Fault\r\nContent-Length: 0\r\n\r\n", ("answer", State::Good)),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ("answer", State::Wrong)),
            ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", ("answer", State::Wrong)),
            (
                "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a\"\r\nContent-Length: 0\r\n\r\n",
                ("credentials", State::Wrong),
            ),
            ("SSH-2.0-x\r\n", ("answer", State::Wrong)),
        ] {
            assert_eq!(against(reply), want, "{reply:?}");
        }
    }

    #[test]
    fn a_port_that_nobody_listens_on_and_a_name_that_is_none_are_told_apart() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let plain = "\toption allow_plain_http '1'\n";
        let url = format!("\toption url 'http://127.0.0.1:{free}/'\n{plain}");
        assert_eq!(found(&url).last(), Some(&("connection", State::Wrong)));
        // Longer than a label can be, so that no name server is asked.
        let url = format!("\toption url 'http://{}/'\n{plain}", "a".repeat(70));
        assert_eq!(found(&url).last(), Some(&("name", State::Wrong)));
    }
}
