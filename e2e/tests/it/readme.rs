//! The README's commands do what it says.

use std::{path::Path, process::Stdio, time::Duration};

use podling_e2e::podling::{Podling, binary};
use tokio::{process::Command, time::timeout};

/// What the commands of the block of this number say.
async fn run(podling: &Podling, number: usize) -> String {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```sh\n").nth(number).and_then(|rest| rest.split("```").next());
    let script = block.expect("the README has a block of commands");
    let binary = binary();
    let path = [binary.parent().expect("a folder"), Path::new("/usr/bin"), Path::new("/bin")];
    let mut command = Command::new("bash");
    command.args(["-euc", script]).env("B", &podling.url).env("PODLING_URL", &podling.url).stdin(Stdio::null());
    command.env("PATH", std::env::join_paths(path).expect("no colon in them"));
    let output = timeout(Duration::from_secs(120), command.output()).await.expect("they end").expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    text
}

#[tokio::test]
async fn the_commands_of_the_readme_that_run_a_folder_run() {
    let podling = Podling::start().await;
    let text = run(&podling, 2).await;
    for part in ["hello you", "it ended with 3", "/ws/", "\nlater  ", "mine   ended (3)"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    podling.reaches("later", "ended").await;
}

#[tokio::test]
async fn the_commands_of_the_readme_run() {
    let podling = Podling::start().await;
    let text = run(&podling, 1).await;
    for part in ["hello from a session", "\"terminalUrl\"", "\"token\"", "\"exit_code\":3"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert_eq!(podling.get("/api/sessions/hello").await.0, 404);
}
