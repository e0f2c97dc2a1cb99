//! Makes the work folder ready: source and dependencies. What that prints is part of the terminal log.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use podling_session::{
    address::AllowedSource,
    phase::{End, EndReason, Stage},
    spec::Source,
};
use url::Url;

use crate::{
    program::Programs,
    sandbox::Sandbox,
    source::{self, Event},
    terminal::Log,
};

/// The process's exit code when the installation fails.
const EXIT_INSTALL: i32 = 4;

/// Fetches the source into the work folder, and gives it to the command's user.
pub(crate) async fn fetch(
    source: &Source,
    sandbox: &Arc<Sandbox>,
    scratch: &Path,
    allowed: &[AllowedSource],
    log: &Log,
    entered: &(dyn Fn(Stage) + Sync),
) -> Result<(), End> {
    let request =
        source::Request { source, into: sandbox.work_dir(), scratch, allowed, limits: source::Limits::default() };
    let mut told = Told::Nothing;
    let mut tell = |event: Event| match event {
        Event::Stage(stage) => {
            told.end_line(log);
            entered(stage);
            log.print(&headline(stage, &source.url));
        }
        Event::Progress { bytes, total } => {
            told = Told::Progress;
            log.print(&format!("\r  {}\x1b[K", progress(bytes, total)));
        }
    };
    let fetched = source::fetch(request, &mut tell).await;
    told.end_line(log);
    let fetched = fetched.map_err(|error| error.end())?;
    let owned = {
        let sandbox = Arc::clone(sandbox);
        tokio::task::spawn_blocking(move || sandbox.own()).await
    };
    if !matches!(owned, Ok(Ok(()))) {
        tracing::error!(?owned, "the source could not be given to the command's user");
        return Err(End::because(EndReason::Internal));
    }
    log.print(&format!("{} files\r\n", fetched.files));
    Ok(())
}

/// Runs the installation. `Err` is how the session ends, by its failure or by an order meanwhile.
pub(crate) async fn install(programs: &mut Programs, command: &str, env: &BTreeMap<String, String>) -> Result<(), End> {
    programs.stage.log.print(&format!("Installing: {}\r\n", one_line(command)));
    let failed = |detail: String| End { reason: EndReason::Install, exit_code: Some(EXIT_INSTALL), detail };
    let outcome = programs.run(command, env, || {}).await;
    let outcome = outcome.map_err(|error| failed(format!("The installation could not be started: {error}.")))?;
    match outcome.code {
        Some(0) if outcome.order.is_none() && outcome.breach.is_none() => Ok(()),
        Some(code) if outcome.order.is_none() && outcome.breach.is_none() => {
            Err(failed(format!("The installation of dependencies failed with exit code {code}.")))
        }
        _ => Err(outcome.end()),
    }
}

/// Whether a line of progress is open.
enum Told {
    Nothing,
    Progress,
}

impl Told {
    fn end_line(&mut self, log: &Log) {
        if matches!(std::mem::replace(self, Told::Nothing), Told::Progress) {
            log.print("\r\n");
        }
    }
}

fn headline(stage: Stage, url: &Url) -> String {
    match stage {
        Stage::Fetching => format!("Fetching {}\r\n", shown(url)),
        Stage::Verifying => "Verifying the SHA-256\r\n".to_owned(),
        Stage::Extracting => "Extracting\r\n".to_owned(),
        Stage::Scheduling | Stage::Installing => String::new(),
    }
}

/// A URL without its query and fragment, which may be what makes it secret.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

fn progress(bytes: u64, total: Option<u64>) -> String {
    let kib = |bytes: u64| format!("{} KiB", bytes.div_ceil(1024));
    match total {
        Some(total) if total > 0 => format!("{} of {} ({} %)", kib(bytes), kib(total), 100 * bytes.min(total) / total),
        _ => kib(bytes),
    }
}

/// Text for one line of a terminal: whatever would move the cursor or more is shown and not done.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_kib_and_of_the_whole_when_that_is_known() {
        let check = |bytes, total, expected: &str| assert_eq!(progress(bytes, total), expected);
        check(0, None, "0 KiB");
        check(1, Some(0), "1 KiB");
        check(512, Some(4096), "1 KiB of 4 KiB (12 %)");
        check(9_000, Some(4096), "9 KiB of 4 KiB (100 %)");
    }

    #[test]
    fn what_is_shown_holds_no_query_and_moves_no_cursor() {
        let url = "https://x.org/a.tgz?signature=secret#part".parse().expect("a URL");
        assert_eq!(headline(Stage::Fetching, &url), "Fetching https://x.org/a.tgz\r\n");
        assert_eq!(one_line("a\nb\x1b[2Jc"), "a b [2Jc");
    }
}
