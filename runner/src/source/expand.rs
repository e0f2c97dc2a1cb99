//! The expanded bytes of an archive, up to a limit and a deadline.
//!
//! Refusals travel through the layers above as kinds of `io::Error`, which they keep.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    time::Instant,
};

use flate2::read::MultiGzDecoder;
use podling_session::source::Format;
use tokio_util::sync::CancellationToken;
use zstd::stream::read::Decoder as ZstdDecoder;

/// Honest archives of this size may be of one repeated byte; above it the ratio counts.
const FREE_EXPANSION: u64 = 64 << 20;
/// Deflate reaches 1032 on zeros, Zstandard far more; sources stay below 20.
const MAX_RATIO: u64 = 200;
/// 128 MiB of memory, which is what `zstd -d` takes when it is not told otherwise.
const MAX_WINDOW_LOG: u32 = 27;

/// The kind of error for more bytes than the limit.
pub(super) const TOO_LARGE: io::ErrorKind = io::ErrorKind::FileTooLarge;
/// The kind of error for bytes that are asked for too late, or by nobody any more.
pub(super) const TOO_LATE: io::ErrorKind = io::ErrorKind::TimedOut;

/// How far an archive of this size may expand.
pub(super) fn expanded_max(archive_bytes: u64, limit: u64) -> u64 {
    archive_bytes.saturating_mul(MAX_RATIO).max(FREE_EXPANSION).min(limit)
}

/// What is left of the bytes and the time of one extraction.
pub(super) struct Budget {
    pub(super) bytes: u64,
    pub(super) deadline: Instant,
    pub(super) stop: CancellationToken,
}

impl Budget {
    pub(super) fn in_time(&self) -> io::Result<()> {
        if self.stop.is_cancelled() || Instant::now() >= self.deadline {
            return Err(TOO_LATE.into());
        }
        Ok(())
    }

    pub(super) fn spend(&mut self, bytes: u64) -> io::Result<()> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(TOO_LARGE)?;
        Ok(())
    }
}

/// Reads at the expense of a budget.
pub(super) struct Expanded<'a, R> {
    pub(super) inner: R,
    pub(super) budget: &'a mut Budget,
}

impl<R: Read> Read for Expanded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.budget.in_time()?;
        let read = self.inner.read(buffer)?;
        self.budget.spend(read as u64)?;
        Ok(read)
    }
}

/// The tar archive inside a compressed one, from its start.
pub(super) fn tar_of(mut archive: File, format: Format) -> io::Result<Box<dyn Read>> {
    archive.rewind()?;
    match format {
        Format::TarZst => {
            let mut decoder = ZstdDecoder::new(archive)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Ok(Box::new(decoder))
        }
        Format::TarGz | Format::Zip => Ok(Box::new(MultiGzDecoder::new(BufReader::new(archive)))),
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

    fn read(bytes: u64, deadline: Instant, stop: &CancellationToken) -> Result<usize, io::ErrorKind> {
        let mut gzip = GzEncoder::new(tempfile::tempfile().expect("a file"), Compression::fast());
        gzip.write_all(&[0; 1_000]).expect("written");
        let archive = gzip.finish().expect("finished");
        let inner = tar_of(archive, Format::TarGz).expect("opened");
        let mut budget = Budget { bytes, deadline, stop: stop.clone() };
        let mut expanded = Expanded { inner, budget: &mut budget };
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
