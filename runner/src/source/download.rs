//! The download: redirects by hand, bytes to an unnamed file, counted and hashed as they come.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use http::{HeaderValue, StatusCode, header};
use podling_session::{address::AllowedSource, spec::Checksum};
use reqwest::{Client, Response, redirect::Policy};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::{Event, Limits, Request, SourceError, reach};

/// GitHub's archives take one or two.
const MAX_REDIRECTS: usize = 5;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// An archive on our side, complete but not yet trusted.
pub(super) struct Download {
    pub(super) file: File,
    pub(super) bytes: u64,
    /// Of exactly these bytes, in lower case hexadecimal digits.
    sha256: String,
}

impl Download {
    pub(super) fn verify(&self, expected: &Checksum) -> Result<(), SourceError> {
        if self.sha256 == expected.as_str() {
            return Ok(());
        }
        Err(SourceError::Checksum { expected: expected.as_str().to_owned(), actual: self.sha256.clone() })
    }
}

pub(super) async fn download(
    request: &Request<'_>,
    events: &mut (dyn FnMut(Event) + Send),
) -> Result<Download, SourceError> {
    let (mut response, host) = answer(&request.source.url, request.allowed, &request.limits).await?;
    let limit = request.limits.archive_bytes;
    let total = response.content_length();
    if total.is_some_and(|total| total > limit) {
        return Err(SourceError::TooLarge { limit });
    }
    let mut file = tokio::fs::File::from_std(unnamed_file(request.scratch).await?);
    let (mut bytes, mut hash, mut progress) = (0, Sha256::new(), Progress::default());
    while let Some(chunk) = response.chunk().await.map_err(|error| transfer(&host, error))? {
        bytes += chunk.len() as u64;
        if bytes > limit {
            return Err(SourceError::TooLarge { limit });
        }
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(SourceError::Disk)?;
        if progress.is_due(Instant::now()) {
            events(Event::Progress { bytes, total });
        }
    }
    file.flush().await.map_err(SourceError::Disk)?;
    events(Event::Progress { bytes, total });
    Ok(Download { file: file.into_std().await, bytes, sha256: hex(&hash.finalize()) })
}

/// The first answer that is not a redirect, and the host that gave it.
async fn answer(first: &Url, allowed: &[AllowedSource], limits: &Limits) -> Result<(Response, String), SourceError> {
    let mut url = first.clone();
    for _ in 0..=MAX_REDIRECTS {
        let target = reach::resolve(&url, allowed, limits.connect).await?;
        let request = client(&url, &target, limits)?.get(url.clone());
        let request = request.header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = request.send().await.map_err(|error| transfer(&target.host, error))?;
        match response.status() {
            StatusCode::OK => return Ok((response, target.host)),
            status if is_redirect(status) => url = reach::next_hop(&url, response.headers().get(header::LOCATION))?,
            status => return Err(SourceError::Status { host: target.host, status }),
        }
    }
    Err(SourceError::Redirect("there are more than 5 redirects"))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A client for one hop: it knows the checked addresses and no proxy, follows nothing, and decodes nothing.
fn client(url: &Url, target: &reach::Target, limits: &Limits) -> Result<Client, SourceError> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .resolve_to_addrs(&target.host, &target.addresses)
        .connect_timeout(limits.connect)
        .read_timeout(limits.idle)
        .user_agent(concat!("podling/", env!("CARGO_PKG_VERSION")));
    if url.scheme() == "http" {
        builder = builder.tls_certs_only([]); // The system's roots are neither read nor needed.
    }
    builder.build().map_err(SourceError::Client)
}

/// The URL is left out: the owner knows it, and a redirect's may hold a signature.
fn transfer(host: &str, error: reqwest::Error) -> SourceError {
    let host = host.to_owned();
    if error.is_timeout() && !error.is_connect() {
        return SourceError::Stalled { host };
    }
    SourceError::Transfer { host, source: error.without_url() }
}

/// A file that is gone when it is closed, whatever becomes of this process.
async fn unnamed_file(folder: &Path) -> Result<File, SourceError> {
    let folder = PathBuf::from(folder);
    let making = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder));
    making.await.expect("making a file neither panics nor is aborted").map_err(SourceError::Disk)
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

fn hex(bytes: &[u8]) -> String {
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
