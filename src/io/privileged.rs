//! What takes root, behind one narrow door.
//!
//! Commits, the stores, reboot and reset, files that only root may read, and the few sockets that only root may make are an
//! [`Ask`] each, and nothing else is. In a folder, and where there is no user to run as, [`Keeper`] carries them out in this process.
//! On a router it lives in a process of its own ([`root`]), which was started first and holds no socket of the network; the
//! part that talks to the network runs as another user and asks it over a socket pair (`wire`). What is asked is judged by
//! [`rules`], because whoever asks may have been taken over. Driven by `io::run`; nothing here is asynchronous: asking waits.

mod jail;
pub mod root;
pub mod rules;
#[cfg(test)]
mod tests;
mod wire;

use super::announce;
use super::audit::{Place, Trail};
use super::commit::{self, Request};
use super::disk::{Disk, Lock, MAX_FILE, RealDisk, Stat};
use super::facts;
use super::firewall::{self, Opening};
use super::guard;
use super::program;
use super::store::{DIR, Store};
use crate::agent::NotCommitted;
use crate::agent::guard::Undone;
use crate::state::State;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::geteuid;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Where a second agent is kept out, and how long the first may take to end.
const LOCK: &str = "/var/run/cpeagent.lock";
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// What root is asked for. All there is.
#[derive(Debug)]
pub enum Ask {
    /// What the stores held at the start: [`Answer::Opened`].
    Open,
    /// A commit: [`Answer::Committed`].
    Commit(Request),
    /// The state becomes this one.
    Save(Box<State>),
    /// Events come in; the second is what all come to with them. See [`Store::note`].
    Note(Vec<String>, Vec<String>),
    /// What a manager did not confirm is undone, with a note for the state: [`Answer::Undone`].
    TakeBack(Box<str>, String),
    /// It is no longer kept how to undo what a manager changed.
    Release(Box<str>),
    /// Lines of the audit, on flash if so, with so many KiB a file. What cannot be written is lost.
    Audit(bool, u32, Vec<String>),
    /// The services were told of packages as they were after this commit.
    Announced(u64, Vec<Box<str>>),
    /// A file, up to so many octets: [`Answer::Content`].
    Read(String, u64),
    /// What is known of a file: [`Answer::Stat`].
    Stat(String),
    /// The names in a folder: [`Answer::Names`].
    List(String),
    /// The socket that only root may connect to, listening: [`Answer::Socket`].
    Local,
    /// A raw socket for ICMP, of IPv6 if so: [`Answer::Socket`].
    Echo(bool),
    /// The routing mark of packets that leave by this socket.
    Mark(u32, OwnedFd),
    /// What the hostapd of this router was built with: [`Answer::Names`].
    Hostapd,
    /// The firewall is opened like this for our ports, and no other way.
    Openings(Vec<Opening>),
    /// The priority of packets that leave by this socket.
    Priority(u8, OwnedFd),
    /// The device restarts.
    Reboot,
    /// What the agent remembers is forgotten; a router is reset to its factory state, too, and restarts.
    FactoryReset,
}

impl Ask {
    /// Whether it may wait for a lock, for flash, or for a program.
    fn is_slow(&self) -> bool {
        match self {
            Ask::Open
            | Ask::Commit(_)
            | Ask::Save(_)
            | Ask::Note(..)
            | Ask::TakeBack(..)
            | Ask::Release(_)
            | Ask::Audit(..)
            | Ask::Announced(..)
            | Ask::Hostapd
            | Ask::Openings(_)
            | Ask::Reboot
            | Ask::FactoryReset => true,
            Ask::Read(..)
            | Ask::Stat(_)
            | Ask::List(_)
            | Ask::Local
            | Ask::Echo(_)
            | Ask::Mark(..)
            | Ask::Priority(..) => false,
        }
    }
}

/// What comes back.
#[derive(Debug)]
pub enum Answer {
    /// It is done, and durable where it was to be.
    Done,
    /// It was not.
    Failed(io::Error),
    /// To [`Ask::Open`].
    Opened(Box<Opened>),
    /// To [`Ask::TakeBack`]; what cannot be is told as of a commit.
    Undone(Box<Undone>),
    /// To [`Ask::Commit`]: its number and the packages that are other ones now.
    Committed(Result<(u64, Vec<Box<str>>), NotCommitted>),
    /// To [`Ask::Read`].
    Content(Vec<u8>),
    /// To [`Ask::Stat`].
    Stat(Stat),
    /// To [`Ask::List`] and [`Ask::Hostapd`].
    Names(Vec<String>),
    /// To [`Ask::Local`] and [`Ask::Echo`].
    Socket(OwnedFd),
}

