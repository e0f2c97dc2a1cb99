//! The source of a session: fetched over http or https, checked against its SHA-256, extracted into the work folder.
//!
//! All of it is hostile: the URL (see `reach`), the server's answers (`download`), and the archive (`expand`, `archive`, `entry`). Nothing
//! is extracted before the checksum is right, and what fails leaves nothing behind. `.tar.gz` is the one form so far.

mod archive;
mod download;
mod entry;
mod error;
mod expand;
mod place;
mod reach;
mod tree;

#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use podling_session::{address::AllowedSource, phase::Stage, spec::Source};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use error::SourceError;

/// What one fetch may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The archive as it is sent.
    pub(crate) archive_bytes: u64,
    /// What the archive expands to, its own headers included.
    pub(crate) expanded_bytes: u64,
    /// Files and folders.
    pub(crate) entries: u64,
    /// For one look-up and for one connection.
    pub(crate) connect: Duration,
    /// How long the server may be silent.
    pub(crate) idle: Duration,
    /// From the first look-up to the last file.
    pub(crate) total: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            archive_bytes: 512 << 20,
            expanded_bytes: 4 << 30,
            entries: 200_000,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            // Less than the start deadline (300 s), so that the cause is named and not only the missed deadline.
            total: Duration::from_secs(270),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) source: &'a Source,
    /// An empty folder, which nobody else writes to meanwhile.
    pub(crate) into: &'a Path,
    /// Where the archive is kept while it is checked, out of the command's view. Its file has no name.
    pub(crate) scratch: &'a Path,
    pub(crate) allowed: &'a [AllowedSource],
    pub(crate) limits: Limits,
}

/// What a fetch tells while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Stage(Stage),
    /// At most ten a second, and one at the end. `total` is what the server announced.
    Progress {
        bytes: u64,
        total: Option<u64>,
    },
}

/// What came of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Of the archive.
    pub(crate) bytes: u64,
    /// Files, without folders.
    pub(crate) files: u64,
}

/// Fetches, verifies and extracts. A dropped call stops the extraction at its next read.
///
/// # Errors
/// When any step fails; then `into` is as empty as before.
pub(crate) async fn fetch(
    request: Request<'_>,
    events: &mut (dyn FnMut(Event) + Send),
) -> Result<Fetched, SourceError> {
    let deadline = Instant::now() + request.limits.total;
    events(Event::Stage(Stage::Fetching));
    let downloading = download::download(&request, events);
    let download = tokio::time::timeout_at(deadline, downloading).await.map_err(|_| SourceError::Deadline)??;
    if let Some(expected) = &request.source.checksum {
        events(Event::Stage(Stage::Verifying));
        download.verify(expected)?;
    }
    events(Event::Stage(Stage::Extracting));
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let bytes = download.bytes;
    let job = place::Job {
        archive: download.file,
        archive_bytes: bytes,
        into: request.into.to_owned(),
        limits: request.limits,
        deadline: deadline.into_std(),
        stop,
    };
    let extracting = tokio::task::spawn_blocking(move || place::extract(job));
    let files = extracting.await.expect("extraction neither panics nor is aborted")?;
    Ok(Fetched { bytes, files })
}
