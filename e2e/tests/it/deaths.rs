//! kill -9 of everything.

use std::time::{Duration, Instant};

use podling_e2e::{
    podling::Podling,
    process::{self, signal, with_argument},
    viewer::{Plain, Viewer},
    wait::until,
};
use rustix::process::Signal;
use serde_json::json;
use tokio::time::timeout;

/// The runner process of a session: of those that name its launch, the one that is no sandbox.
async fn runner_of(podling: &Podling, uid: &str) -> i32 {
    let name = podling.launch(uid).await;
    let runners = with_argument(&name).into_iter().filter(|process| process.command_line.contains(" runner "));
    let pids: Vec<_> = runners.map(|process| process.pid).collect();
    assert_eq!(pids.len(), 1, "one runner serves {uid}");
    pids[0]
}

#[tokio::test]
async fn when_the_runner_is_killed_viewers_get_a_last_line_and_a_close_within_10_s() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; sleep 600").await;
    let mut framed = Viewer::of(&podling, &session).await;
    framed.sees("ready").await;
    let token = podling.token(&session.uid).await;
    let mut plain = Plain::attach(&podling.url, &session.uid, &token).await.expect("a second viewer");
    plain.sees("ready").await;
    podling.stores(&session.uid, "ready").await;
    let killed = Instant::now();
    signal(runner_of(&podling, &session.uid).await, Signal::KILL);
    let closed = framed.to_end().await;
    assert_eq!(closed.code, 1000, "{closed:?}");
    assert_eq!(framed.exit.as_ref().expect("an exit frame")["reason"], "runner-lost");
    assert_eq!(plain.to_end().await.code, 1000);
    assert!(plain.text().contains("runner was lost"), "{:?}", plain.text());
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    let ended = podling.session(&session.uid).await;
    assert_eq!((&ended["phase"], &ended["end_reason"]), (&json!("ended"), &json!("runner-lost")));
    assert!(podling.output(&session.uid).await.contains("ready"), "the log is kept");
    podling.released(&session.uid, Duration::from_secs(15)).await;
}

#[tokio::test]
async fn when_podling_is_killed_no_runner_outlives_it_by_10_s() {
    let mut podling = Podling::start().await;
    let session = podling.run("sleep 600").await;
    podling.reaches(&session.uid, "running").await;
    let data_dir = podling.data_dir().display().to_string();
    podling.kill().await;
    until("no process of it", Duration::from_secs(10), async || {
        let left = with_argument(&data_dir);
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    podling.restart().await;
    let ended = podling.reaches(&session.uid, "ended").await;
    assert_eq!(ended["end_reason"], "runner-lost");
    podling.released(&session.uid, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_session_goes_on_when_podling_is_killed_and_comes_back_at_once() {
    let mut podling = Podling::start().await;
    let session = podling.run("echo ready $$; read x; echo got $x; exit 4").await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("ready").await;
    podling.kill().await;
    let offset = viewer.offset;
    let (_, token) = viewer.cut().expect("a resume token");
    podling.restart().await;
    let mut resumed = Viewer::resume(&podling.url, &session.uid, &token, offset).await;
    resumed.type_in("input\n").await;
    resumed.sees("got input").await;
    assert_eq!(resumed.to_end().await.code, 1000);
    let ended = podling.reaches(&session.uid, "ended").await;
    assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("exit"), &json!(4)));
}

#[tokio::test]
async fn killing_a_runner_leaves_no_process_of_its_command() {
    let podling = Podling::start().await;
    let session = podling.run("for n in 1 2 3; do (setsid sleep 4242 &) ; done; echo ready; sleep 4242").await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("ready").await;
    signal(runner_of(&podling, &session.uid).await, Signal::KILL);
    until("no sleep is left", Duration::from_secs(10), async || {
        let left = process::with_argument("sleep 4242");
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test]
async fn a_runner_that_gets_sigterm_ends_its_command_and_itself_within_the_grace_period() {
    let podling = Podling::start_with(&["--grace", "3s"]).await;
    let kind = podling.run("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done").await;
    let stubborn = podling.run("trap '' TERM; echo ready; while :; do sleep 0.1; done").await;
    for session in [&kind, &stubborn] {
        let mut viewer = Viewer::of(&podling, session).await;
        viewer.sees("ready").await;
        let runner = runner_of(&podling, &session.uid).await;
        signal(runner, Signal::TERM);
        assert_eq!(viewer.to_end().await.code, 1000);
        until("the runner is gone", Duration::from_secs(8), async || {
            let left = with_argument(&podling.launch(&session.uid).await);
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
        assert_eq!(podling.reaches(&session.uid, "ended").await["end_reason"], "stopped");
    }
    assert!(podling.output(&kind.uid).await.contains("bye"));
    assert_eq!(podling.session(&kind.uid).await["exit_code"], 3);
}

/// What the runner of a session has written to its own log.
async fn runner_log(podling: &Podling, uid: &str) -> String {
    let folder = podling.data_dir().join("runners").join(podling.launch(uid).await);
    std::fs::read_to_string(folder.join("runner.log")).expect("a runner has a log, and it is text")
}

#[tokio::test]
async fn terminal_output_is_in_the_runners_own_log_only_when_that_was_asked_for() {
    for (arguments, mirrors) in
        [(vec![], false), (vec!["--mirror-output", "--log", "trace"], true), (vec!["--log", "trace"], false)]
    {
        let podling = Podling::start_with(&arguments).await;
        let session = podling.run("echo mirrored-$((40+2)); read x").await;
        let mut viewer = Viewer::of(&podling, &session).await;
        viewer.sees("mirrored-42").await;
        if mirrors {
            until("the copy", Duration::from_secs(10), async || {
                let log = runner_log(&podling, &session.uid).await;
                if log.contains("mirrored-42\r\n") { Ok(()) } else { Err(log.len()) }
            })
            .await;
        }
        assert_eq!(runner_log(&podling, &session.uid).await.contains("mirrored-42"), mirrors, "{arguments:?}");
        assert!(!podling.log().contains("mirrored-42"));
    }
}
#[tokio::test]
async fn a_silent_runner_is_shown_as_unreachable_after_10_s_and_lost_after_60_s_and_one_that_comes_back_is_told_to_stop()
 {
    let podling = Podling::start_with(&["--grace", "60s"]).await;
    let session = podling.run("echo ready; sleep 600").await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("ready").await;
    let runner = runner_of(&podling, &session.uid).await;
    signal(runner, Signal::STOP);
    let silent = Instant::now();
    let shown = timeout(Duration::from_secs(20), async {
        while !viewer.stages.iter().any(|stage| stage.contains("unreachable")) {
            assert_eq!(viewer.step().await, None, "the socket stays open");
        }
    });
    shown.await.expect("the viewer is told");
    assert!((9..20).contains(&silent.elapsed().as_secs()), "shown after {:?}", silent.elapsed());
    let ended = podling.reaches_within(&session.uid, "ended", Duration::from_secs(75)).await;
    assert_eq!(ended["end_reason"], "runner-lost");
    assert!(silent.elapsed() >= Duration::from_secs(58), "lost after {:?}", silent.elapsed());
    signal(runner, Signal::CONT);
    podling.released(&session.uid, Duration::from_secs(10)).await;
    assert_eq!(viewer.to_end().await.code, 1000);
    assert_eq!(viewer.exit.expect("an exit frame")["reason"], "runner-lost");
}
