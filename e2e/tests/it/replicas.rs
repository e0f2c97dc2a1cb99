//! Several controllers and gateways behind one address: any of them may go, and its callers and viewers are with another.

use std::time::{Duration, Instant};

use podling_e2e::{
    form::Form,
    podling::{Podling, Session},
    process::{Process, signal, with_argument},
    viewer::Viewer,
    wait::until,
};
use podling_session::id::AttachNonce;
use rustix::process::Signal;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);
/// What `podling up` says of a service.
const SERVES: &str = "serves on";
const ENDED: &str = "ended by itself";

/// `podling up` with two of each.
struct Deployment {
    podling: Podling,
}

impl Deployment {
    async fn start() -> Deployment {
        Deployment { podling: Podling::start_in(Form::Replicated, &[]).await }
    }

    /// The processes of one kind of service.
    fn services(&self, kind: &str) -> Vec<Process> {
        let parent = format!("--parent {}", self.podling.pid());
        let mut services = with_argument(&parent);
        services.retain(|process| process.command_line.contains(&format!(" {kind} ")));
        services
    }

    /// How often something was said of a kind of service.
    fn told(&self, kind: &str, words: &str) -> usize {
        let log = self.podling.log();
        log.lines().filter(|line| line.contains(&format!(" {kind} ")) && line.contains(words)).count()
    }

    async fn told_again(&self, kind: &str, words: &str, before: usize) {
        until(&format!("a {kind} {words}"), PATIENCE, async || {
            let now = self.told(kind, words);
            if now > before { Ok(()) } else { Err(now) }
        })
        .await;
    }

    /// Kills one service, waits until it is dead, and gives what its successor is told by.
    async fn kill(&self, kind: &str) -> usize {
        let (ended, begun) = (self.told(kind, ENDED), self.told(kind, SERVES));
        signal(self.services(kind).swap_remove(0).pid, Signal::KILL);
        self.told_again(kind, ENDED, ended).await;
        begun
    }

    async fn attach(&self, session: &Session) -> Viewer {
        Viewer::attach(&self.podling.url, &session.uid, &session.token, AttachNonce::random()).await
    }

    /// A viewer's way back.
    async fn come_back(&self, session: &Session, viewer: &Viewer) -> Viewer {
        let (_, token) = viewer.resume.clone().expect("every stream begins with it");
        Viewer::resume(&self.podling.url, &session.uid, &token, viewer.offset).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_each_are_one_podling_and_a_token_opens_one_stream_on_them() {
    let deployment = Deployment::start().await;
    let podling = &deployment.podling;
    assert_eq!((deployment.services("controller").len(), deployment.services("gateway").len()), (2, 2));
    let session = podling.run("echo ready; read -r line; echo \"got $line\"; exit 3").await;
    let mut viewer = deployment.attach(&session).await;
    viewer.sees("ready").await;
    for _ in 0..4 {
        assert_eq!(podling.session(&session.uid).await["uid"], session.uid.as_str(), "every controller knows it");
        let mut again = deployment.attach(&session).await;
        assert_eq!(again.to_end().await.code, 4401, "the token is spent at every gateway");
    }
    viewer.type_in("it\r").await;
    viewer.sees("got it").await;
    let ended = podling.reaches(&session.uid, "ended").await;
    assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("exit"), &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_is_missed_by_nobody_and_comes_back() {
    let deployment = Deployment::start().await;
    let podling = &deployment.podling;
    let session = podling.run("echo ready; while read -r line; do echo \"got $line\"; done").await;
    let mut viewer = deployment.attach(&session).await;
    viewer.sees("ready").await;
    for number in 0..2 {
        let begun = deployment.kill("controller").await;
        let word = format!("word-{number}");
        viewer.type_in(&format!("{word}\r")).await;
        viewer.sees(&format!("got {word}")).await;
        podling.reaches(&session.uid, "running").await; // Whoever calls finds the other.
        deployment.told_again("controller", SERVES, begun).await;
    }
    for _ in 0..2 {
        let begun = deployment.kill("gateway").await;
        viewer = deployment.come_back(&session, &viewer).await;
        viewer.type_in("again\r").await;
        viewer.sees("got again").await;
        deployment.told_again("gateway", SERVES, begun).await;
    }
    let (status, _) = podling.delete(&format!("/api/sessions/{}", session.uid)).await;
    assert!(status.is_success());
    let launch = session.uid.replace('-', "");
    until("nothing is left of the session", PATIENCE, async || {
        let left = with_argument(&launch);
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

/// The drain waits 10 s for answers under way, so a log that is followed must not be one of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_followed_log_is_cut_by_a_drain_and_does_not_hold_it_up() {
    let mut deployment = Deployment::start().await;
    let session = deployment.podling.run("echo ready; sleep 600").await;
    let mut logs = Vec::new();
    for _ in 0..4 {
        let mut log = deployment.podling.stream(&format!("/api/sessions/{}/log?follow=true", session.uid)).await;
        assert!(log.chunk().await.expect("its first bytes").is_some());
        logs.push(log);
    }
    let began = Instant::now();
    assert!(deployment.podling.terminate().await.success());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "the drain took {took:?}");
    for mut log in logs {
        let cut = async {
            while log.chunk().await?.is_some() {}
            Ok::<_, reqwest::Error>(())
        };
        assert!(cut.await.is_err(), "an answer that was cut does not look complete");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sigterm_ends_every_service_in_order_and_no_session() {
    let mut deployment = Deployment::start().await;
    let session = deployment.podling.run("echo ready; sleep 600").await;
    deployment.podling.prints(&session.uid, "ready").await;
    assert!(deployment.podling.terminate().await.success());
    let log = deployment.podling.log();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} is not in the log"));
    assert!(at("every gateway has ended") < at("every controller has ended"));
    deployment.podling.restart().await;
    let session = deployment.podling.session(&session.uid).await;
    assert_eq!(session["phase"], "running", "its runner waited for the next controllers");
}
