//! Threads that serve viewers, each with a runtime of its own. All viewers of a session live on one of them, and with them
//! the connection to its runner: a frame goes from the runner's socket to theirs without waking another thread, which
//! would cost more than all that is done with the frame.
//!
//! There are more threads than processors, so that the system divides the processors between sessions that flood and
//! those that do not: on one thread the second would queue behind the first.

use std::{
    collections::HashMap,
    future::Future,
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread::{self, JoinHandle},
};

use podling_session::id::Uid;
use tokio::{
    runtime::{Builder, Handle},
    task::spawn_blocking,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

const SHARDS_PER_PROCESSOR: usize = 2;

pub(crate) struct Shards {
    shards: Vec<Shard>,
    /// Where the viewers of a session are, while it has any.
    homes: Mutex<HashMap<Uid, Weak<Home>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: CancellationToken,
    _stop: DropGuard,
}

struct Shard {
    runtime: Handle,
    /// Held by each session here.
    load: Arc<()>,
}

struct Home {
    runtime: Handle,
    _load: Arc<()>,
}

impl Shards {
    /// # Errors
    /// When a thread cannot be started.
    pub(crate) fn start() -> io::Result<Shards> {
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get) * SHARDS_PER_PROCESSOR;
        let stop = CancellationToken::new();
        let started = (0..count).map(|_| start(stop.clone())).collect::<io::Result<Vec<_>>>()?;
        let (shards, threads) = started.into_iter().unzip();
        let _stop = stop.clone().drop_guard();
        Ok(Shards { shards, homes: Mutex::default(), threads: Mutex::new(threads), stop, _stop })
    }

    /// Starts a viewer's task where those of its session are, or on the thread with the fewest sessions.
    pub(crate) fn spawn(&self, tasks: &TaskTracker, uid: Uid, viewer: impl Future<Output = ()> + Send + 'static) {
        let home = self.home(uid);
        let runtime = home.runtime.clone();
        let viewer = Box::pin(viewer); // Or the task would hold it twice: as given, and as it is run.
        let task = async move {
            viewer.await;
            drop(home);
        };
        tasks.spawn_on(task, &runtime);
    }

    fn home(&self, uid: Uid) -> Arc<Home> {
        let mut homes = lock(&self.homes);
        if let Some(home) = homes.get(&uid).and_then(Weak::upgrade) {
            return home;
        }
        homes.retain(|_, home| home.strong_count() > 0);
        let shard = self.shards.iter().min_by_key(|shard| Arc::strong_count(&shard.load));
        let Shard { runtime, load } = shard.expect("there is a processor");
        let home = Arc::new(Home { runtime: runtime.clone(), _load: Arc::clone(load) });
        homes.insert(uid, Arc::downgrade(&home));
        home
    }

    /// Ends the threads and whatever still runs on them.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        let threads = std::mem::take(&mut *lock(&self.threads));
        let joined = spawn_blocking(|| threads.into_iter().try_for_each(JoinHandle::join)).await;
        debug_assert!(matches!(joined, Ok(Ok(()))), "a task's panic stays within it");
    }
}

fn start(stop: CancellationToken) -> io::Result<(Shard, JoinHandle<()>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let shard = Shard { runtime: runtime.handle().clone(), load: Arc::default() };
    let serve = move || runtime.block_on(stop.cancelled_owned());
    Ok((shard, thread::Builder::new().name("viewers".into()).spawn(serve)?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use tokio::sync::oneshot;

    use super::*;

    /// A viewer who stays, and the thread that serves it.
    async fn viewer(shards: &Shards, tasks: &TaskTracker, uid: Uid) -> (oneshot::Sender<()>, ThreadId) {
        let ((leave, left), (tell, told)) = (oneshot::channel(), oneshot::channel());
        shards.spawn(tasks, uid, async move {
            let _ = tell.send(thread::current().id());
            let _: Result<(), _> = left.await;
        });
        (leave, told.await.expect("it runs"))
    }

    #[tokio::test]
    async fn the_viewers_of_a_session_share_a_thread_that_other_sessions_leave_alone() {
        let (shards, tasks) = (Shards::start().expect("threads"), TaskTracker::new());
        let (one, other) = (Uid::new(), Uid::new());
        let (first, place) = viewer(&shards, &tasks, one).await;
        let (_second, same) = viewer(&shards, &tasks, one).await;
        let (_third, another) = viewer(&shards, &tasks, other).await;
        assert_eq!(place, same);
        assert_ne!(place, another);
        assert_ne!(place, thread::current().id());
        drop(first);
        assert_eq!(viewer(&shards, &tasks, one).await.1, place, "the session stays while it has a viewer");
    }

    #[tokio::test]
    async fn a_session_without_viewers_is_forgotten() {
        let (shards, tasks) = (Shards::start().expect("threads"), TaskTracker::new());
        drop(viewer(&shards, &tasks, Uid::new()).await);
        tasks.close();
        tasks.wait().await;
        assert!(shards.shards.iter().all(|shard| Arc::strong_count(&shard.load) == 1));
        let _viewer = viewer(&shards, &tasks, Uid::new()).await;
        assert_eq!(lock(&shards.homes).len(), 1);
    }

    #[tokio::test]
    async fn closing_ends_what_still_runs() {
        let (shards, tasks) = (Shards::start().expect("threads"), TaskTracker::new());
        let (mut stays, _) = viewer(&shards, &tasks, Uid::new()).await;
        shards.close().await;
        assert!(stays.is_closed());
        stays.closed().await;
    }
}
