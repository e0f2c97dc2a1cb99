//! The real Claude Code, in a session, against a model of our own.

use std::path::PathBuf;

use podling_e2e::{
    archive::{Answer, ArchiveServer, tar_gz_of},
    browser,
    messages::{GO_ON, Messages},
    podling::Podling,
    process::with_argument,
    workspace::e2e,
};
use serde_json::json;

const KEY: &str = "planted-9d20-key";
const PROMPT: &str = "Look for planted holes 4711.";
const ANSWER: &str = "Nothing was found in this work folder.";

/// What npm installed for this machine.
fn claude() -> PathBuf {
    let modules = e2e().join("claude/node_modules/@anthropic-ai");
    let names = ["claude-code-linux-x64", "claude-code-linux-arm64"];
    let found = names.into_iter().map(|name| modules.join(name).join("claude")).find(|path| path.is_file());
    found.expect("`cargo xtask setup` installs Claude Code")
}

#[tokio::test]
async fn what_claude_code_says_is_seen_in_the_browser_before_its_run_ends() {
    let archive = ArchiveServer::start([("/claude.tar.gz", Answer::Body(tar_gz_of(&claude())))]).await;
    let model = Messages::start(KEY, ANSWER).await;
    let (allowed, forward) = (archive.address.to_string(), format!("8000={}", model.address));
    let podling = Podling::start_with(&["--allow-source", &allowed, "--sandbox-forward", &forward]).await;
    let body = json!({
        "code_url": archive.url("/claude.tar.gz"),
        "install_cmd": "true",
        "command": "sample-cli run",
        "prompt": PROMPT,
        "env": { "CLAUDE_BIN": "/work/claude", "ANTHROPIC_BASE_URL": "http://127.0.0.1:8000" },
        "secrets": { "ANTHROPIC_API_KEY": KEY },
        "egress": false,
    });
    let session = podling.create(body).await;
    let go_on = format!("http://{}{GO_ON}", model.address);
    let (first, _) = ANSWER.split_once(' ').expect("some words");
    browser::scenario("claude", &[&session.terminal_url, &podling.url, &go_on, first, ANSWER]).await;
    let ended = podling.reaches(&session.uid, "ended").await;
    assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("exit"), &json!(0)));
    assert_eq!(model.faults(), [] as [&str; 0]);
    assert!(model.prompts().iter().any(|prompt| prompt.contains(PROMPT)), "{:?}", model.prompts());
    assert!(!podling.output(&session.uid).await.contains(KEY));
    assert_eq!(with_argument("/work/claude"), [], "nothing of it is left");
}
