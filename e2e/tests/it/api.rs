//! The API as it describes itself: to people, and to programs that make their requests from the description.

use std::{process::Stdio, time::Duration};

use podling_e2e::{browser::scenario, podling::Podling, workspace::e2e};
use tokio::{process::Command, time::timeout};

/// Some 800 requests.
const SCHEMATHESIS: Duration = Duration::from_secs(240);

#[tokio::test]
async fn the_pages_of_docs_show_every_operation_and_load_nothing_from_elsewhere() {
    let podling = Podling::start().await;
    scenario("docs", &[&podling.url]).await;
}

#[tokio::test]
async fn whatever_is_asked_after_the_description_is_answered_after_the_description() {
    let podling = Podling::start_with(&["--creates-per-minute", "100000"]).await;
    let folder = e2e().join("python");
    let notes = tempfile::tempdir().expect("a place for what it notes for another run");
    let running = Command::new(folder.join("venv/bin/schemathesis"))
        .arg("--config-file")
        .arg(folder.join("schemathesis.toml"))
        .args(["run", "--generation-deterministic", "--max-examples", "15"])
        .args(["--no-color", "--header", &format!("Authorization: Bearer {}", podling.operator_key())])
        // Behind a proxy nobody is the local owner, so that requests without a key must be refused.
        .args(["--header", "Via: 1.1 test", &format!("{}/api/openapi.json", podling.url)])
        .current_dir(notes.path())
        .env("SCHEMATHESIS_HOOKS", folder.join("hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(SCHEMATHESIS, running).await.expect("it ends in time").expect("schemathesis runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
