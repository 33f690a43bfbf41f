//! The running agent, over its local socket: a request as a JSON line, an answer as a JSON line.

use super::Fail;
use crate::dm::tree::Tree;
use crate::io::disk::RealDisk;
use crate::io::local::{SOCKET, short};
use crate::openwrt::json;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The longest that an answer may take: a commit may wait for a lock, a read for a slow driver.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// The longest answer, in octets.
const MAX_ANSWER: u64 = json::MAX_TEXT as u64;

/// A connection to the running agent.
pub struct Socket(UnixStream);

impl Socket {
    /// The agent of this router; `None` where none runs.
    pub fn reach(disk: &RealDisk) -> Result<Option<Socket>, Fail> {
        let connected = short(&disk.host_path(SOCKET)?).and_then(|(_folder, path)| UnixStream::connect(path));
        match connected {
            Ok(stream) => Ok(Some(Socket(stream))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(Fail::Unreachable(format!("the agent cannot be reached: {SOCKET}: {error}"))),
        }
    }

    /// As [`Socket::reach`], for what only a running agent can do.
    pub fn need(disk: &RealDisk) -> Result<Socket, Fail> {
        let none = || Fail::Unreachable(format!("no agent runs (nobody listens on {SOCKET})"));
        Socket::reach(disk)?.ok_or_else(none)
    }

    /// Asks `{what: with}`; what the agent answered under `ok`. Its refusals become [`Fail::Refused`].
    pub fn ask(&mut self, what: &str, with: Tree) -> Result<Tree, Fail> {
        let lost = |why: String| Fail::Unreachable(format!("the agent does not answer: {why}"));
        let request = json::write(&Tree::map([(what, with)]));
        let mut line = Vec::new();
        self.0
            .set_read_timeout(Some(ANSWER_WAIT))
            .and_then(|()| self.0.write_all(format!("{request}\n").as_bytes()))
            .and_then(|()| BufReader::new((&self.0).take(MAX_ANSWER)).read_until(b'\n', &mut line))
            .map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => lost(format!("not within {} s", ANSWER_WAIT.as_secs())),
                _ => lost(error.to_string()),
            })?;
        let answer = json::parse(&line).map_err(|error| lost(error.to_string()))?;
        match (answer.get("ok"), answer.get("errors")) {
            (Some(ok), None) => Ok(ok.clone()),
            (_, Some(errors)) => Err(Fail::Refused(reasons(errors))),
            (None, None) => Err(lost("its answer means nothing".into())),
        }
    }
}

/// A line per refusal.
fn reasons(errors: &Tree) -> String {
    let line = |error: &Tree| {
        let (path, why) = (error.str("path").unwrap_or_default(), error.str("why").unwrap_or_default());
        if path.is_empty() { format!("{why}\n") } else { format!("{path}: {why}\n") }
    };
    errors.items().iter().map(line).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// What the command makes of an agent that answers `answer`.
    fn asked(answer: &'static str) -> (String, Result<Tree, Fail>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("tmp/run")).unwrap();
        let listener = UnixListener::bind(folder.path().join("tmp/run/cpeagent.sock")).unwrap();
        let agent = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            (&stream).write_all(answer.as_bytes()).unwrap();
            line
        });
        let disk = RealDisk::new(folder.path()).unwrap();
        let got = Socket::need(&disk).unwrap().ask("get", Tree::List(vec![Tree::from("Device.")]));
        (agent.join().unwrap(), got)
    }

    #[test]
    fn a_request_is_a_line_and_the_answer_is_taken_by_its_member() {
        let (line, got) = asked("{\"ok\":{\"a\":\"b\"}}\n");
        assert_eq!(line, "{\"get\":[\"Device.\"]}\n");
        assert_eq!(got.unwrap().str("a"), Some("b"));
        for (answer, want) in [
            ("{\"errors\":[{\"path\":\"A\",\"why\":\"x\"},{\"path\":\"\",\"why\":\"y\"}]}\n", 1),
            ("{\"other\":1}\n", 3),
            ("no JSON\n", 3),
            ("", 3),
        ] {
            assert_eq!(asked(answer).1.unwrap_err().code(), want, "{answer:?}");
        }
    }

    #[test]
    fn a_socket_that_nobody_listens_on_is_no_agent() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(folder.path()).unwrap();
        assert!(Socket::reach(&disk).unwrap().is_none());
        std::fs::create_dir_all(folder.path().join("tmp/run")).unwrap();
        drop(UnixListener::bind(folder.path().join("tmp/run/cpeagent.sock")).unwrap());
        assert!(Socket::reach(&disk).unwrap().is_none());
        assert_eq!(Socket::need(&disk).err().map(|fail| fail.code()), Some(3));
    }
}
