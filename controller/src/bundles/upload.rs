//! One request's part of an upload: locked, appended to, and, once it is whole, checked and moved to its place.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use podling_session::{principal::Owner, source::Checksum};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::{BundleError, Bundles, blocking, existing, hex, length};

/// How often an upload may have been finished or dropped by somebody else while it was opened.
const ATTEMPTS: u32 = 8;

/// What became of the wish to go on.
pub enum Resumed {
    /// The bundle is there: so many bytes.
    Whole(u64),
    Upload(Upload),
}

/// An upload that this request alone may append to, as long as the value lives.
pub struct Upload {
    pub(super) file: tokio::fs::File,
    offset: u64,
    length: u64,
    part: PathBuf,
    whole: PathBuf,
    sum: Checksum,
}

impl Bundles {
    /// Goes on with the caller's upload of a bundle of `length` bytes; at 0 it is made.
    ///
    /// # Errors
    /// When it is not at `offset`, another request writes it, or the bundle is too large.
    pub async fn resume(
        &self,
        caller: &Owner,
        sum: &Checksum,
        offset: u64,
        length: u64,
    ) -> Result<Resumed, BundleError> {
        if offset > length {
            return Err(BundleError::TooLong { length });
        }
        self.admit(&caller.tenant, length, offset).await?;
        let (part, whole, sum) = (self.part(caller, sum), self.bundle(&caller.tenant, sum), sum.clone());
        blocking(move || {
            if let Some(bytes) = super::touch(&whole)? {
                return Ok(Resumed::Whole(bytes));
            }
            let file = lock(&part, offset == 0)?;
            let stands = file.metadata()?.len();
            if stands != offset {
                return Err(BundleError::Offset { offset: stands });
            }
            Ok(Resumed::Upload(Upload { file: file.into(), offset, length, part, whole, sum }))
        })
        .await
    }
}

impl Upload {
    /// # Errors
    /// When it is more than was to come, or cannot be written: what a full disk took is given back.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        let end = self.offset.saturating_add(bytes.len() as u64);
        if end > self.length {
            return Err(BundleError::TooLong { length: self.length });
        }
        let written = self.file.write_all(bytes).await;
        self.offset = end;
        self.kept(written).await
    }

    /// Where it goes on; once it is whole, it is checked and is a bundle.
    ///
    /// # Errors
    /// When it is another bundle than it was to be, of which nothing is kept.
    pub async fn finish(mut self) -> Result<u64, BundleError> {
        // Its write errors come here at the latest.
        let flushed = self.file.flush().await;
        self.kept(flushed).await?;
        if self.offset < self.length {
            return Ok(self.offset);
        }
        let Upload { file, offset, part, whole, sum, .. } = self;
        let file = file.into_std().await;
        // In one piece: a caller who leaves now finds it done.
        blocking(move || settle(file, &part, &whole, &sum)).await?;
        Ok(offset)
    }

    async fn kept(&self, outcome: io::Result<()>) -> Result<(), BundleError> {
        let Err(error) = outcome else { return Ok(()) };
        let error = BundleError::from(error);
        if let BundleError::DiskFull = error {
            let part = self.part.clone();
            blocking(move || Ok(existing(fs::remove_file(part)).map(drop)?)).await?;
        }
        Err(error)
    }
}

/// The upload's file, made if it is to begin, when nobody else has it.
fn lock(part: &Path, begins: bool) -> Result<File, BundleError> {
    if begins {
        make_parent(part)?;
    }
    for _ in 0..ATTEMPTS {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(begins).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let Some(file) = existing(options.open(part))? else { return Err(BundleError::Offset { offset: 0 }) };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BundleError::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // It may have been moved or removed between the two steps.
        let named = existing(fs::symlink_metadata(part))?;
        if named.is_some_and(|named| named.ino() == file.metadata().map_or(0, |about| about.ino())) {
            return Ok(file);
        }
    }
    Err(BundleError::Busy)
}

/// Under the lock, which is released last.
fn settle(mut file: File, part: &Path, whole: &Path, sum: &Checksum) -> Result<(), BundleError> {
    let found = hash(&mut file)?;
    if found != sum.as_str() {
        fs::remove_file(part)?;
        return Err(BundleError::Mismatch { found });
    }
    file.sync_all()?;
    make_parent(whole)?;
    if length(whole)?.is_some() {
        fs::remove_file(part)?; // Somebody else was faster.
        return Ok(());
    }
    fs::rename(part, whole)?;
    File::open(whole.parent().unwrap_or(whole))?.sync_all()?;
    Ok(())
}

fn hash(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&chunk[..count]),
        }
    }
}

fn make_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(parent)
}
