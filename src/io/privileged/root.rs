//! The root part of the agent on a router: starts the part that talks to the network as another user, and serves it.
//!
//! [`run`] is what procd starts. It opens no socket of the network, reads no XML and speaks no TLS. The other part is this same
//! program, started again as the user [`USER`] without groups, capabilities or a way to get any, in a jail, with the ends of
//! two socket pairs as standard input and output ([`enter`]). Whichever ends takes the other with it, and procd starts both again.

use super::jail::Jail;
use super::{Answer, BEHIND, Client, Keeper, rules, wire};
use crate::io::disk::{Disk, RealDisk};
use crate::io::local::SOCKET;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, getpid, kill_process, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set, set_no_new_privs};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use tokio::sync::mpsc;

/// The user that the part that talks to the network runs as, where there is one.
pub const USER: &str = "cpeagent";
/// The command that is this part; `run` starts it.
pub const COMMAND: &str = "network-part";
/// Most threads that the user may have: those of the pool, several times over, and not as many as a router can take.
const MOST_THREADS: u64 = 128;
/// The exit status where the other part was ended by a signal.
const KILLED: u8 = 1;

/// A user and the group of the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The number of the user, which is not 0.
    pub id: u32,
    /// The number of the group.
    pub group: u32,
}

/// The account that the part that talks to the network runs as; none where there is no such user, or it is root.
///
/// Source: `/etc/passwd`, `NAME:PASSWORD:UID:GID:…`.
pub fn user(disk: &dyn Disk) -> Option<User> {
    let text = disk.read_text("/etc/passwd").ok()?;
    let mut fields =
        text.lines().find_map(|line| line.strip_prefix(USER)?.strip_prefix(':'))?.split(':').skip(1);
    let mut number = || fields.next()?.parse().ok();
    let (id, group) = (number()?, number()?);
    (id != 0).then_some(User { id, group })
}

/// What the threads tell the first one.
enum Told {
    /// The other part runs under this number, or why it cannot.
    Started(io::Result<u32>),
    /// It has ended with this status.
    Ended(u8),
    /// What it says means nothing.
    Broken(io::Error),
    /// The other part is going to be started in it.
    Jailed(Jail),
    /// The other part asks: it has loaded what it consists of.
    Begun,
    /// The system has another `/` than the jail.
    Moved,
}

/// Keeps passwords where they are: from now on this process leaves no core dump, whatever the limits say, and only root can look
/// into its memory, not another process of the same user. A program that is started begins without.
pub fn hide_memory() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        log::warn!("a core dump would show passwords: {error}");
    }
}

/// Runs the part that talks to the network as `user` and serves it until it ends; its exit status.
///
/// Why it cannot be, in words, where it has not begun.
pub fn run(disk: Arc<RealDisk>, user: User, verbose: bool) -> Result<u8, String> {
    let failed = |error: io::Error| error.to_string();
    let keeper = Arc::new(Keeper::open(disk.clone(), false)?);
    let (told, mut hear) = mpsc::channel(4);
    let mut far = Vec::new();
    for _ in 0..2 {
        let (near, other) = UnixStream::pair().map_err(failed)?;
        far.push(OwnedFd::from(other));
        let (keeper, told) = (keeper.clone(), told.clone());
        thread::spawn(move || {
            // Until it asks, it may still be loading what it consists of.
            let _ = poll(&mut [PollFd::new(&near, PollFlags::IN)], None);
            let _ = told.blocking_send(Told::Begun);
            if let Err(error) = serve(&near, &keeper) {
                let _ = told.blocking_send(Told::Broken(error));
            }
        });
    }
    let teller = told.clone();
    thread::spawn(move || start(user, verbose, far, &teller));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let status = runtime.block_on(async {
        let mut ended = crate::io::signals::ended();
        let (mut pid, mut jail) = (None, None);
        let signal = |pid: Option<Pid>, signal| pid.map(|pid| kill_process(pid, signal));
        loop {
            tokio::select! {
                Some(heard) = hear.recv() => match heard {
                    Told::Started(Ok(id)) => pid = Pid::from_raw(id.cast_signed()),
                    Told::Started(Err(error)) => return Err(error.to_string()),
                    Told::Ended(status) => return Ok(status),
                    Told::Broken(error) => {
                        log::error!("the part that talks to the network means nothing: {error}");
                        signal(pid, Signal::KILL);
                    }
                    Told::Jailed(its) => jail = Some(its),
                    Told::Begun => {
                        if let Some(jail) = jail.take() {
                            let told = told.clone();
                            thread::spawn(move || follow(jail, &told));
                        }
                    }
                    Told::Moved => {
                        log::info!("the system has another file system at /: starting again");
                        signal(pid, Signal::TERM);
                    }
                },
                () = ended.recv(), if pid.is_some() => drop(signal(pid, Signal::TERM)),
            }
        }
    });
    if let Ok(socket) = disk.host_path(SOCKET) {
        let _ = std::fs::remove_file(socket);
    }
    status
}

