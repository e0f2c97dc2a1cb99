//! Installs what the source depends on. What that prints is part of the terminal log.

mod detect;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use podling_session::phase::{End, EndReason};
use tokio::time::sleep;

use crate::{assignment::Assignment, program::Programs};

pub(crate) use detect::Network;
use detect::{NO_TOOL, Recipe, detect};

/// The process's exit code when the installation fails.
const EXIT_INSTALL: i32 = 4;
const OTHERWISE: &str = "An install_cmd replaces what was detected; \"true\" installs nothing.";
const NO_ROUTE: &str = "The session has no network: what it needs must come with its source. ";

/// What is installed before the command runs.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// As the session says.
    Told(String),
    Detected(Recipe),
}

/// What there is to install; for a session with a source also what that shows.
pub(crate) async fn plan(assignment: &Assignment, folder: &Path) -> Option<Plan> {
    match &assignment.install {
        Some(command) => Some(Plan::Told(command.clone())),
        None if assignment.source.is_some() => detect(folder).await.map(Plan::Detected),
        None => None,
    }
}

/// Installs within `limit`, and adds to the environment what the command has to know of it. `Err` is how the session
/// ends, by its failure or by an order meanwhile.
pub(crate) async fn install(
    programs: &mut Programs,
    plan: Plan,
    env: &mut BTreeMap<String, String>,
    limit: Duration,
    network: Network,
) -> Result<(), End> {
    let log = Arc::clone(&programs.stage.log);
    let started = Instant::now();
    let outcome = match &plan {
        Plan::Told(command) => {
            log.print(&format!("Installing: {}\r\n", one_line(command)));
            programs.run(command, env, sleep(limit), || {}).await
        }
        Plan::Detected(recipe) => {
            log.print(&format!("Installing: {} (found {})\r\n", recipe.command, recipe.file));
            programs.run(&recipe.script(), &recipe.env(env, network), sleep(limit), || {}).await
        }
    };
    let outcome = outcome.map_err(|error| failed(format!("The installation could not be started: {error}.")))?;
    if outcome.order.is_some() || outcome.breach.is_some() {
        return Err(outcome.end());
    }
    if outcome.late {
        let limit = humantime::format_duration(limit);
        return Err(failed(format!("The installation of dependencies took longer than {limit}.")));
    }
    match outcome.code {
        Some(0) => {}
        Some(code) => return Err(failed(plan.failure(code, network))),
        None => return Err(outcome.end()),
    }
    if let Plan::Detected(recipe) = plan {
        recipe.hand_over(env);
    }
    log.print(&format!("Installed in {:.1} s\r\n", started.elapsed().as_secs_f64()));
    Ok(())
}

fn failed(detail: String) -> End {
    End { reason: EndReason::Install, exit_code: Some(EXIT_INSTALL), detail }
}

impl Plan {
    /// What an exit code means, and what to do about it.
    fn failure(&self, code: i32, network: Network) -> String {
        let failed = format!("The installation of dependencies failed with exit code {code}");
        match self {
            Plan::Told(_) => format!("{failed}."),
            Plan::Detected(Recipe { file, tool, .. }) if code == NO_TOOL => {
                format!("The source has a {file}, but {tool} is not installed here. {OTHERWISE}")
            }
            Plan::Detected(recipe) => {
                let route = if network == Network::None { NO_ROUTE } else { "" };
                format!("{failed}: {}. {route}{OTHERWISE}", recipe.command)
            }
        }
    }
}

/// Text for one line of a terminal: whatever would move the cursor or more is shown and not done.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_names_the_missing_tool_or_says_that_there_is_no_network() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("package.json"), "{}").expect("a file");
        let plan = Plan::Detected(detect(folder.path()).await.expect("a recipe"));
        let missing = plan.failure(NO_TOOL, Network::None);
        assert!(missing.starts_with("The source has a package.json, but npm is not installed here."), "{missing}");
        let failed = plan.failure(7, Network::None);
        assert!(failed.contains("exit code 7: npm install. The session has no network"), "{failed}");
        assert!(!plan.failure(7, Network::Open).contains("network"));
        assert!(missing.contains("install_cmd") && failed.contains("install_cmd"));
        let told = Plan::Told("x".to_owned()).failure(NO_TOOL, Network::None);
        assert_eq!(told, "The installation of dependencies failed with exit code 86.");
    }

    #[test]
    fn a_line_moves_no_cursor() {
        assert_eq!(one_line("a\nb\x1b[2Jc"), "a b [2Jc");
    }
}
