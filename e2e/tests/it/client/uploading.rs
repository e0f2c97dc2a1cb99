//! `podling run`: a folder on its way into a session.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use podling_e2e::{
    podling::{Podling, binary, files_below},
    proxy::{Links, Proxy},
    pty::Pty,
    wait::until,
};
use rand::RngExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

const PATIENCE: Duration = Duration::from_secs(180);

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        write(folder.path(), name, content);
    }
    folder
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("it is below the folder")).expect("made");
    fs::write(path, content).expect("written");
}

fn random(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    rand::rng().fill(&mut content[..]);
    content
}

fn command(server: &Podling, url: &str, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(["run", "--server", url]).args(words).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command.env("PODLING_API_KEY_FILE", server.data_dir().join("operator.key"));
    command
}

async fn run(server: &Podling, folder: &Path, words: &[&str]) -> Output {
    let running = command(server, &server.url, folder, words).output();
    timeout(PATIENCE, running).await.expect("it ends").expect("podling runs")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is no JSON: {output:?}")))
        .collect()
}

fn of_kind<'a>(told: &'a [Value], kind: &str) -> &'a Value {
    told.iter().find(|line| line["type"] == kind).unwrap_or_else(|| panic!("no {kind} in {told:?}"))
}

fn uploads(server: &Podling) -> Vec<PathBuf> {
    let mut files = files_below(&server.data_dir().join("blobs"));
    files.retain(|file| file.iter().any(|part| part == "uploads"));
    files
}

#[tokio::test]
async fn a_prompt_and_no_way_out_are_passed_on() {
    let server = Podling::start().await;
    let (folder, line) = (folder(&[("a", b"x")]), r#"echo "asked to $CLAUDE_PROMPT""#);
    let words = ["--name", "asked", "--prompt", "look twice", "--no-egress", "--", line];
    let output = command(&server, &server.url, folder.path(), &words).output().await.expect("podling runs");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("asked to look twice"), "{output:?}");
    assert_eq!(server.session("asked").await["egress"], false);
}

