//! The whole road of a person: curl, the link, the browser, the end.

use std::{process::Stdio, time::Duration};

use podling_e2e::{
    archive::{Answer, ArchiveServer, sha256, tar_gz},
    browser,
    podling::{Podling, Session},
    viewer::{Plain, Viewer},
};
use podling_session::{frame::ClientFrame, id::AttachNonce, size::WindowSize};
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

/// A small real program: colours, redraw in place, a prompt, the window's size, an interrupt, a terminal query, a code.
const PROGRAM: &str = r#"#!/bin/bash
for n in 1 2 3; do printf '\r\033[2K\033[1;32mstep %s of 3\033[0m' "$n"; sleep 0.1; done; echo
cat greeting.txt
read -rp $'\033[36mWhat is your name?\033[0m ' name
echo "Hello $name"
while read -r word; do
  case $word in
    size) echo "size is $(stty size)" ;;
    loop) trap 'echo interrupted; trap - INT' INT; echo looping; sleep 60 & wait $!; trap - INT ;;
    probe) printf '\033[6n\033[c'; read -rsd R; read -rsd c; read -rst 0.3 more; echo "probe answered once${more:+ and more}" ;;
    quit) echo Goodbye; exit 7 ;;
  esac
done
"#;

async fn curl(podling: &Podling, body: &Value) -> Session {
    let url = format!("{}/api/sessions", podling.url);
    let body = body.to_string();
    let arguments = ["-sS", "--fail-with-body", "-H", "Content-Type: application/json", "-d", &body, &url];
    let running = Command::new("curl").args(arguments).stdin(Stdio::null()).output();
    let output = timeout(Duration::from_secs(30), running).await.expect("curl ends").expect("curl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Session::from(serde_json::from_slice::<Value>(&output.stdout).expect("the answer is JSON"))
}

#[tokio::test]
async fn a_person_opens_the_link_of_a_program_from_an_archive_and_drives_it_to_its_end() {
    let archive = tar_gz(&[
        ("main.sh", PROGRAM, 0o755),
        ("greeting.txt", "greetings from the archive\n", 0o644),
        (".dot", "", 0o644),
    ]);
    let checksum = sha256(&archive);
    let server = ArchiveServer::start([("/program.tar.gz", Answer::Body(archive))]).await;
    let podling = Podling::start_with(&["--allow-source", &server.address.to_string()]).await;
    let body = json!({
        "code_url": server.url("/program.tar.gz"),
        "code_checksum_sha256": checksum,
        "install_cmd": "echo installing things",
        "command": "ls -a .dot && ./main.sh",
    });
    let session = curl(&podling, &body).await;
    assert_eq!(session.terminal_url, format!("{}/ws/{}?token={}", podling.url, session.uid, session.token));
    assert_eq!(session.json["wsUrl"], format!("/ws/{}", session.uid));
    browser::scenario("terminal", &[&session.terminal_url, &podling.url]).await;
    let ended = podling.reaches(&session.uid, "ended").await;
    assert_eq!((&ended["exit_code"], &ended["end_reason"]), (&json!(7), &json!("exit")));
    assert!(podling.output(&session.uid).await.contains("installing things"), "the install is part of the log");
}

#[tokio::test]
async fn a_program_that_ended_before_the_page_opened_is_still_seen_also_after_kill_9_and_a_restart() {
    let mut podling = Podling::start().await;
    let session = podling.run("echo hi").await;
    podling.reaches(&session.uid, "ended").await;
    podling.released(&session.uid, Duration::from_secs(30)).await;
    let mut viewer = Viewer::of(&podling, &session).await;
    let closed = viewer.to_end().await;
    assert_eq!((closed.code, viewer.text().as_str()), (1000, "hi\r\n"));
    assert_eq!(viewer.exit.as_ref().expect("an exit frame")["exit_code"], 0);

    podling.kill().await;
    podling.restart().await;
    let token = podling.token(&session.uid).await;
    let mut plain = Plain::attach(&podling.url, &session.uid, &token).await.expect("the stored log is served");
    assert_eq!(plain.to_end().await.code, 1000);
    assert!(plain.text().contains("hi"), "{:?}", plain.text());
    let token = podling.token(&session.uid).await;
    let url = format!("{}/ws/{}?token={token}", podling.url, session.uid);
    browser::scenario("late", &[&url, &podling.url]).await;
}

#[tokio::test]
async fn typing_resizing_and_watching_reach_one_terminal() {
    let podling = Podling::start().await;
    let session = podling.run("tput colors; while read -r x; do echo \"got $x $(stty size)\"; done").await;
    let mut first = Viewer::of(&podling, &session).await;
    first.sees("256").await;
    first.type_in("one\n").await;
    first.sees("got one 24 80").await;
    first.send(ClientFrame::Resize(WindowSize::new(33, 101).expect("a fair size"))).await;
    first.type_in("two\n").await;
    first.sees("got two 33 101").await;
    let token = podling.token(&session.uid).await;
    let mut late = Plain::attach_by_query(&podling.url, &session.uid, &token).await.expect("a late viewer");
    late.sees("got two 33 101").await;
    late.type_in("three\n").await;
    first.sees("got three 33 101").await;
    first.type_in("\u{4}").await;
    assert_eq!(first.to_end().await.code, 1000);
    assert_eq!(late.to_end().await.code, 1000);
}

#[tokio::test]
async fn a_closed_tab_interrupts_nothing_and_a_new_token_comes_back_to_the_same_pty() {
    let podling = Podling::start().await;
    let session = podling.run("echo pid $$; read x; echo still pid $$").await;
    let mut first = Viewer::of(&podling, &session).await;
    first.sees("pid ").await;
    drop(first);
    let token = podling.token(&session.uid).await;
    let mut second = Viewer::attach(&podling.url, &session.uid, &token, AttachNonce::random()).await;
    second.sees("pid ").await;
    let pid = second.text().trim().to_owned();
    second.type_in("\n").await;
    second.sees(&format!("still {pid}")).await;
}

#[tokio::test]
async fn a_program_that_asks_for_the_cursor_is_typed_into_by_nobodys_browser() {
    let podling = Podling::start().await;
    let session = podling.run("stty -echo; printf '\\033[6n\\033[c\\033]11;?\\007ready\\n'; cat -v").await;
    browser::scenario("queries", &[&session.terminal_url, &podling.url]).await;
    let output = podling.output(&session.uid).await;
    let (_, typed) = output.split_once("ready\r\n").expect("it was ready");
    // The runner answers each question once; two pages add nothing.
    for answer in ["R^[[?", "^[]11;rgb:", "^["] {
        let expected = if answer == "^[" { 3 } else { 1 };
        assert_eq!(typed.matches(answer).count(), expected, "{answer:?} in {typed:?}");
    }
}

#[tokio::test]
async fn a_click_in_the_page_reaches_a_program_that_asked_for_the_mouse() {
    let podling = Podling::start().await;
    let command = "echo colours $(tput colors); stty raw -echo; printf '\\033[?1000h\r\nclick me\r\n'; \
        head -c 4 | od -An -c | sed 's/^ *//; s/  *$/ space/; s/  */ /g'; sleep 600";
    let session = podling.run(command).await;
    browser::scenario("mouse", &[&session.terminal_url, &podling.url]).await;
}