impl Answer {
    /// For what is done or not.
    pub fn done(self) -> io::Result<()> {
        match self {
            Answer::Done => Ok(()),
            other => Err(other.failure()),
        }
    }

    /// Why there is nothing else in it.
    pub fn failure(self) -> io::Error {
        match self {
            Answer::Failed(error) => error,
            _ => io::ErrorKind::InvalidData.into(),
        }
    }
}

/// What the stores held at the start.
#[derive(Debug, Default)]
pub struct Opened {
    /// The state.
    pub state: State,
    /// The undelivered events.
    pub events: Vec<String>,
    /// The packages of which the services have not been told.
    pub unannounced: Vec<Box<str>>,
    /// The calls that were asked for and not made.
    pub calls: Vec<Box<str>>,
}

/// What does the work: the only one who writes the stores, and the packages while it lives.
pub struct Keeper {
    disk: Arc<RealDisk>,
    /// Whether the device is one in a folder, which nothing outside of is done to.
    folder: bool,
    /// The packages that may be written.
    packages: Vec<String>,
    unannounced: Vec<Box<str>>,
    calls: Vec<Box<str>>,
    /// Held by one piece of work at a time.
    store: Mutex<Store>,
    trail: Mutex<Trail>,
    _alone: Lock,
}

impl Keeper {
    /// Opens the stores, and finishes what was interrupted.
    ///
    /// Fails, in words, where a second agent runs or the stores cannot be read at all; everything else is logged and lived with.
    pub fn open(disk: Arc<RealDisk>, folder: bool) -> Result<Keeper, String> {
        let alone = alone(&*disk).map_err(|e| format!("another agent seems to run ({LOCK}): {e}"))?;
        let (mut store, origin, faults) =
            Store::load(&*disk).map_err(|e| format!("the agent's state cannot be read: {e}"))?;
        for fault in faults {
            log::warn!("{fault}");
        }
        log::debug!("state: {origin:?}");
        let (mut unannounced, calls) = announce::left(&*disk);
        match commit::recover(&*disk, &mut store) {
            Ok(commit::Recovered::Nothing) => {}
            Ok(done) => {
                log::warn!("{done}");
                if let commit::Recovered::Finished(packages) = done {
                    // At a boot nobody listens yet; where only the agent was started again, the services do not know.
                    unannounced.extend(packages);
                }
            }
            Err(why) => log::error!("an interrupted change cannot be dealt with: {why}"),
        }
        let tidied = guard::tidy(&*disk, store.state());
        tidied.unwrap_or_else(|why| log::warn!("changes that were confirmed: {why}"));
        let packages = rules::packages(&*disk);
        Ok(Keeper {
            disk,
            folder,
            packages,
            unannounced,
            calls,
            store: Mutex::new(store),
            trail: Mutex::default(),
            _alone: alone,
        })
    }

    /// Carries out what is asked. May take as long as the disk does.
    pub fn serve(&self, ask: Ask) -> Answer {
        if let Ask::Openings(openings) = &ask {
            // Nothing waits for procd.
            return self.open_firewall(openings).map_or_else(Answer::Failed, |()| Answer::Done);
        }
        if let Ask::Hostapd = ask {
            return Answer::Names(if self.folder { Vec::new() } else { facts::hostapd_words() });
        }
        let disk = &*self.disk;
        if let Ask::Audit(flash, kib, lines) = &ask {
            let mut trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
            trail.write(disk, &Place::new(*flash, *kib), lines);
            return Answer::Done;
        }
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let done = match ask {
            Ask::Open => {
                return Answer::Opened(Box::new(Opened {
                    state: store.state().clone(),
                    events: store.events().iter().map(|(_, text)| text.to_string()).collect(),
                    unannounced: self.unannounced.clone(),
                    calls: self.calls.clone(),
                }));
            }
            Ask::Commit(request) => {
                let done = rules::judge(&request.edits, &self.packages)
                    .and_then(|()| commit::commit(disk, &mut store, &request));
                return Answer::Committed(
                    done.map(|done| (done.sequence, done.packages)).map_err(NotCommitted::from),
                );
            }
            Ask::TakeBack(manager, note) => {
                return match guard::take_back(disk, &mut store, &manager, &note) {
                    Ok(undone) => Answer::Undone(Box::new(undone)),
                    Err(error) => Answer::Committed(Err(error.into())),
                };
            }
            Ask::Release(manager) => guard::release(disk, &manager),
            Ask::Save(state) => store.save(disk, *state),
            Ask::Note(texts, whole) => store.note(disk, &texts, &whole),
            Ask::Announced(upto, packages) => announce::told(disk, upto, &packages),
            Ask::Reboot => self.run("/sbin/reboot", &[]),
            Ask::FactoryReset => {
                forget(disk);
                self.run("/sbin/firstboot", &["-y", "-r"])
            }
            Ask::Read(..)
            | Ask::Stat(_)
            | Ask::List(_)
            | Ask::Local
            | Ask::Echo(_)
            | Ask::Mark(..)
            | Ask::Priority(..)
            | Ask::Audit(..)
            | Ask::Hostapd
            | Ask::Openings(_) => {
                drop(store);
                return look(disk, ask);
            }
        };
        done.map_or_else(Answer::Failed, |()| Answer::Done)
    }

