//! The local socket: JSON lines from the commands a person types, answered by the running agent.
//!
//! Only root may connect (mode 0600). One request a line, one answer a line, in order.

use super::device::Device;
use super::disk::{Disk, RealDisk};
use super::pool;
use super::privileged;
use crate::agent::local::{Request, refusal};
use crate::dm::error::{Error, Refusal};
use crate::dm::tree::Tree;
use crate::openwrt::json;
use crate::sorted::Map;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

/// The socket, inside the root.
pub const SOCKET: &str = "/var/run/cpeagent.sock";
/// Longest request, in octets.
const MAX_REQUEST: u64 = 1 << 20;
/// Most connections at a time.
const MAX_CONNECTIONS: usize = 16;
/// Longest path a socket can have.
const MAX_PATH: usize = 100;

/// A request, to be answered under its number.
#[derive(Debug)]
pub struct Asked {
    /// The number.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

type Waiting = Arc<Mutex<(u64, Map<u64, oneshot::Sender<Tree>>)>>;

/// Asks the loop on behalf of somebody.
#[derive(Clone)]
pub struct Asker {
    waiting: Waiting,
    asks: mpsc::Sender<Asked>,
}

impl Asker {
    /// Requests go into `asks`, to be answered by [`Asker::answer`].
    pub fn new(asks: mpsc::Sender<Asked>) -> Asker {
        Asker { waiting: Waiting::default(), asks }
    }

    /// Gives an answer to whoever asked.
    pub fn answer(&self, id: u64, tree: &Tree) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(tree.clone());
        }
    }

    /// The answer of the loop; `None` when it is on its way down.
    pub async fn ask(&self, request: Request) -> Option<Tree> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.0 += 1;
            let id = waiting.0;
            waiting.1.insert(id, sender);
            id
        };
        self.asks.send(Asked { id, request }).await.ok()?;
        receiver.await.ok()
    }
}

/// The open socket.
pub struct Local {
    asker: Asker,
    path: Option<PathBuf>,
}

impl Local {
    /// Opens the socket of `device`; requests go into `asks`. Where it cannot be opened, that is logged.
    pub fn open(device: &Device, asks: mpsc::Sender<Asked>) -> Local {
        let asker = Asker::new(asks);
        let path = match Local::listen(device) {
            Ok((listener, path)) => {
                pool::spawn(accept(listener, asker.clone()));
                path
            }
            Err(error) => {
                log::error!("{SOCKET} cannot be opened: {error}");
                None
            }
        };
        Local { asker, path }
    }

    /// The socket and, where it is ours to remove, its path.
    fn listen(device: &Device) -> io::Result<(UnixListener, Option<PathBuf>)> {
        let (listener, path) = match privileged::local() {
            Some(listener) => (listener?, None),
            None => bind(&device.disk()).map(|(listener, path)| (listener, Some(path)))?,
        };
        listener.set_nonblocking(true)?;
        Ok((UnixListener::from_std(listener)?, path))
    }

    /// For those who ask by another way.
    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// Sends an answer to whoever asked.
    pub fn answer(&self, id: u64, tree: &Tree) {
        self.asker.answer(id, tree);
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Makes the socket that only root may connect to; also its path.
pub(super) fn bind(disk: &RealDisk) -> io::Result<(net::UnixListener, PathBuf)> {
    disk.make_dir("/var/run")?;
    let path = disk.host_path(SOCKET)?;
    let _ = std::fs::remove_file(&path);
    let (_folder, name) = short(&path)?;
    let listener = net::UnixListener::bind(name)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok((listener, path))
}

/// A path by which a socket can be named: one that is too long goes by its folder's descriptor, which must stay open.
pub fn short(path: &std::path::Path) -> io::Result<(Option<std::fs::File>, PathBuf)> {
    use std::os::fd::AsRawFd;
    if path.as_os_str().len() <= MAX_PATH {
        return Ok((None, path.to_path_buf()));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = std::fs::File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    Ok((Some(folder), short))
}

async fn accept(listener: UnixListener, asker: Asker) {
    let slots = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let asker = asker.clone();
        pool::spawn(async move {
            let _ = serve(stream, asker).await;
            drop(slot);
        });
    }
}

async fn serve(stream: UnixStream, asker: Asker) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let taken = (&mut read).take(MAX_REQUEST).read_until(b'\n', &mut line).await?;
        if taken == 0 {
            return Ok(());
        }
        let request =
            json::parse(&line).map_err(|error| error.to_string()).and_then(|tree| Request::from_tree(&tree));
        let answer = match request {
            Err(why) => json::write(&refusal(&[Error::new("", Refusal::InvalidArguments(why))])),
            Ok(request) => match asker.ask(request).await {
                Some(answer) => json::write(&answer),
                None => return Ok(()),
            },
        };
        write.write_all(answer.as_bytes()).await?;
        write.write_all(b"\n").await?;
        if !line.ends_with(b"\n") {
            return Ok(());
        }
    }
}
