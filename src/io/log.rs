//! Where log messages go: the terminal, the system log, or a file under `--root`.
//!
//! One line per event, of bounded length, without control characters. Nothing here waits: what a busy or missing
//! system log does not take is dropped and counted. Secrets are not filtered here; [`crate::secret::Secret`] does
//! not print. Set up once by `main`; messages come through the `log` macros.

use super::clock::shown;
use crate::time::Wall;
use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The longest line, in characters; the rest is cut off.
pub const MAX_LINE: usize = 1_000;
/// The largest log file, in octets. There are two: the current one and the one before.
pub const MAX_FILE: u64 = 256 << 10;
/// The log file under `--root`.
pub const FILE: &str = "tmp/log/cpeagent.log";

const IDENT: &str = "cpeagent";
/// The facility "daemon" of syslog.
const DAEMON: u8 = 3;

/// One place that messages go to.
#[derive(Debug)]
pub enum Sink {
    /// Standard error.
    Stderr,
    /// The system log behind this datagram socket.
    Syslog(Syslog),
    /// A file that never grows beyond [`MAX_FILE`].
    File(LogFile),
}

/// The sinks for this run: standard error and a file under `root` where one is given, else standard error on a
/// terminal, else the system log.
pub fn sinks(root: Option<&Path>) -> Vec<Sink> {
    match root {
        Some(root) => vec![Sink::Stderr, Sink::File(LogFile::new(root.join(FILE)))],
        None if io::stderr().is_terminal() => vec![Sink::Stderr],
        None => vec![Sink::Syslog(Syslog::new("/dev/log"))],
    }
}

/// Sends all messages of at least `level` to `sinks` from now on. Can be done once per process.
pub fn start(sinks: Vec<Sink>, level: LevelFilter) -> Result<(), SetLoggerError> {
    log::set_boxed_logger(Box::new(Sinks::new(sinks)))?;
    log::set_max_level(level);
    Ok(())
}

/// A [`Log`] over sinks.
#[derive(Debug)]
pub struct Sinks(Mutex<Vec<Sink>>);

impl Sinks {
    /// A log over these sinks.
    pub fn new(sinks: Vec<Sink>) -> Sinks {
        Sinks(Mutex::new(sinks))
    }
}

impl Log for Sinks {
    /// Messages of libraries pass from warnings up only.
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        let own = of.target() == IDENT
            || of.target().strip_prefix(IDENT).is_some_and(|rest| rest.starts_with("::"));
        of.level() <= log::max_level() && (own || of.level() <= Level::Warn)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = one_line(&record.args().to_string());
        for sink in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            match sink {
                Sink::Stderr => drop(writeln!(io::stderr(), "{} {text}", word(record.level()))),
                Sink::Syslog(syslog) => syslog.send(record.level(), &text),
                Sink::File(file) => drop(file.write(record.level(), &text)),
            }
        }
    }

    fn flush(&self) {}
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// The text without control characters and not longer than [`MAX_LINE`]: nobody can forge a line.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().take(MAX_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_LINE).is_some() {
        line.push('…');
    }
    line
}

/// The present, in whole seconds.
fn now() -> Wall {
    Wall::at(shown().seconds)
}

/// A connection to the system log, made when needed and again when it broke.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    dropped: u32,
}

impl Syslog {
    /// The system log at `path`, `/dev/log` on a router.
    pub fn new(path: impl Into<PathBuf>) -> Syslog {
        Syslog { path: path.into(), socket: None, dropped: 0 }
    }

    fn send(&mut self, level: Level, text: &str) {
        if self.dropped > 0
            && self.try_send(Level::Warn, &format!("{} messages dropped", self.dropped)).is_ok()
        {
            self.dropped = 0;
        }
        if self.try_send(level, text).is_err() {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Sends one message. A second try connects anew, for the log may have been restarted.
    fn try_send(&mut self, level: Level, text: &str) -> io::Result<()> {
        let line = frame(level, now(), text);
        if let Some(socket) = &self.socket {
            match socket.send(line.as_bytes()) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
                Err(_) => self.socket = None,
            }
        }
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.path)?;
        socket.set_nonblocking(true)?;
        socket.send(line.as_bytes())?;
        self.socket = Some(socket);
        Ok(())
    }
}

/// A message in the form of BSD syslog. The time is in UTC; OpenWrt's log puts its own in place.
//= RFC 3164 4.1: priority = facility * 8 + severity, then "Mmm dd hh:mm:ss", the day padded with a blank.
fn frame(level: Level, at: Wall, text: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let (_, month, day, hour, minute, second) = at.civil();
    let month = MONTHS.get((month as usize).wrapping_sub(1)).unwrap_or(&"Jan");
    let (priority, pid) = (DAEMON * 8 + severity, std::process::id());
    format!("<{priority}>{month} {day:2} {hour:02}:{minute:02}:{second:02} {IDENT}[{pid}]: {text}")
}

