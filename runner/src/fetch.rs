//! Brings the source into the work folder, and tells of it on the terminal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use podling_session::{
    id::Incarnation,
    phase::{End, EndReason, Stage},
    source::{Format, Source},
};
use tracing::error;

use crate::{
    controller::Controller,
    sandbox::Sandbox,
    source::{self, Event, Fetched, Incoming, Request, SourceError},
    terminal::Log,
};

/// The width of a full bar, in cells.
const BAR: u64 = 24;

/// Who has the bundle of the session.
#[derive(Clone, Copy)]
pub(crate) struct Giver<'a> {
    pub(crate) controller: &'a Controller,
    pub(crate) life: Incarnation,
}

impl Giver<'_> {
    async fn bundle(self, sha256: &str) -> Result<Incoming<'static>, SourceError> {
        let bundle = self.controller.bundle(self.life, sha256).await.map_err(SourceError::Bundle)?;
        let total = bundle.total_bytes;
        Ok(Incoming { total, chunks: Box::pin(bundle.bytes().map(|bytes| bytes.map_err(SourceError::Bundle))) })
    }
}

/// Fetches the source, and gives it to the command's user.
pub(crate) async fn fetch(
    source: &Source,
    sandbox: &Arc<Sandbox>,
    request: Request<'_>,
    giver: Giver<'_>,
    log: &Log,
    entered: &(dyn Fn(Stage) + Sync),
) -> Result<(), End> {
    log.print(&format!("Fetching {}\r\n", source.shown()));
    let mut told = Told::default();
    let mut tell = |event: Event| {
        if let Event::Stage(stage) = event {
            entered(stage);
        }
        log.print(&told.line(&event, Instant::now()));
    };
    let fetched = match source {
        Source::Archive { url, format, checksum } => {
            source::fetch_archive(request, (url, *format, checksum.as_ref()), &mut tell).await
        }
        Source::GitHubTree(tree) => source::fetch_tree(request, tree, &mut tell).await,
        Source::Bundle(checksum) => match giver.bundle(checksum.as_str()).await {
            Ok(incoming) => source::receive(request, incoming, (Format::TarZst, checksum), &mut tell).await,
            Err(error) => Err(error),
        },
        Source::Repository { .. } => unreachable!("git clones repositories"),
    };
    log.print(told.close());
    let Fetched { files, .. } = fetched.map_err(|error| error.end())?;
    own(sandbox).await?;
    let noun = if files == 1 { "file" } else { "files" };
    log.print(&format!("{files} {noun}\r\n"));
    Ok(())
}

async fn own(sandbox: &Arc<Sandbox>) -> Result<(), End> {
    let sandbox = Arc::clone(sandbox);
    let owned = tokio::task::spawn_blocking(move || sandbox.own()).await;
    if matches!(owned, Ok(Ok(()))) {
        return Ok(());
    }
    error!(?owned, "the source could not be given to the command's user");
    Err(End::because(EndReason::Internal))
}

/// What was told so far.
#[derive(Default)]
struct Told {
    /// A line of progress is open.
    open: bool,
    /// When the bytes began to come, and how many there were.
    began: Option<(Instant, u64)>,
}

impl Told {
    fn close(&mut self) -> &'static str {
        if std::mem::take(&mut self.open) { "\r\n" } else { "" }
    }

    fn line(&mut self, event: &Event, now: Instant) -> String {
        let line = match event {
            Event::Progress { bytes, total } => {
                self.open = true;
                let (began, before) = *self.began.get_or_insert((now, *bytes));
                return format!("\r  {}\x1b[K", progress(*bytes, *total, (bytes - before, now - began)));
            }
            Event::Stage(Stage::Verifying) => "Verifying the SHA-256\r\n".to_owned(),
            Event::Stage(Stage::Extracting) => "Extracting\r\n".to_owned(),
            Event::Stage(_) => String::new(),
            Event::Resumed { bytes } => {
                self.began = Some((now, *bytes));
                format!("  the transfer broke off; once more from {}\r\n", mebibytes(*bytes))
            }
            Event::Kept { bytes } => format!("  {}, kept from an earlier session\r\n", mebibytes(*bytes)),
            Event::Found { reference, folder } if folder.is_empty() => format!("  at {reference}\r\n"),
            Event::Found { reference, folder } => format!("  at {reference}, the folder {folder}\r\n"),
        };
        format!("{}{line}", self.close())
    }
}

/// A bar where the whole is known, then how much, then how fast since the bytes began to come.
fn progress(bytes: u64, total: Option<u64>, (since, time): (u64, Duration)) -> String {
    let amount = match total {
        Some(total) if total > 0 => {
            let full = BAR * bytes.min(total) / total;
            let cells = |count: u64| "━".repeat(usize::try_from(count).expect("a bar is short"));
            let bar = format!("\x1b[36m{}\x1b[90m{}\x1b[m", cells(full), cells(BAR - full));
            format!("{bar} {:3} %  {} of {}", 100 * bytes.min(total) / total, mebibytes(bytes), mebibytes(total))
        }
        _ => mebibytes(bytes),
    };
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match since.saturating_mul(1_000).checked_div(millis) {
        Some(rate) if rate > 0 => format!("{amount}  {}/s", mebibytes(rate)),
        _ => amount,
    }
}

/// In MiB with one decimal, small amounts in KiB.
fn mebibytes(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    if bytes < MIB {
        return format!("{} KiB", bytes.div_ceil(KIB));
    }
    let tenths = bytes / (MIB / 10);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_with_its_rate_and_of_the_whole_when_that_is_known() {
        let plain = |bytes, total, since, millis| {
            let line = progress(bytes, total, (since, Duration::from_millis(millis)));
            line.replace("\x1b[36m", "").replace("\x1b[90m", "|").replace("\x1b[m", "")
        };
        assert_eq!(plain(0, None, 0, 0), "0 KiB");
        assert_eq!(plain(1, Some(0), 1, 0), "1 KiB");
        assert_eq!(plain(3 << 20, None, 3 << 20, 1_500), "3.0 MiB  2.0 MiB/s");
        let half = format!("{0}|{0}  50 %  512 KiB of 1.0 MiB  512 KiB/s", "━".repeat(12));
        assert_eq!(plain(1 << 19, Some(1 << 20), 1 << 18, 500), half);
        let full = format!("{}| 100 %  9 KiB of 4 KiB", "━".repeat(24));
        assert_eq!(plain(9_000, Some(4_096), 0, 100), full);
    }

    #[test]
    fn progress_is_one_line_that_the_next_event_closes() {
        let (mut told, now) = (Told::default(), Instant::now());
        assert_eq!(told.line(&Event::Stage(Stage::Extracting), now), "Extracting\r\n");
        let progress = Event::Progress { bytes: 1, total: None };
        assert_eq!(told.line(&progress, now), "\r  1 KiB\x1b[K");
        assert_eq!(told.line(&Event::Stage(Stage::Extracting), now), "\r\nExtracting\r\n");
        assert_eq!(told.close(), "");
        let found = Event::Found { reference: "a/b".into(), folder: String::new() };
        assert_eq!(told.line(&found, now), "  at a/b\r\n");
    }
}