    fn open_firewall(&self, openings: &[Opening]) -> io::Result<()> {
        let run = |command: &[String; 6]| self.run("/bin/ubus", &command.each_ref().map(String::as_str));
        let [newer, older] = firewall::commands(openings);
        run(&newer).or_else(|_| run(&older))
    }

    /// Runs a program of the router.
    fn run(&self, path: &str, arguments: &[&str]) -> io::Result<()> {
        if self.folder || program::run(path, arguments) { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
    }
}

/// What needs no store, and therefore waits for nobody.
fn look(disk: &RealDisk, ask: Ask) -> Answer {
    let done = match ask {
        Ask::Read(path, limit) => disk.read(&path, limit.min(MAX_FILE)).map(Answer::Content),
        Ask::Stat(path) => disk.stat(&path).map(Answer::Stat),
        Ask::List(path) => disk.list(&path).map(Answer::Names),
        Ask::Local => super::local::bind(disk).map(|(socket, _)| Answer::Socket(socket.into())),
        Ask::Echo(v6) => super::diag::raw_socket(v6).map(|socket| Answer::Socket(socket.into())),
        Ask::Mark(mark, socket) => socket2::SockRef::from(&socket).set_mark(mark).map(|()| Answer::Done),
        Ask::Priority(priority, socket) => {
            socket2::SockRef::from(&socket).set_priority(priority.into()).map(|()| Answer::Done)
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    done.unwrap_or_else(Answer::Failed)
}

/// Keeps a second agent out while the result lives.
fn alone(disk: &dyn Disk) -> io::Result<Lock> {
    disk.make_dir("/var/run")?;
    disk.extend(LOCK, b"")?;
    disk.lock(LOCK, LOCK_WAIT)
}

/// Removes what the agent remembers.
fn forget(disk: &dyn Disk) {
    for name in disk.list(DIR).unwrap_or_default() {
        let path = format!("{DIR}/{name}");
        // Certificates and drop-ins came with the firmware or from a person, not from a manager.
        if !disk.stat(&path).is_ok_and(|stat| stat.is_dir)
            && let Err(error) = disk.remove(&path)
        {
            log::error!("{path} is not removed: {error}");
        }
    }
}

/// Who carries out what takes root.
#[derive(Clone)]
pub enum Privileged {
    /// This process.
    Here(Arc<Keeper>),
    /// Another one.
    Behind(&'static Client),
}

impl Privileged {
    /// Who does it for this process; the stores of `disk` are opened where it does so itself.
    pub fn open(disk: Arc<RealDisk>, folder: bool) -> Result<Privileged, String> {
        match behind() {
            Some(client) => Ok(Privileged::Behind(client)),
            None => Ok(Privileged::Here(Arc::new(Keeper::open(disk, folder)?))),
        }
    }

    /// As whom the program runs, for `status`; nothing where it is no router's.
    pub fn words(&self) -> Option<&'static str> {
        match self {
            Privileged::Behind(_) if is_jailed() => {
                Some("what talks to the network runs without root, in a jail")
            }
            Privileged::Behind(_) => {
                Some("what talks to the network runs without root; it has no jail, the log says why")
            }
            Privileged::Here(keeper) if keeper.folder || !geteuid().is_root() => None,
            Privileged::Here(_) => Some("all runs as root: no user cpeagent, or the log says why"),
        }
    }

    /// Asks, and waits for the answer.
    pub fn ask(&self, ask: Ask) -> Answer {
        match self {
            Privileged::Here(keeper) => keeper.serve(ask),
            Privileged::Behind(client) => client.ask(&ask),
        }
    }
}

/// Whether this process can write nowhere, not even where everybody may.
fn is_jailed() -> bool {
    statvfs("/tmp").is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// The way to the root part, from a process that has one.
static BEHIND: OnceLock<Client> = OnceLock::new();

/// The way to the root part; none in a process that does everything itself.
fn behind() -> Option<&'static Client> {
    BEHIND.get()
}

/// Asks the root part for what the kernel has just refused to this process, and gives `refused` back where there is none.
fn instead<T>(
    refused: io::Error,
    ask: impl FnOnce() -> io::Result<Ask>,
    take: impl FnOnce(Answer) -> Result<T, Answer>,
) -> io::Result<T> {
    match behind() {
        Some(client) if refused.kind() == io::ErrorKind::PermissionDenied => {
            take(client.ask(&ask()?)).map_err(Answer::failure)
        }
        Some(_) | None => Err(refused),
    }
}

/// A file from the root part, where the kernel has refused it.
pub(super) fn read(refused: io::Error, path: &str, limit: u64) -> io::Result<Vec<u8>> {
    instead(
        refused,
        || Ok(Ask::Read(path.into(), limit)),
        |answer| match answer {
            Answer::Content(content) => Ok(content),
            other => Err(other),
        },
    )
}

/// What is known of a file, likewise.
pub(super) fn stat(refused: io::Error, path: &str) -> io::Result<Stat> {
    instead(
        refused,
        || Ok(Ask::Stat(path.into())),
        |answer| match answer {
            Answer::Stat(stat) => Ok(stat),
            other => Err(other),
        },
    )
}

/// The names in a folder, likewise.
pub(super) fn list(refused: io::Error, dir: &str) -> io::Result<Vec<String>> {
    instead(
        refused,
        || Ok(Ask::List(dir.into())),
        |answer| match answer {
            Answer::Names(names) => Ok(names),
            other => Err(other),
        },
    )
}

/// The socket for the command line, where the root part opens it.
pub(super) fn local() -> Option<io::Result<std::os::unix::net::UnixListener>> {
    match behind()?.ask(&Ask::Local) {
        Answer::Socket(socket) => Some(Ok(socket.into())),
        other => Some(Err(other.failure())),
    }
}

/// What the hostapd of this router was built with; where there is a root part, this one starts no programs. Waits for them.
pub(super) fn hostapd() -> Vec<String> {
    match behind().map(|client| client.ask(&Ask::Hostapd)) {
        Some(Answer::Names(words)) => words,
        Some(_) => Vec::new(),
        None => facts::hostapd_words(),
    }
}

/// A raw socket for ICMP from the root part, where the kernel has refused one.
pub(super) fn echo(refused: io::Error, v6: bool) -> io::Result<socket2::Socket> {
    instead(
        refused,
        || Ok(Ask::Echo(v6)),
        |answer| match answer {
            Answer::Socket(socket) => Ok(socket.into()),
            other => Err(other),
        },
    )
}

/// Has the root part set a routing mark, where the kernel has refused to.
pub(super) fn mark(refused: io::Error, socket: &impl AsFd, mark: u32) -> io::Result<()> {
    done_instead(refused, || Ok(Ask::Mark(mark, socket.as_fd().try_clone_to_owned()?)))
}

/// Has the root part set the priority of packets, where the kernel has refused to.
pub(super) fn priority(refused: io::Error, socket: &impl AsFd, priority: u8) -> io::Result<()> {
    done_instead(refused, || Ok(Ask::Priority(priority, socket.as_fd().try_clone_to_owned()?)))
}

fn done_instead(refused: io::Error, ask: impl FnOnce() -> io::Result<Ask>) -> io::Result<()> {
    instead(refused, ask, |answer| match answer {
        Answer::Done => Ok(()),
        other => Err(other),
    })
}

/// The way from the part that talks to the network to the root part: a lane for what is quick and one for what waits for
/// flash, one question at a time on each.
#[derive(Debug)]
pub struct Client {
    quick: Mutex<UnixStream>,
    slow: Mutex<UnixStream>,
}

impl Client {
    /// Over these two lanes.
    pub fn new(quick: UnixStream, slow: UnixStream) -> Client {
        Client { quick: Mutex::new(quick), slow: Mutex::new(slow) }
    }

    /// Asks, and waits for the answer. Where the root part is gone, [`Answer::Failed`].
    pub fn ask(&self, ask: &Ask) -> Answer {
        let lane = if ask.is_slow() { &self.slow } else { &self.quick };
        let lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
        wire::call(&lane, ask).unwrap_or_else(Answer::Failed)
    }
}
