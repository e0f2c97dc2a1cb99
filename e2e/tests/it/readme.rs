//! The README's commands do what it says.

use std::{process::Stdio, time::Duration};

use podling_e2e::podling::Podling;
use tokio::{process::Command, time::timeout};

#[tokio::test]
async fn the_commands_of_the_readme_run() {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let script = block.expect("the README has a block of commands");
    let podling = Podling::start().await;
    let running = Command::new("bash").args(["-euc", script]).env("B", &podling.url).stdin(Stdio::null()).output();
    let output = timeout(Duration::from_secs(60), running).await.expect("they end").expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for part in ["hello from a session", "\"terminalUrl\"", "\"token\"", "\"exit_code\":3"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert_eq!(podling.get("/api/sessions/hello").await.0, 404);
}
