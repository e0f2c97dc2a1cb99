//! A real Chromium, driven by the scripts in `browser/` through playwright-core.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use crate::workspace::e2e;

/// A headless start on a busy machine takes seconds, a scenario not a minute.
const SCENARIO: Duration = Duration::from_secs(150);

/// Where screenshots go, for people to look at.
pub fn out_dir() -> PathBuf {
    let folder = e2e().join("out");
    std::fs::create_dir_all(&folder).expect("the screenshots' folder can be made");
    folder
}

/// Runs a scenario to its end; panics with what it printed unless it succeeds.
pub async fn scenario(name: &str, arguments: &[&str]) -> String {
    let script = e2e().join("browser").join(format!("{name}.mjs"));
    let running = Command::new("node")
        .arg(script)
        .args(arguments)
        .env("PODLING_SCREENSHOTS", out_dir())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(SCENARIO, running).await.expect("the scenario ends in time").expect("node runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "scenario {name} failed:\n{text}");
    text
}
