//! The archive as it comes: counted and hashed on its way into a file that nobody else sees.

use std::{
    fs::File,
    io::{self, Read, SeekFrom},
    path::{Path, PathBuf},
    pin::Pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::Stream;
use podling_session::source::Checksum;
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::{
    io::{AsyncSeekExt, AsyncWriteExt},
    time::timeout,
};
use tokio_stream::StreamExt;

use super::{Event, SourceError, Tell};

const PROGRESS_EVERY: Duration = Duration::from_millis(100);
const COPY_BYTES: usize = 256 << 10;

/// An archive on our side, complete but not yet trusted.
pub(super) struct Received {
    pub(super) file: File,
    pub(super) bytes: u64,
    /// Of a file that may be kept once it is verified.
    pub(super) named: Option<TempPath>,
    /// Of exactly these bytes, in lower case hexadecimal digits.
    sha256: String,
}

impl Received {
    pub(super) fn verify(&self, expected: &Checksum) -> Result<(), SourceError> {
        if self.sha256 == expected.as_str() {
            return Ok(());
        }
        Err(SourceError::Checksum { expected: expected.as_str().to_owned(), actual: self.sha256.clone() })
    }
}

/// An archive on its way.
pub(super) struct Intake {
    file: tokio::fs::File,
    named: Option<TempPath>,
    limit: u64,
    bytes: u64,
    total: Option<u64>,
    hash: Sha256,
    progress: Progress,
}

impl Intake {
    /// Into a file that is gone when it is closed, whatever becomes of this process.
    pub(super) async fn unnamed(folder: &Path, limit: u64) -> Result<Intake, SourceError> {
        let folder = PathBuf::from(folder);
        let file = blocking(move || tempfile::tempfile_in(folder)).await.map_err(SourceError::Disk)?;
        Ok(Intake::into_file(file, None, limit))
    }

    /// Into a file with a name, which goes when nobody keeps it.
    pub(super) fn named(file: NamedTempFile, limit: u64) -> Intake {
        let (file, path) = file.into_parts();
        Intake::into_file(file, Some(path), limit)
    }

    fn into_file(file: File, named: Option<TempPath>, limit: u64) -> Intake {
        let (hash, progress) = (Sha256::new(), Progress::default());
        Intake { file: tokio::fs::File::from_std(file), named, limit, bytes: 0, total: None, hash, progress }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes note of the whole length, which is refused at once when it is too much.
    pub(super) fn announced(&mut self, total: Option<u64>) -> Result<(), SourceError> {
        self.total = total;
        match total {
            Some(total) if total > self.limit => Err(SourceError::TooLarge { limit: self.limit }),
            _ => Ok(()),
        }
    }

    /// Takes all that comes; none may keep us waiting for longer than `idle`.
    pub(super) async fn pour(
        &mut self,
        mut chunks: Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send + '_>>,
        idle: Duration,
        tell: Tell<'_>,
    ) -> Result<(), SourceError> {
        loop {
            match timeout(idle, chunks.next()).await {
                Ok(Some(chunk)) => self.take(&chunk?, tell).await?,
                Ok(None) => return Ok(()),
                Err(_) => return Err(SourceError::Silent),
            }
        }
    }

    pub(super) async fn take(&mut self, chunk: &[u8], tell: Tell<'_>) -> Result<(), SourceError> {
        let bytes = self.bytes + chunk.len() as u64;
        if bytes > self.limit {
            return Err(SourceError::TooLarge { limit: self.limit });
        }
        self.hash.update(chunk);
        self.file.write_all(chunk).await.map_err(SourceError::Disk)?;
        self.bytes = bytes;
        if self.progress.is_due(Instant::now()) {
            tell(Event::Progress { bytes, total: self.total });
        }
        Ok(())
    }

    /// Forgets what has come.
    pub(super) async fn restart(&mut self) -> Result<(), SourceError> {
        self.file.flush().await.map_err(SourceError::Disk)?;
        self.file.set_len(0).await.map_err(SourceError::Disk)?;
        self.file.seek(SeekFrom::Start(0)).await.map_err(SourceError::Disk)?;
        (self.bytes, self.hash) = (0, Sha256::new());
        Ok(())
    }

    pub(super) async fn finish(mut self, tell: Tell<'_>) -> Result<Received, SourceError> {
        self.file.flush().await.map_err(SourceError::Disk)?;
        tell(Event::Progress { bytes: self.bytes, total: self.total });
        let sha256 = hex(&self.hash.finalize());
        Ok(Received { file: self.file.into_std().await, bytes: self.bytes, named: self.named, sha256 })
    }
}

/// An archive that was here before. It is hashed again: whoever wrote it may not be who it was left to.
pub(super) async fn reread(mut file: File) -> Result<Received, SourceError> {
    let reading = move || {
        let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; COPY_BYTES]);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => {
                    hash.update(&buffer[..read]);
                    bytes += read as u64;
                }
            }
        }
        Ok(Received { file, bytes, named: None, sha256: hex(&hash.finalize()) })
    };
    blocking(reading).await.map_err(SourceError::Disk)
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Says when to tell of progress again.
#[derive(Default)]
struct Progress(Option<Instant>);

impl Progress {
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.0.is_none_or(|last| now.duration_since(last) >= PROGRESS_EVERY);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_ten_times_a_second() {
        let start = Instant::now();
        let mut progress = Progress::default();
        let told = (0..1_000).filter(|millis| progress.is_due(start + Duration::from_millis(*millis))).count();
        assert_eq!(told, 10);
    }
}
