//! The source of a session: fetched over http or https, checked against its SHA-256, extracted into the work folder.
//!
//! All of it is hostile: the URL (`reach`), the server's answers (`hop`, `download`), and the archive (`expand`, then
//! `tarball` or `zip`, `entry`, `tree`). Nothing is extracted before the checksum is right, and what fails leaves nothing
//! behind (`place`). Archives with a checksum are kept for the next session (`cache`).
//!
//! ```text
//! Archive ──────────────┐ hop: redirects, checked ─▶ download ─▶ intake: count, hash ─▶ verify ─▶ place ─▶ work folder
//! GitHubTree ─▶ github ─┘                                          ▲                               (the folder alone)
//! Bundle: chunks of any origin, `receive` ─────────────────────────┘
//! ```
//!
//! Repositories are cloned by git (`crate::clone`), by way of a `proxy` that makes the same check.

mod cache;
mod download;
mod entry;
mod error;
mod expand;
mod github;
mod hop;
mod intake;
mod part;
mod place;
mod proxy;
mod reach;
mod settings;
mod tarball;
mod tree;
mod zip;

#[cfg(test)]
mod tests;

use std::{path::Path, pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::Stream;
use podling_proto::control;
use podling_session::{
    phase::Stage,
    source::{Checksum, Format, Source},
};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use url::Url;

use download::Errand;
use intake::{Intake, Received};
use part::Part;

pub(crate) use cache::Cache;
pub(crate) use error::SourceError;
pub(crate) use proxy::Proxy;
pub(crate) use settings::Settings;

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

/// Where a source goes, and by which rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// An empty folder, which nobody else writes to meanwhile.
    pub(crate) into: &'a Path,
    /// Where the archive is kept while it is checked, out of the command's view. Its file has no name.
    pub(crate) scratch: &'a Path,
    pub(crate) settings: &'a Settings,
    pub(crate) limits: Limits,
}

/// What a fetch tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Stage(Stage),
    /// At most ten a second, and one at the end. `total` is what the server announced.
    Progress {
        bytes: u64,
        total: Option<u64>,
    },
    /// The transfer broke off, and goes on at this offset.
    Resumed {
        bytes: u64,
    },
    /// The archive is here from an earlier session.
    Kept {
        bytes: u64,
    },
    /// A tree on GitHub: what turned out to be its branch, tag or commit, and its folder.
    Found {
        reference: String,
        folder: String,
    },
}

pub(crate) type Tell<'a> = &'a mut (dyn FnMut(Event) + Send);

/// What came of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Of the archive.
    pub(crate) bytes: u64,
    /// Files, without folders.
    pub(crate) files: u64,
}

/// An archive's bytes as they come, from wherever that is; an end of the stream is the end of the archive.
pub(crate) struct Incoming<'a> {
    /// When it was announced.
    pub(crate) total: Option<u64>,
    pub(crate) chunks: Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send + 'a>>,
}

/// What an assignment names.
///
/// # Errors
/// When it names nothing, or nothing that can be fetched.
pub(crate) fn named(raw: &control::Source) -> Result<Source, SourceError> {
    if raw.url.is_empty() {
        return Err(SourceError::Missing);
    }
    let checksum = raw.sha256.as_deref().map(Checksum::parse).transpose().map_err(SourceError::BadChecksum)?;
    Source::parse(&raw.url, checksum).map_err(SourceError::BadUrl)
}

/// Fetches an archive over http or https, verifies and extracts it.
///
/// # Errors
/// When any step fails; then `into` is as empty as before.
pub(crate) async fn fetch_archive(
    request: Request<'_>,
    (url, format, checksum): (&Url, Format, Option<&Checksum>),
    tell: Tell<'_>,
) -> Result<Fetched, SourceError> {
    let deadline = Instant::now() + request.limits.total;
    tell(Event::Stage(Stage::Fetching));
    let received = async {
        let hosts = &request.settings.hosts;
        reach::check_form(url, hosts)?;
        let kept = checksum.and_then(|sum| Some((request.settings.cache.as_ref()?, sum)));
        if let Some(received) = reread(kept, url).await {
            tell(Event::Kept { bytes: received.bytes });
            return Ok(received);
        }
        let errand = Errand { request, hosts, cached: kept.is_some() };
        let answer = hop::ask(url, &errand, None).await?;
        download::download(url, answer, &errand, tell).await
    };
    let mut received = within(deadline, received).await?;
    if let Some(expected) = checksum {
        tell(Event::Stage(Stage::Verifying));
        received.verify(expected)?;
        if let (Some(cache), Some(named)) = (&request.settings.cache, received.named.take()) {
            cache.keep(url, expected, named).await;
        }
    }
    extract(request, received, (format, Part::Whole), deadline, tell).await
}

/// What was kept and still is what it was.
async fn reread(kept: Option<(&Cache, &Checksum)>, url: &Url) -> Option<Received> {
    let (cache, checksum) = kept?;
    let received = intake::reread(cache.open(url, checksum)?).await.ok()?;
    received.verify(checksum).is_ok().then_some(received)
}

/// Fetches a tree from GitHub and extracts its folder alone.
///
/// # Errors
/// As for an archive.
pub(crate) async fn fetch_tree(
    request: Request<'_>,
    tree: &podling_session::source::GitHubTree,
    tell: Tell<'_>,
) -> Result<Fetched, SourceError> {
    let deadline = Instant::now() + request.limits.total;
    tell(Event::Stage(Stage::Fetching));
    let received = async {
        let hosts = request.settings.hosts_of_trees();
        let errand = Errand { request, hosts: &hosts, cached: false };
        let found = github::find(tree, &errand, tell).await?;
        let received = download::download(&found.url, found.answer, &errand, tell).await?;
        Ok((received, found.part))
    };
    let (received, part) = within(deadline, received).await?;
    extract(request, received, (Format::TarGz, part), deadline, tell).await
}

/// Takes an archive from whoever has its bytes, verifies and extracts it: bundles come this way.
///
/// # Errors
/// As for an archive, and what the stream says.
pub(crate) async fn receive(
    request: Request<'_>,
    incoming: Incoming<'_>,
    (format, checksum): (Format, &Checksum),
    tell: Tell<'_>,
) -> Result<Fetched, SourceError> {
    let deadline = Instant::now() + request.limits.total;
    tell(Event::Stage(Stage::Fetching));
    let received = async {
        let mut intake = Intake::unnamed(request.scratch, request.limits.archive_bytes).await?;
        intake.announced(incoming.total)?;
        intake.pour(incoming.chunks, request.limits.idle, tell).await?;
        intake.finish(tell).await
    };
    let received = within(deadline, received).await?;
    tell(Event::Stage(Stage::Verifying));
    received.verify(checksum)?;
    extract(request, received, (format, Part::AsIs), deadline, tell).await
}

async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
    timeout_at(deadline, work).await.map_err(|_| SourceError::Deadline)?
}

/// A dropped call stops the extraction at its next read.
async fn extract(
    request: Request<'_>,
    received: Received,
    (format, part): (Format, Part),
    deadline: Instant,
    tell: Tell<'_>,
) -> Result<Fetched, SourceError> {
    tell(Event::Stage(Stage::Extracting));
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let bytes = received.bytes;
    let job = place::Job {
        archive: received.file,
        archive_bytes: bytes,
        format,
        part,
        into: request.into.to_owned(),
        limits: request.limits,
        deadline: deadline.into_std(),
        stop,
    };
    let extracting = tokio::task::spawn_blocking(move || place::extract(job));
    let files = extracting.await.expect("extraction neither panics nor is aborted")?;
    Ok(Fetched { bytes, files })
}
