//! Terminal logs: where they are stored, read with their chain checked, settled after a runner's death, and followed.
//!
//! Segments lie at `{tenant}/{uid}/{incarnation}/log/{sequence}`. On one machine that is a directory which the runner
//! writes to itself; elsewhere its segments come through the controller.

pub mod begin;
pub mod follow;
pub(crate) mod gap;
pub(crate) mod pace;
pub mod place;
pub mod read;
pub(crate) mod runner;
mod settle;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as BlobPath};
use podling_session::{
    id::{Incarnation, Uid},
    log::{log_path, segment_file},
    principal::Tenant,
    store::StoreError,
};

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the blob store failed")]
    Blob(#[from] object_store::Error),
    /// What is stored is not what the runner sealed.
    #[error("segment {sequence} of the terminal log {fault}")]
    Broken { sequence: u64, fault: &'static str },
}

/// Reads, settles and removes stored logs.
pub struct Logs {
    pub(crate) blobs: Arc<dyn ObjectStore>,
    /// Where `blobs` keeps its files when it is a directory of this machine, which local runners write to directly.
    pub(crate) root: Option<PathBuf>,
}

impl Logs {
    /// Logs in a directory of this machine, which must exist.
    ///
    /// # Errors
    /// When it does not, or is no directory.
    pub fn in_directory(root: &Path) -> io::Result<Logs> {
        let root = root.canonicalize()?;
        let blobs = LocalFileSystem::new_with_prefix(&root)?;
        Ok(Logs { blobs: Arc::new(blobs), root: Some(root) })
    }

    /// Where a local runner writes its segments; none when blobs are elsewhere.
    pub fn directory(&self, tenant: &Tenant, life: Incarnation) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.join(log_path(tenant, life)))
    }

    /// Stores a segment that came over the wire, or again what was there.
    pub(crate) async fn put(
        &self,
        tenant: &Tenant,
        life: Incarnation,
        sequence: u64,
        segment: Bytes,
    ) -> Result<(), LogError> {
        self.blobs.put(&segment_path(tenant, life, sequence), segment.into()).await?;
        Ok(())
    }

    /// `None` when there is no such segment.
    async fn segment(&self, tenant: &Tenant, life: Incarnation, sequence: u64) -> Result<Option<Bytes>, LogError> {
        match self.blobs.get(&segment_path(tenant, life, sequence)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The first bytes of a segment and its whole length. `None` when there is no such segment.
    async fn head(
        &self,
        tenant: &Tenant,
        life: Incarnation,
        sequence: u64,
        bytes: u64,
    ) -> Result<Option<(Bytes, u64)>, LogError> {
        let options = GetOptions { range: Some(GetRange::Bounded(0..bytes)), ..GetOptions::default() };
        match self.blobs.get_opts(&segment_path(tenant, life, sequence), options).await {
            Ok(found) => {
                let length = found.meta.size;
                Ok(Some((found.bytes().await?, length)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what is stored of a session, all incarnations. Success when nothing is left, or never was.
    ///
    /// # Errors
    /// When something could not be removed; a repeat goes on from there.
    pub async fn remove(&self, tenant: &Tenant, uid: Uid) -> Result<(), LogError> {
        let session = session_path(tenant, uid);
        let blobs = self.blobs.list(Some(&session)).map_ok(|blob| blob.location).boxed();
        let mut removed = self.blobs.delete_stream(blobs);
        while let Some(outcome) = removed.next().await {
            outcome.map(drop).or_else(unless_gone)?;
        }
        if let Some(root) = &self.root {
            let directory = root.join(session.as_ref());
            remove_directory(directory).await.map_err(local_error)?;
        }
        Ok(())
    }
}

/// A listed file that somebody else removed meanwhile is as gone as it should be.
fn unless_gone(error: object_store::Error) -> object_store::Result<()> {
    match error {
        object_store::Error::NotFound { .. } => Ok(()),
        error => Err(error),
    }
}

/// A blob store removes files; their directories are ours.
async fn remove_directory(directory: PathBuf) -> io::Result<()> {
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    match removed.map_err(io::Error::other)? {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn local_error(error: io::Error) -> LogError {
    LogError::Blob(object_store::Error::Generic { store: "directory", source: Box::new(error) })
}

fn segment_path(tenant: &Tenant, life: Incarnation, sequence: u64) -> BlobPath {
    blob_path(&format!("{}/{}", log_path(tenant, life), segment_file(sequence)))
}

fn session_path(tenant: &Tenant, uid: Uid) -> BlobPath {
    let log = log_path(tenant, Incarnation { uid, number: 1 });
    // `{tenant}/{uid}/{incarnation}/log`: the session is two levels up.
    let session = log.rsplitn(3, '/').last().expect("a split has at least one part");
    blob_path(session)
}

/// The text is the path: it is encoded already.
fn blob_path(text: &str) -> BlobPath {
    BlobPath::parse(text).expect("a log path is made of admitted characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_segment_lies_where_a_local_runner_writes_it() {
        let root = tempfile::tempdir().expect("a directory");
        let logs = Logs::in_directory(root.path()).expect("it exists");
        let (tenant, life) = (Tenant::local(), Incarnation { uid: Uid::new(), number: 1 });
        let directory = logs.directory(&tenant, life).expect("a local store");
        std::fs::create_dir_all(&directory).expect("created");
        std::fs::write(directory.join(segment_file(7)), b"by the runner").expect("written");
        let read = logs.segment(&tenant, life, 7).await.expect("readable");
        assert_eq!(read.as_deref(), Some(&b"by the runner"[..]));
        logs.put(&tenant, life, 8, Bytes::from_static(b"over the wire")).await.expect("stored");
        assert_eq!(std::fs::read(directory.join(segment_file(8))).expect("a file"), b"over the wire");
    }

    #[tokio::test]
    async fn removing_a_log_leaves_nothing_of_its_session_and_all_of_others() {
        let root = tempfile::tempdir().expect("a directory");
        let logs = Logs::in_directory(root.path()).expect("it exists");
        let (tenant, ours, other) = (Tenant::local(), Uid::new(), Uid::new());
        for life in [(ours, 1), (ours, 2), (other, 1)].map(|(uid, number)| Incarnation { uid, number }) {
            logs.put(&tenant, life, 0, Bytes::from_static(b"x")).await.expect("stored");
        }
        logs.remove(&tenant, ours).await.expect("removed");
        logs.remove(&tenant, ours).await.expect("nothing left is success");
        let of_tenant = root.path().join(session_path(&tenant, other).as_ref());
        assert!(of_tenant.exists() && !root.path().join(session_path(&tenant, ours).as_ref()).exists());
    }
}
