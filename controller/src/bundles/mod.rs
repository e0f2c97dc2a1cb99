//! Folders that callers upload, packed: stored once for each tenant, by their SHA-256.
//!
//! ```text
//! {tenant}/bundles/{sha256}               whole, and checked
//! {tenant}/uploads/{uploader}.{sha256}    what has come so far; its length is the offset at which it goes on
//! ```
//!
//! A tenant's bundles are nobody else's: not found, whether another tenant has the same or not. Of one tenant, each
//! uploader has an upload of its own, so that nobody can spoil another's; whoever is first makes the bundle for all.
//! Any controller of the directory may take the next request: what excludes two of them is a lock on the file, which
//! ends with the process that has it.

mod args;
mod error;
mod prune;
mod upload;

use std::{
    fs::{self, File, FileTimes, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use podling_session::{
    log::tenant_path,
    principal::{Owner, Tenant},
    source::Checksum,
};
use sha2::{Digest, Sha256};

pub use self::{
    args::BundleArgs,
    error::BundleError,
    prune::run as run_prune,
    upload::{Resumed, Upload},
};

const BUNDLES: &str = "bundles";
const UPLOADS: &str = "uploads";

/// What there is of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it: so many bytes.
    Whole(u64),
    /// So many bytes of the caller's upload.
    Part(u64),
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bundles {
    root: PathBuf,
    limits: BundleArgs,
    in_use: Duration,
}

impl Bundles {
    /// In the directory of blobs. For `in_use`, the time that a session has to start, a bundle stays whatever happens:
    /// one that was just created from it has still to fetch it.
    pub fn in_directory(root: &Path, limits: BundleArgs, in_use: Duration) -> Bundles {
        Bundles { root: root.to_owned(), limits, in_use }
    }

    pub fn max_bytes(&self) -> u64 {
        self.limits.max_bundle_bytes
    }

    /// What the caller's tenant has, or the caller has uploaded so far. A whole bundle counts as used.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn find(&self, caller: &Owner, sum: &Checksum) -> Result<Option<Progress>, BundleError> {
        let (whole, part) = (self.bundle(&caller.tenant, sum), self.part(caller, sum));
        blocking(move || {
            if let Some(bytes) = touch(&whole)? {
                return Ok(Some(Progress::Whole(bytes)));
            }
            Ok(length(&part)?.map(Progress::Part))
        })
        .await
    }

    /// Whether the tenant has the whole bundle, which counts as used.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn take(&self, tenant: &Tenant, sum: &Checksum) -> Result<bool, BundleError> {
        let whole = self.bundle(tenant, sum);
        blocking(move || Ok(touch(&whole)?.is_some())).await
    }

    /// A bundle to be read, and its length.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn open(&self, tenant: &Tenant, sum: &Checksum) -> Result<Option<(tokio::fs::File, u64)>, BundleError> {
        let whole = self.bundle(tenant, sum);
        let opened = blocking(move || {
            let Some(file) = existing(File::open(&whole))? else { return Ok(None) };
            let bytes = file.metadata()?.len();
            Ok(Some((file, bytes)))
        });
        Ok(opened.await?.map(|(file, bytes)| (file.into(), bytes)))
    }

    /// Whether `length` bytes may come, of which `offset` are there. The tenant's bundles that were not used for longest
    /// make room.
    ///
    /// # Errors
    /// When they may not, or the directory cannot be read.
    pub async fn admit(&self, tenant: &Tenant, length: u64, offset: u64) -> Result<(), BundleError> {
        let max = self.limits.max_bundle_bytes;
        if length > max {
            return Err(BundleError::TooLarge { max });
        }
        let (tenant, max) = (self.root.join(tenant_path(tenant)), self.limits.max_tenant_bundle_bytes);
        let (more, keep) = (length.saturating_sub(offset), self.in_use);
        blocking(move || {
            let (bundles, uploads) = (tenant.join(BUNDLES), tenant.join(UPLOADS));
            let held = size_of(&bundles)? + size_of(&uploads)?;
            let room = max.saturating_sub(more);
            if held > room && held - prune::oldest(&bundles, held - room, keep)? > room {
                return Err(BundleError::TenantFull { max });
            }
            Ok(())
        })
        .await
    }

    fn bundle(&self, tenant: &Tenant, sum: &Checksum) -> PathBuf {
        self.root.join(tenant_path(tenant)).join(BUNDLES).join(sum.as_str())
    }

    fn part(&self, caller: &Owner, sum: &Checksum) -> PathBuf {
        // A subject may be any text; its hash is a file name.
        let uploader = &hex(&Sha256::digest(caller.subject.as_bytes()))[..32];
        let name = format!("{uploader}.{}", sum.as_str());
        self.root.join(tenant_path(&caller.tenant)).join(UPLOADS).join(name)
    }
}

/// Files are worked on where waiting harms nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BundleError> + Send + 'static,
) -> Result<T, BundleError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| BundleError::Io(io::Error::other(error)))?
}

fn existing<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The length of a bundle, which is used now. The lock is shared with other users and excludes the one who prunes.
fn touch(path: &Path) -> io::Result<Option<u64>> {
    let Some(file) = existing(OpenOptions::new().append(true).custom_flags(libc::O_NOFOLLOW).open(path))? else {
        return Ok(None);
    };
    file.lock_shared()?;
    let about = file.metadata()?;
    if about.nlink() == 0 {
        return Ok(None);
    }
    file.set_times(FileTimes::new().set_modified(SystemTime::now()))?;
    Ok(Some(about.len()))
}

fn length(path: &Path) -> io::Result<Option<u64>> {
    Ok(existing(fs::symlink_metadata(path))?.map(|about| about.len()))
}

/// The files of a directory, together.
fn size_of(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in existing(fs::read_dir(directory))?.into_iter().flatten() {
        // One that is gone by now has no size.
        bytes += existing(entry?.metadata())?.map_or(0, |about| about.len());
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
