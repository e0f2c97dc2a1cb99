//! Runners as processes of this machine.
//!
//! Each has a directory `runners/{launch name}` below the data directory, and lives as long as the `lock` in it is held
//! (see `dir`). The lock is taken here and inherited: there is no moment at which a controller that is killed leaves a
//! runner without a lock, or a lock without a runner. Own children and those of a controller before us or beside us are
//! treated alike; only the exit code of the latter stays unknown.

mod dir;
mod process;
mod spawn;
mod uids;
mod warden;

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use podling_daemon::grpc::MAX_SOCKET_PATH;
use podling_session::{
    id::{Incarnation, LaunchName, Uid},
    launch::{Launch, LaunchError, Launched, Launcher},
};
use tokio::{
    process::Child,
    time::{Instant, timeout},
};
use tracing::{info, warn};

pub use self::spawn::RunnerProgram;
use self::{
    dir::{Left, RunnerDir},
    uids::Uids,
    warden::Warden,
};

/// How long a lock may be held by somebody who is not known yet: a launch that is just starting.
const STARTING: Duration = Duration::from_secs(1);
/// How often such a lock is looked at again; there is no event for it.
const STARTING_POLL: Duration = Duration::from_millis(10);
/// How long the removal of a dead runner's cgroups and mounts may take.
const CLEAN: Duration = Duration::from_secs(5);
/// Many times what a start takes: one that hangs is not for long in the way of others.
const STARTUP: Duration = Duration::from_secs(5);

/// The launcher of `podling up`. Its runners outlive it, unless they are stopped.
pub struct LocalLauncher {
    runners: PathBuf,
    program: RunnerProgram,
    /// None without the right to use others than our own.
    uids: Option<Arc<Uids>>,
    warden: Arc<Warden>,
}

impl LocalLauncher {
    /// Starts to watch the runners below `data_dir`, those that were there before included. Within a runtime.
    ///
    /// # Errors
    /// When the directory cannot be made or read, or lies so deep that no socket fits below it.
    pub fn start(data_dir: &std::path::Path, program: RunnerProgram) -> io::Result<LocalLauncher> {
        let runners = data_dir.join("runners");
        check_depth(&runners)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&runners)?;
        let uids = Uids::of(data_dir, runners.clone())?.map(Arc::new);
        let warden = Warden::start(runners.clone());
        Ok(LocalLauncher { runners, program, uids, warden })
    }

    /// Ends what watches the runners, not the runners.
    pub async fn close(&self) {
        self.warden.close().await;
    }

    fn dir(&self, name: &LaunchName) -> RunnerDir {
        RunnerDir::new(&self.runners, name)
    }

    /// The lock for a new runner in a directory that is made where there is none; `None` when it has a runner already.
    async fn acquire(&self, dir: &RunnerDir) -> io::Result<Option<File>> {
        let deadline = Instant::now() + STARTING;
        loop {
            let probed = blocking({
                let dir = dir.clone();
                move || {
                    dir.create()?;
                    Ok((dir.lock()?, dir.identity().is_some_and(|runner| runner.is_alive())))
                }
            });
            match probed.await? {
                (Some(lock), _) => return Ok(Some(lock)),
                (None, true) => return Ok(None),
                (None, false) if Instant::now() >= deadline => {
                    return Err(io::Error::new(
                        io::ErrorKind::WouldBlock,
                        "an unknown process holds the runner's lock",
                    ));
                }
                (None, false) => tokio::time::sleep(STARTING_POLL).await,
            }
        }
    }

    async fn try_launch(&self, launch: &Launch) -> io::Result<()> {
        let dir = self.dir(&launch.name);
        let Some(lock) = self.acquire(&dir).await? else { return Ok(()) };
        let (uids, program, launch) = (self.uids.clone(), self.program.clone(), launch.clone());
        let name = launch.name.clone();
        let spawn = move || {
            uids.map_or(Ok(()), |uids| uids.assign(&dir, &launch.name))?;
            // The command closes our copies of lock and pipe when it is dropped, which is at the end of this closure.
            program.command(&dir, lock, &launch)?.spawn()
        };
        let child: Child = blocking(spawn).await?;
        info!(launch.name = %name, pid = child.id(), "runner {name} was started");
        self.warden.adopt(name, child);
        Ok(())
    }

    async fn try_remove(&self, name: &LaunchName) -> io::Result<bool> {
        let dir = self.dir(name);
        let left = blocking({
            let dir = dir.clone();
            move || dir.left()
        });
        let lock = match left.await? {
            Left::Nothing => return Ok(true),
            Left::Runner => return Ok(false),
            Left::Remains(lock) => lock,
        };
        let ended = timeout(CLEAN, self.program.clean(&dir, name.as_str())?.status()).await??;
        if !ended.success() {
            return Err(io::Error::other(format!("cleaning up after the runner failed: {ended}")));
        }
        blocking(move || dir.remove()).await?;
        drop(lock); // Until here: nobody launches into a directory that is being removed.
        self.warden.forget(name);
        info!(launch.name = %name, "what runner {name} left was removed");
        Ok(true)
    }
}

#[async_trait]
impl Launcher for LocalLauncher {
    async fn launch(&self, launch: &Launch) -> Result<(), LaunchError> {
        self.try_launch(launch).await.map_err(unavailable)
    }

    fn startup(&self) -> Duration {
        STARTUP
    }

    async fn stop(&self, name: &LaunchName, grace: Duration) -> Result<(), LaunchError> {
        self.warden.stop(name, grace);
        Ok(())
    }

    async fn remove(&self, name: &LaunchName) -> Result<bool, LaunchError> {
        self.try_remove(name).await.map_err(unavailable)
    }

    async fn list(&self) -> Result<Vec<Launched>, LaunchError> {
        let warden = self.warden.clone();
        blocking(move || warden.list()).await.map_err(unavailable)
    }

    async fn was_assigned(&self, name: &LaunchName) -> Result<bool, LaunchError> {
        let dir = self.dir(name);
        blocking(move || dir.was_assigned()).await.map_err(unavailable)
    }

    async fn changed(&self) {
        self.warden.changed().await;
    }
}

fn unavailable(error: io::Error) -> LaunchError {
    LaunchError::Unavailable(Box::new(error))
}

/// Refuses a data directory below which the socket of a runner could not be bound.
fn check_depth(runners: &std::path::Path) -> io::Result<()> {
    let longest = Incarnation { uid: Uid::new(), number: u32::MAX }.launch_name();
    let socket = runners.join(longest.as_str()).join("attach.sock");
    let excess = socket.as_os_str().len().saturating_sub(MAX_SOCKET_PATH);
    if excess == 0 {
        return Ok(());
    }
    let message = format!("{} is {excess} bytes too long for the sockets of runners", runners.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// File work, on a thread that may wait for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|error| warn!(%error, "file work was cut off")).map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
