//! Work that blocks, on a few threads of its own, so that the one loop never does.
//!
//! What is forced out to flash, what is read from files, names that are looked up, and TLS handshakes, whose elliptic
//! curves take tens of milliseconds on a small router. Owns the runtime, because the threads are part of it.

use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// Most threads. One each for the disk, sources, a name and a handshake; the others are for what hangs.
pub const THREADS: usize = 8;
/// How long a thread without work is kept.
const IDLE: Duration = Duration::from_secs(10);
/// How long work under way may last on when the program ends; a name that is looked up is not waited for.
pub const LAST_WAIT: Duration = Duration::from_secs(2);
/// One handshake at a time: two would take twice as long each.
static HANDSHAKES: Semaphore = Semaphore::const_new(1);

/// The runtime of the program: one loop, and the threads of the pool.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).thread_keep_alive(IDLE).build()
}

/// What is done beside the loop's own waiting.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts a task on the loop. In a box: what the runtime needs for a task is then in the program once, and not for
/// each kind of task.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let work: Work = Box::pin(work);
    tokio::spawn(work)
}

/// Does work that blocks. Once begun it is carried through, also where nobody waits for it any more.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = Done::default();
    let found = done.clone();
    let work = move || done.put(work());
    match carry_through(Box::new(work)).await {
        Ok(()) => found.take().expect("work that was carried through put what it found"),
        Err(failed) if failed.is_panic() => resume_unwind(failed.into_panic()),
        // The runtime is on its way down, and this task with it.
        Err(_) => std::future::pending().await,
    }
}

/// Where a thread puts what it found: the runtime knows but one kind of work, for the same reason as in [`spawn`].
struct Done<T>(Arc<Mutex<Option<T>>>);

impl<T> Default for Done<T> {
    fn default() -> Done<T> {
        Done(Arc::new(Mutex::new(None)))
    }
}

impl<T> Clone for Done<T> {
    fn clone(&self) -> Done<T> {
        Done(self.0.clone())
    }
}

impl<T> Done<T> {
    fn put(&self, found: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn carry_through(work: Box<dyn FnOnce() + Send>) -> JoinHandle<()> {
    tokio::task::spawn_blocking(work)
}

/// Runs a future that computes for long between its waits, on a thread of the pool; one at a time.
///
/// Dropped, it ends at its next wait. `None` where the thread ends without a result, as it does when the runtime does.
pub async fn compute<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    compute_in(&HANDSHAKES, work).await
}

/// As [`compute`], with turns of its own, so that peers who dawdle hold up only their like.
pub async fn compute_in<T: Send + 'static>(
    turns: &Semaphore,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let done = Done::default();
    let found = done.clone();
    compute_work(turns, Box::pin(async move { done.put(work.await) })).await;
    found.take()
}

async fn compute_work(turns: &Semaphore, work: Work) {
    let Ok(_turn) = turns.acquire().await else { return };
    let (kept, dropped) = oneshot::channel::<()>();
    let runtime = Handle::current();
    let done = carry_through(Box::new(move || {
        runtime.block_on(async {
            tokio::select! {
                () = work => {}
                _ = dropped => {}
            }
        });
    }));
    let _ = done.await;
    drop(kept);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_loop_goes_on_while_work_blocks() {
        runtime().unwrap().block_on(async {
            let (go, wait) = mpsc::channel();
            let (there, mut begun) = tokio::sync::mpsc::channel(1);
            let work = tokio::spawn(run(move || {
                there.blocking_send(std::thread::current().id()).unwrap();
                wait.recv().unwrap()
            }));
            let thread = begun.recv().await.unwrap();
            assert_ne!(thread, std::thread::current().id());
            go.send(7).unwrap();
            assert_eq!(work.await.unwrap(), 7);
        });
    }

    #[test]
    fn what_computes_runs_elsewhere_uses_sockets_and_ends_when_nobody_waits() {
        runtime().unwrap().block_on(async {
            let here = std::thread::current().id();
            let done = compute(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let to = listener.local_addr().unwrap();
                let (near, far) = tokio::join!(tokio::net::TcpStream::connect(to), listener.accept());
                (near.is_ok() && far.is_ok(), std::thread::current().id() != here)
            });
            assert_eq!(done.await, Some((true, true)));
            let (alive, mut gone) = tokio::sync::mpsc::channel::<()>(1);
            let (there, mut begun) = tokio::sync::mpsc::channel(1);
            let endless = tokio::spawn(compute(async move {
                let _alive = alive;
                there.send(()).await.unwrap();
                std::future::pending::<()>().await;
            }));
            begun.recv().await.unwrap();
            endless.abort();
            assert!(gone.recv().await.is_none(), "it was dropped");
            assert_eq!(compute(async { 1 }).await, Some(1), "and its turn is over");
        });
    }
}