/// Answers questions on one lane until nobody asks any more.
pub(super) fn serve(lane: &UnixStream, keeper: &Keeper) -> io::Result<()> {
    while let Some(ask) = wire::next(lane)? {
        let answer = match rules::admit(&ask, &*keeper.disk) {
            Ok(()) => rules::mask(ask, |ask| keeper.serve(ask)),
            Err(refused) => Answer::Failed(refused),
        };
        match wire::answer(lane, &answer) {
            // It ended while it was answered.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}

/// Starts the other part and waits for its end, in a thread that has given up what that part must not have.
///
/// The thread lasts as long as the other part, which ends with the thread that started it.
fn start(user: User, verbose: bool, lanes: Vec<OwnedFd>, told: &mpsc::Sender<Told>) {
    match Jail::enter() {
        Ok(jail) => drop(told.blocking_send(Told::Jailed(jail))),
        Err(error) => log::warn!("the part that talks to the network has no jail: {error}"),
    }
    let mut child = match child(user, verbose, lanes) {
        Ok(child) => child,
        Err(error) => return drop(told.blocking_send(Told::Started(Err(error)))),
    };
    let _ = told.blocking_send(Told::Started(Ok(child.id())));
    let status = child.wait().unwrap_or_default();
    if let Some(fault) = fault(status) {
        log::error!("the part that talks to the network {fault}");
    }
    let _ = told
        .blocking_send(Told::Ended(status.code().and_then(|code| code.try_into().ok()).unwrap_or(KILLED)));
}

fn follow(jail: Jail, told: &mpsc::Sender<Told>) {
    match jail.follow() {
        Ok(()) => drop(told.blocking_send(Told::Moved)),
        Err(error) => log::warn!("what is mounted from now on is not seen: {error}"),
    }
}

/// What to say of a program that a signal ended: a router's program tells nothing of a fault of its own, it stops where it is
/// (`docs/decisions/0016`).
pub(super) fn fault(status: ExitStatus) -> Option<String> {
    let signal = status.signal()?;
    let own = [Signal::ILL, Signal::TRAP, Signal::ABORT, Signal::BUS, Signal::FPE, Signal::SEGV];
    let own = own.iter().any(|one| one.as_raw() == signal);
    let why = if own { ": a fault of the program; please report it" } else { "" };
    Some(format!("was ended by signal {signal}{why}"))
}

fn child(user: User, verbose: bool, lanes: Vec<OwnedFd>) -> io::Result<std::process::Child> {
    // Those that the kernel does not know are refused.
    for capability in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
    set_no_new_privs(true)?;
    let mut lanes = lanes.into_iter().map(Stdio::from);
    let (Some(quick), Some(slow)) = (lanes.next(), lanes.next()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).args(verbose.then_some("--verbose"));
    // Leaves the groups, too; without the user 0 the kernel takes all capabilities.
    command.env_clear().current_dir("/").stdin(quick).stdout(slow).gid(user.group).uid(user.id);
    command.spawn()
}

/// Makes this process the part that talks to the network: from now on root is asked over standard input and output.
///
/// Fails where it was not started by [`run`].
pub fn enter() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let lane = |end: OwnedFd| {
        // A terminal or a file is none.
        rustix::net::sockopt::socket_domain(&end)?;
        io::Result::Ok(UnixStream::from(end))
    };
    let quick = lane(io::stdin().as_fd().try_clone_to_owned()?)?;
    let slow = lane(io::stdout().as_fd().try_clone_to_owned()?)?;
    // What reads or prints by mistake does not get in between.
    let nowhere = File::options().read(true).write(true).open(Path::new("/dev/null"))?;
    rustix::stdio::dup2_stdin(&nowhere)?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    limit();
    log::debug!("process {} asks root over a socket pair", getpid().as_raw_nonzero());
    BEHIND.set(Client::new(quick, slow)).map_err(|_| io::ErrorKind::AlreadyExists.into())
}

/// Takes from this process, for good, what it has no use for: to write files, and more threads than a router can take.
fn limit() {
    let most = |most| Rlimit { current: Some(most), maximum: Some(most) };
    let _ = setrlimit(Resource::Nproc, most(MOST_THREADS));
    // A file that somebody has standard error go to would be the end of it.
    if !fstat(io::stderr()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file()) {
        let _ = setrlimit(Resource::Fsize, most(0));
    }
}
