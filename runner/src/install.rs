//! Installs what the source depends on. What that prints is part of the terminal log.

use std::collections::BTreeMap;

use podling_session::phase::{End, EndReason};

use crate::program::Programs;

/// The process's exit code when the installation fails.
const EXIT_INSTALL: i32 = 4;

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

/// Text for one line of a terminal: whatever would move the cursor or more is shown and not done.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_moves_no_cursor() {
        assert_eq!(one_line("a\nb\x1b[2Jc"), "a b [2Jc");
    }
}
