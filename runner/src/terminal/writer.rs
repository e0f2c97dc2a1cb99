//! Writes the log to its segment files, a little at a time when there is much, and after a moment when there is little:
//! a write for every key would cost the one who types more than all the rest of the way.

use std::{
    fs, io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use podling_session::{
    log::{Body, SegmentHash, segment_file},
    size::WindowSize,
};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, sleep_until, timeout},
};
use tracing::{info, warn};

use super::{
    file::{Batch, SegmentFile},
    index::SegmentEntry,
    log::{Head, Log, Pending, Unwritten},
};

/// A segment is sealed at this age, so that what is stored elsewhere is never older.
const SEAL_AFTER: Duration = Duration::from_secs(10);
/// How long little output gathers before it is written: what a runner that is killed may lose.
const GATHER: Duration = Duration::from_millis(20);
/// How long after a refusal the storage is asked again.
const RETRY: Duration = Duration::from_secs(1);

struct Writer {
    log: Arc<Log>,
    open: Option<SegmentFile>,
    next_sequence: u64,
    previous: SegmentHash,
    refused: bool,
}

/// Writes until the exit is stored and its segment sealed. While the storage refuses it tries again for ever: the
/// caller has the deadline.
pub(crate) async fn run(log: Arc<Log>) {
    let mut head = log.head();
    let mut writer = Writer { log, open: None, next_sequence: 0, previous: [0; 32], refused: false };
    loop {
        head.mark_unchanged();
        match writer.log.pending(writer.open.as_ref().map(|open| open.entry().bytes)) {
            Pending::Write { batch, lost_from } => {
                if let Err(error) = writer.write(batch, lost_from).await {
                    writer.pause(error).await;
                }
            }
            Pending::Seal => writer.seal().await,
            Pending::Nothing { ended: true } => return writer.seal().await,
            Pending::Nothing { ended: false } => writer.idle(&mut head).await,
        }
    }
}

impl Writer {
    async fn write(&mut self, batch: Batch, lost_from: Option<u64>) -> io::Result<()> {
        let batch = match lost_from {
            Some(from) => batch.after_gap(from),
            None => batch,
        };
        let size = size_after(&batch);
        let open = self.open.take();
        let (directory, sequence, previous) = (self.log.directory().to_owned(), self.next_sequence, self.previous);
        let written = spawn_blocking(move || write(&directory, open, sequence, previous, &batch)).await;
        let (open, result) = written.unwrap_or_else(|panic| (None, Err(io::Error::other(panic))));
        self.open = open;
        result?;
        if let Some(open) = &self.open {
            self.next_sequence = open.entry().sequence + 1;
            self.log.written(open.entry(), size);
        }
        if std::mem::take(&mut self.refused) {
            info!("the terminal log's storage works again");
        }
        Ok(())
    }

    /// The storage refused: what is written is sealed, so that what follows begins a segment, and time passes.
    async fn pause(&mut self, error: io::Error) {
        if !std::mem::replace(&mut self.refused, true) {
            warn!(%error, "the terminal log's storage refuses writes");
        }
        self.log.refused();
        self.seal().await;
        sleep(RETRY).await;
    }

    async fn seal(&mut self) {
        let Some(open) = self.open.take() else { return };
        let entry = open.seal();
        self.previous = entry.hash.unwrap_or_default();
        let removed = self.log.seal(entry);
        if !removed.is_empty() {
            let directory = self.log.directory().to_owned();
            let done = spawn_blocking(move || remove(&directory, &removed)).await;
            if let Err(error) = done {
                warn!(%error, "removing old segments failed");
            }
        }
    }

    /// Waits for records, or until the open segment is old enough.
    async fn idle(&mut self, head: &mut watch::Receiver<Head>) {
        let Some(open) = &self.open else {
            let _ = head.changed().await; // The log holds the sender as long as we hold the log.
            return self.gather().await;
        };
        let due = open.began() + SEAL_AFTER;
        tokio::select! {
            _ = head.changed() => {
                if Instant::now() >= due {
                    self.seal().await;
                }
                self.gather().await;
            }
            () = sleep_until(due.into()) => self.seal().await,
        }
    }

    async fn gather(&self) {
        let mut unwritten = self.log.unwritten();
        // Either way it is written now.
        let _ = timeout(GATHER, unwritten.wait_for(|unwritten| *unwritten != Unwritten::Little)).await;
    }
}

fn write(
    directory: &Path,
    open: Option<SegmentFile>,
    sequence: u64,
    previous: SegmentHash,
    batch: &Batch,
) -> (Option<SegmentFile>, io::Result<()>) {
    match open {
        Some(mut open) => {
            let result = open.append(&batch.records);
            (Some(open), result)
        }
        None => match SegmentFile::begin(directory, sequence, previous, batch) {
            Ok(open) => (Some(open), Ok(())),
            Err(error) => (None, Err(error)),
        },
    }
}

fn remove(directory: &Path, segments: &[SegmentEntry]) {
    for segment in segments {
        if let Err(error) = fs::remove_file(directory.join(segment_file(segment.sequence))) {
            warn!(%error, sequence = segment.sequence, "removing an old segment failed");
        }
    }
}

fn size_after(batch: &Batch) -> WindowSize {
    let sizes = batch.records.iter().rev().find_map(|record| match record.body {
        Body::Resize(size) => Some(size),
        _ => None,
    });
    sizes.unwrap_or(batch.size)
}
