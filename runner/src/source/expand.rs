//! The expanded bytes of an archive, up to a limit and a deadline.
//!
//! Refusals travel through the layers above as kinds of `io::Error`, which they keep.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    time::Instant,
};

use flate2::read::MultiGzDecoder;
use tokio_util::sync::CancellationToken;

/// Honest archives of this size may be of one repeated byte; above it the ratio counts.
const FREE_EXPANSION: u64 = 64 << 20;
/// Deflate reaches 1032 on zeros; sources stay below 20.
const MAX_RATIO: u64 = 200;

/// The kind of error for more bytes than the limit.
pub(super) const TOO_LARGE: io::ErrorKind = io::ErrorKind::FileTooLarge;
/// The kind of error for bytes that are asked for too late, or by nobody any more.
pub(super) const TOO_LATE: io::ErrorKind = io::ErrorKind::TimedOut;

/// How far an archive of this size may expand.
pub(super) fn expanded_max(archive_bytes: u64, limit: u64) -> u64 {
    archive_bytes.saturating_mul(MAX_RATIO).max(FREE_EXPANSION).min(limit)
}

pub(super) struct Expanded {
    inner: MultiGzDecoder<BufReader<File>>,
    left: u64,
    deadline: Instant,
    stop: CancellationToken,
}

impl Expanded {
    /// Reads `archive` from its start.
    pub(super) fn open(
        mut archive: File,
        limit: u64,
        deadline: Instant,
        stop: CancellationToken,
    ) -> io::Result<Expanded> {
        archive.rewind()?;
        Ok(Expanded { inner: MultiGzDecoder::new(BufReader::new(archive)), left: limit, deadline, stop })
    }
}

impl Read for Expanded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() || Instant::now() >= self.deadline {
            return Err(TOO_LATE.into());
        }
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or(TOO_LARGE)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn an_archive_may_expand_by_ratio_past_the_first_megabytes_and_never_past_the_limit() {
        let check = |archive: u64, max: u64| assert_eq!(expanded_max(archive, 4 << 30), max, "{archive}");
        check(0, 64 << 20);
        check(100_000, 64 << 20);
        check(1 << 20, 200 << 20);
        check(512 << 20, 4 << 30);
        check(u64::MAX, 4 << 30);
    }

    fn read(limit: u64, deadline: Instant, stop: &CancellationToken) -> Result<usize, io::ErrorKind> {
        let mut gzip = GzEncoder::new(tempfile::tempfile().expect("a file"), Compression::fast());
        gzip.write_all(&[0; 1_000]).expect("written");
        let archive = gzip.finish().expect("finished");
        let mut expanded = Expanded::open(archive, limit, deadline, stop.clone()).expect("opened");
        expanded.read_to_end(&mut Vec::new()).map_err(|error| error.kind())
    }

    #[test]
    fn bytes_end_at_the_limit_the_deadline_and_the_stop() {
        let (now, stop) = (Instant::now(), CancellationToken::new());
        let later = now + Duration::from_secs(600);
        assert_eq!(read(1_000, later, &stop), Ok(1_000));
        assert_eq!(read(999, later, &stop), Err(TOO_LARGE));
        assert_eq!(read(1_000, now, &stop), Err(TOO_LATE));
        stop.cancel();
        assert_eq!(read(1_000, later, &stop), Err(TOO_LATE));
    }
}