#[tokio::test]
async fn a_folder_runs_in_a_session_with_its_variables_and_its_exit_code() {
    let server = Podling::start().await;
    let folder = folder(&[
        ("only/run.sh", b"#!/bin/sh\necho \"here $A $S $1\"; ls -1A; exit 4\n"),
        (".gitignore", b"*.log\n"),
        ("only/big.log", b"stays"),
    ]);
    fs::set_permissions(folder.path().join("only/run.sh"), PermissionsExt::from_mode(0o755)).expect("ours");
    let mut running =
        command(&server, &server.url, folder.path(), &["-e", "A=1", "--secret", "S", "--", "only/run.sh", "a b"]);
    let output = timeout(PATIENCE, running.env("S", "hidden").output()).await.expect("it ends").expect("podling runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(text.contains("here 1 hidden a b\r\n.gitignore\r\nonly\r\n"), "{text}");
    let nested = run(&server, &folder.path().join("only"), &["--json", "--", "ls"]).await;
    assert_eq!(of_kind(&lines(&nested), "exit")["exit_code"], 0);
}

#[tokio::test]
async fn a_folder_of_200_mb_is_uploaded_without_what_is_ignored_and_the_second_time_not_at_all() {
    let server = Podling::start().await;
    let folder = folder(&[(".gitignore", b"target/\n")]);
    for number in 0..40 {
        write(folder.path(), &format!("src/{}/{number}.bin", number % 4), &random(5 << 20));
        write(folder.path(), &format!("target/{number}"), &random(1 << 20));
    }
    let words = ["--json", "--", "find . -type f | wc -l; du -sm . | cut -f1"];
    let first = lines(&run(&server, folder.path(), &words).await);
    let (bundle, exit) = (of_kind(&first, "bundle"), of_kind(&first, "exit"));
    assert_eq!(exit["exit_code"], 0, "{first:?}");
    let bytes = bundle["bytes"].as_u64().expect("a number");
    assert!((200 << 20..205 << 20).contains(&bytes) && bundle["sent_bytes"] == bytes, "{bundle}");
    let output: String = first.iter().filter_map(|line| line["text"].as_str()).collect();
    assert!(output.contains("41\r\n"), "{output}");
    let second = lines(&run(&server, folder.path(), &words).await);
    assert_eq!(of_kind(&second, "bundle")["sent_bytes"], 0);
    assert_eq!(of_kind(&second, "exit")["exit_code"], 0);
    assert!(uploads(&server).is_empty());
}

#[tokio::test]
async fn a_cut_upload_goes_on_where_it_was_also_when_the_controller_was_killed() {
    let mut server = Podling::start().await;
    let proxy = Proxy::start(vec![server.url.replace("http://", "")]).await;
    proxy.set(Links::Slow { bytes_per_second: 4e6 });
    let folder = folder(&[("big", &random(24 << 20))]);
    let url = format!("http://{}", proxy.address);
    let mut running = command(&server, &url, folder.path(), &["--json", "--", "wc -c big"]);
    let mut running = std::pin::pin!(running.stdout(Stdio::piped()).stderr(Stdio::piped()).output());
    let there = async |bytes: u64| {
        until("a part of the upload", PATIENCE, async || {
            let held =
                uploads(&server).iter().filter_map(|file| fs::metadata(file).ok()).map(|about| about.len()).sum();
            if held >= bytes { Ok(held) } else { Err(held) }
        })
        .await
    };
    let cut = async {
        let first = there(4 << 20).await;
        proxy.cut();
        (first, there(first + (2 << 20)).await)
    };
    let (first, second) = tokio::select! {
        offsets = cut => offsets,
        ended = &mut running => panic!("it ended: {ended:?}"),
    };
    assert!(first < second);
    server.kill().await;
    let kept: u64 = uploads(&server).iter().map(|file| fs::metadata(file).expect("a file").len()).sum();
    assert!(kept >= second, "{kept} of {second} survived the kill");
    let ((), output) = tokio::join!(server.restart(), timeout(PATIENCE, running));
    let output = output.expect("it ends").expect("podling runs");
    let told = lines(&output);
    let bundle = of_kind(&told, "bundle");
    let (bytes, sent) = (bundle["bytes"].as_u64().expect("a number"), bundle["sent_bytes"].as_u64().expect("a number"));
    assert!(sent <= bytes, "nothing that had come was sent again: {sent} of {bytes}");
    let output: String = told.iter().filter_map(|line| line["text"].as_str()).collect();
    assert!(output.contains(&format!("{} big", 24 << 20)), "{output}");
}

#[tokio::test]
async fn a_bundle_that_nobody_uploaded_is_refused_with_what_to_do() {
    let server = Podling::start().await;
    let body = json!({ "command": "true", "code_url": format!("bundle:sha256:{}", "a".repeat(64)) });
    let (status, problem) = server.post("/api/sessions", body).await;
    assert_eq!((status.as_u16(), &problem["field"]), (400, &json!("code_url")));
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("POST /api/bundles")), "{problem}");
}

#[tokio::test]
async fn a_session_can_be_left_to_itself_from_the_start() {
    let server = Podling::start().await;
    let folder = folder(&[("a", b"1")]);
    let output = run(&server, folder.path(), &["--detach", "--name", "left", "--", "cat a; sleep 600"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<_> = text.lines().collect();
    assert!(rows[0] == "left" && rows[1].starts_with(&format!("{}/ws/", server.url)), "{output:?}");
    server.prints("left", "1").await;
}

#[tokio::test]
async fn a_folder_runs_on_a_terminal_of_its_own() {
    let server = Podling::start().await;
    let folder = folder(&[("hello.sh", b"read -r name; echo hello $name; exit 9")]);
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("out")).expect("linked");
    let mut terminal = Pty::podling(&server.url, folder.path(), &["run", "--", "bash", "hello.sh"]);
    terminal.sees("left out: out: a link").await;
    terminal.sees("uploaded").await;
    terminal.sees("Extracting").await;
    terminal.types("you\r");
    terminal.sees("hello you").await;
    assert_eq!(terminal.ended().await.code(), Some(9), "{}", terminal.text());
    assert!(!terminal.is_raw());
}
