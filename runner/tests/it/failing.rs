//! Starts that fail: each with its reason, its code, and a `[fatal]` line in the log.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use crate::{
    controller::Told,
    world::{Plan, World},
};

/// Answers every request with this body.
async fn served(body: &'static [u8]) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut server = JoinSet::new();
    server.spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await; // Whatever it asks for.
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = socket.write_all(&[head.as_bytes(), body].concat()).await; // It may have left.
        }
    });
    (port, server)
}

async fn check(mut world: World, reason: &str, code: i32, part: &str) {
    let (exit, _) = world.ended().await;
    assert_eq!((exit.reason.as_str(), exit.exit_code), (reason, Some(code)), "{}", exit.detail);
    assert_eq!(world.exit_code().await, Some(code));
    let text = world.text();
    let fatal = text.lines().find(|line| line.contains("[fatal]")).unwrap_or_else(|| panic!("no [fatal] in {text}"));
    assert!(fatal.contains(part), "{fatal} lacks {part}");
}

#[tokio::test]
async fn a_source_that_is_no_archive_is_a_source_failure() {
    let (port, _server) = served(b"not an archive").await;
    let mut plan = Plan::command("true").source(format!("http://127.0.0.1:{port}/a.tar.gz?key=hidden"), None);
    plan.arguments.push(format!("--allow-source=127.0.0.1:{port}"));
    let world = plan.start().await;
    world.ended().await;
    assert_eq!(Told::phases(&world.controller.told.reports.borrow()), ["fetching", "extracting", "source"]);
    assert!(!world.text().contains("hidden"), "{}", world.text());
    check(world, "source", 3, "could not be extracted").await;
}

#[tokio::test]
async fn a_private_host_that_is_not_allowed_is_a_source_failure() {
    let plan = Plan::command("true").source("http://127.0.0.1:9/a.tar.gz".into(), None);
    check(plan.start().await, "source", 3, "127.0.0.1").await;
}

#[tokio::test]
async fn a_wrong_checksum_is_a_checksum_failure() {
    let (port, _server) = served(b"something else").await;
    let url = format!("http://127.0.0.1:{port}/a.tar.gz");
    let mut plan = Plan::command("true").source(url, Some("0".repeat(64)));
    plan.arguments.push("--allow-source=127.0.0.1".into());
    check(plan.start().await, "checksum", 1, "checksum").await;
}

#[tokio::test]
async fn a_source_that_is_not_named_and_a_checksum_that_is_none_have_codes_of_their_own() {
    check(Plan::command("true").source(String::new(), None).start().await, "source", 2, "CODE_URL is missing").await;
    let url = || "https://x.org/a.zip".to_owned();
    let plan = Plan::command("true").source(url(), Some("12".to_owned()));
    check(plan.start().await, "checksum", 1, "Invalid SHA-256 checksum format").await;
    let plan = Plan::command("true").source("ftp://x.org/a.zip".to_owned(), None);
    check(plan.start().await, "source", 3, "Only HTTP and HTTPS").await;
}

#[tokio::test]
async fn an_installation_that_fails_is_an_install_failure() {
    let mut plan = Plan::command("echo never");
    plan.spec.install_cmd = Some("echo trying; exit 9".into());
    check(plan.start().await, "install", 4, "exit code 9").await;
}

#[tokio::test]
async fn an_installation_that_takes_too_long_is_an_install_failure() {
    let mut plan = Plan::command("echo never");
    plan.spec.install_cmd = Some("trap '' TERM; sleep 600 & sleep 600".into());
    plan.arguments.push("--install-timeout=200ms".into());
    let world = plan.start().await;
    world.ended().await;
    assert!(!world.text().contains("never"));
    check(world, "install", 4, "longer than 200ms").await;
}

#[tokio::test]
async fn below_the_least_isolation_nothing_runs() {
    let mut plan = Plan::command("echo never");
    plan.arguments.push("--min-isolation=minimal".into());
    let world = plan.start().await;
    world.ended().await;
    assert!(!world.text().contains("never"));
    check(world, "command", 1, "isolation").await;
}
