//! Files that are read again when they change, so that certificates and keys are replaced without a restart.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A certificate with its chain has some kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{} cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("{} must be a plain file that nobody else may read (mode 0600)", .0.display())]
    Exposed(PathBuf),
    #[error("{} {why}", .path.display())]
    Invalid { path: PathBuf, why: String },
}

type Read<T> = Box<dyn Fn() -> Result<T, FileError> + Send + Sync>;

/// What some files say, as they were when they last made sense.
pub struct Watched<T> {
    read: Read<T>,
    now: ArcSwap<T>,
    /// Said once, not every ten seconds.
    complaint: Mutex<Option<String>>,
}

impl<T: PartialEq + Send + Sync + 'static> Watched<T> {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// When they make no sense.
    pub fn open(read: impl Fn() -> Result<T, FileError> + Send + Sync + 'static) -> Result<Arc<Watched<T>>, FileError> {
        let now = ArcSwap::from_pointee(read()?);
        Ok(Arc::new(Watched { read: Box::new(read), now, complaint: Mutex::default() }))
    }

    pub fn now(&self) -> Arc<T> {
        self.now.load_full()
    }

    /// Looks at the files until `stop`. What makes no sense is complained of, and what was before stays: a certificate
    /// is often replaced one file after the other.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let watched = self.clone();
            let looked = tokio::task::spawn_blocking(move || watched.look()).await;
            if let Err(error) = looked {
                warn!(%error, "looking at files was cut off");
            }
        }
    }

    /// Blocks. Whether something new was found.
    pub fn look(&self) -> bool {
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.read)() {
            Ok(read) if read == **self.now.load() => {
                *complaint = None;
                false
            }
            Ok(read) => {
                self.now.store(Arc::new(read));
                *complaint = None;
                info!("files have changed and are used as they are now");
                true
            }
            Err(error) => {
                let said = Some(format!("{:#}", anyhow::Error::from(error)));
                if *complaint != said {
                    warn!(error = said, "files have changed and cannot be used; what they said before stays");
                    *complaint = said;
                }
                false
            }
        }
    }
}

/// A file that everybody may read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    read_if(path, |_| true)
}

/// A file that its owner alone may read.
pub(crate) fn read_secret(path: &Path) -> Result<Vec<u8>, FileError> {
    read_if(path, |mode| mode & 0o077 == 0)
}

/// A file that its owner and group may read: that is how orchestrators hand a secret to a service that is not root.
pub(crate) fn read_shared_secret(path: &Path) -> Result<Vec<u8>, FileError> {
    read_if(path, |mode| mode & 0o007 == 0)
}

fn read_if(path: &Path, admits: impl Fn(u32) -> bool) -> Result<Vec<u8>, FileError> {
    use std::{io::Read, os::unix::fs::MetadataExt};

    let failed = |error| FileError::Read(path.to_owned(), error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() || !admits(about.mode()) {
        return Err(FileError::Exposed(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