/// A log file and the one before it (`.1`).
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    open: Option<(File, u64)>,
}

impl LogFile {
    /// The log at `path`; folder and file are made with the first message.
    pub fn new(path: PathBuf) -> LogFile {
        LogFile { path, open: None }
    }

    fn write(&mut self, level: Level, text: &str) -> io::Result<()> {
        let line = format!("{} {} {text}\n", now(), word(level));
        let length = line.len() as u64;
        if self.open.as_ref().is_some_and(|(_, size)| size + length > MAX_FILE) {
            self.open = None;
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        if self.open.is_none() {
            if let Some(dir) = self.path.parent() {
                fs::create_dir_all(dir)?;
            }
            let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
            let size = file.metadata()?.len();
            self.open = Some((file, size));
        }
        match &mut self.open {
            Some((file, size)) => {
                *size += length;
                file.write_all(line.as_bytes())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn log(to: &Sinks, level: Level, target: &str, text: &str) {
        log::set_max_level(LevelFilter::Info);
        to.log(&Record::builder().level(level).target(target).args(format_args!("{text}")).build());
    }

    fn received(socket: &UnixDatagram) -> Vec<String> {
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4_096];
        let mut lines = Vec::new();
        while let Ok(length) = socket.recv(&mut buffer) {
            lines.push(String::from_utf8_lossy(buffer.get(..length).unwrap()).into_owned());
        }
        lines
    }

    //= RFC 3164 4.1
    #[test]
    fn the_system_log_gets_the_form_it_knows() {
        let at = Wall::parse("2026-08-01T02:03:04Z").unwrap();
        let pid = std::process::id();
        for (level, priority) in
            [(Level::Error, 27), (Level::Warn, 28), (Level::Info, 30), (Level::Debug, 31), (Level::Trace, 31)]
        {
            let want = format!("<{priority}>Aug  1 02:03:04 cpeagent[{pid}]: text");
            assert_eq!(frame(level, at, "text"), want);
        }
    }

    #[test]
    fn a_log_that_was_away_gets_the_next_message_and_how_many_were_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let sinks = Sinks::new(vec![Sink::Syslog(Syslog::new(&path))]);
        log(&sinks, Level::Info, "cpeagent", "nobody hears");
        log(&sinks, Level::Info, "cpeagent", "nobody hears");
        for round in ["first", "restarted"] {
            let socket = UnixDatagram::bind(&path).unwrap();
            log(&sinks, Level::Info, "cpeagent::io", round);
            let lines = received(&socket);
            assert!(lines.last().unwrap().ends_with(round), "{lines:?}");
            if round == "first" {
                assert!(lines.first().unwrap().ends_with("2 messages dropped"), "{lines:?}");
            }
            drop(socket);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_log_that_does_not_read_makes_nobody_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path);
        (0..10_000).for_each(|_| syslog.send(Level::Info, "x"));
        assert!(syslog.dropped > 0);
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\nb\tc\x1b[2J"), "a b c [2J");
        assert_eq!(one_line(&"x".repeat(MAX_LINE)).chars().count(), MAX_LINE);
        assert_eq!(one_line(&"x".repeat(MAX_LINE * 2)).chars().count(), MAX_LINE + 1);
        assert_eq!(one_line(&Secret::new("hunter2").to_string()), "***");
    }

    #[test]
    fn the_file_is_bounded_and_the_one_before_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let sinks = Sinks::new(sinks(Some(dir.path())).into_iter().skip(1).collect());
        let text = "x".repeat(MAX_LINE);
        for _ in 0..3 * MAX_FILE as usize / MAX_LINE {
            log(&sinks, Level::Info, "cpeagent", &text);
        }
        let size = |name: &str| fs::metadata(dir.path().join("tmp/log").join(name)).unwrap().len();
        assert!(size("cpeagent.log") <= MAX_FILE && size("cpeagent.log.1") <= MAX_FILE);
        assert_eq!(fs::read_dir(dir.path().join("tmp/log")).unwrap().count(), 2);
    }

    #[test]
    fn libraries_are_heard_from_warnings_up_only() {
        log::set_max_level(LevelFilter::Info);
        let sinks = Sinks::new(Vec::new());
        for (target, level, want) in [
            ("cpeagent::io", Level::Info, true),
            ("cpeagent", Level::Info, true),
            ("cpeagent", Level::Debug, false),
            ("rustls::client", Level::Info, false),
            ("rustls::client", Level::Warn, true),
            ("cpeagentx", Level::Info, false),
        ] {
            let metadata = Metadata::builder().target(target).level(level).build();
            assert_eq!(sinks.enabled(&metadata), want, "{target} {level}");
        }
    }
}
