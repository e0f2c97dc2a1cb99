//! Bundles that nobody uses any more go, and uploads that nobody went on with. One controller prunes for all.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::{BUNDLES, BundleError, Bundles, UPLOADS, blocking, existing};
use crate::core::Core;

/// How late something may go.
const TICK: Duration = Duration::from_secs(30);
/// The name of the lease under which one controller prunes for all. Longer than the tick: it is kept.
const LEASE: &str = "bundles";
const LEASE_SPAN: Duration = Duration::from_secs(75);
/// How long a look through the directory may take.
const PASS: Duration = Duration::from_secs(60);

/// Prunes at the start and every half a minute, until `stop`.
pub async fn run(core: Core, stop: CancellationToken) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let holder = Uuid::new_v4().to_string();
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let leads = timeout(PASS, core.system.lead(LEASE, &holder, LEASE_SPAN)).await;
        if !matches!(leads, Ok(Ok(true))) {
            continue; // Another does it, or the store is down, which others tell of.
        }
        match timeout(PASS, core.bundles.prune()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => info!(removed, "{removed} bundles and uploads were removed: nobody used them"),
            Ok(Err(error)) => warn!(error = &error as &dyn std::error::Error, "bundles could not be pruned"),
            Err(_) => warn!("the pruning of bundles took too long"),
        }
    }
    if let Ok(Err(error)) = timeout(PASS, core.system.resign(LEASE, &holder)).await {
        debug!(%error, "the lease of bundles was not given up");
    }
}

impl Bundles {
    /// Removes what was not used for longer than is kept; how many files.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn prune(&self) -> Result<usize, BundleError> {
        let root = self.root.clone();
        let (bundles, uploads) = (self.limits.keep_bundles.max(self.in_use), self.limits.keep_uploads);
        blocking(move || {
            let mut removed = 0;
            for tenant in existing(fs::read_dir(root))?.into_iter().flatten() {
                let tenant = tenant?.path();
                removed += prune(&tenant.join(BUNDLES), bundles)? + prune(&tenant.join(UPLOADS), uploads)?;
            }
            Ok(removed)
        })
        .await
    }
}

fn prune(directory: &Path, keep: Duration) -> io::Result<usize> {
    let mut removed = 0;
    for entry in existing(fs::read_dir(directory))?.into_iter().flatten() {
        removed += usize::from(remove(&entry?.path(), keep)?);
    }
    Ok(removed)
}

/// Removes files of a directory, those used longest ago first, until this many bytes are free; how many are.
pub(super) fn oldest(directory: &Path, bytes: u64, keep: Duration) -> io::Result<u64> {
    let mut files = Vec::new();
    for entry in existing(fs::read_dir(directory))?.into_iter().flatten() {
        let entry = entry?;
        if let Some(about) = existing(entry.metadata())? {
            files.push((about.modified()?, about.len(), entry.path()));
        }
    }
    files.sort();
    let mut freed = 0;
    for (_, length, path) in files {
        if freed >= bytes {
            break;
        }
        freed += if remove(&path, keep)? { length } else { 0 };
    }
    Ok(freed)
}

/// Whether it was old, and nobody had it: who uses it has a lock on it.
fn remove(path: &Path, keep: Duration) -> io::Result<bool> {
    let Some(file) = existing(File::open(path))? else { return Ok(false) };
    if file.try_lock().is_err() {
        return Ok(false);
    }
    let about = file.metadata()?;
    let age = SystemTime::now().duration_since(about.modified()?).unwrap_or_default();
    if about.nlink() == 0 || age <= keep {
        return Ok(false);
    }
    Ok(existing(fs::remove_file(path))?.is_some())
}
