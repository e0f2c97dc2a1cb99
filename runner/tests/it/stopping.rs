//! Orders to end, and the end of the controller.

use std::time::{Duration, Instant};

use podling_session::log::Body;

use crate::{
    viewer::Last,
    world::{Plan, World},
};

const STUBBORN: &str = "trap 'echo caught' TERM; echo ready; while true; do sleep 0.05; done";

async fn ready(command: &str, arguments: &[&str]) -> (World, crate::viewer::Viewer) {
    let mut plan = Plan::command(command);
    plan.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let world = plan.start().await;
    let mut viewer = world.attach().await;
    viewer.until_text("ready").await;
    (world, viewer)
}

fn exits(world: &World) -> usize {
    world.stored().iter().filter(|record| matches!(record.body, Body::Exit(_))).count()
}

#[tokio::test]
async fn a_stop_lets_the_command_end_by_itself() {
    let (mut world, mut viewer) =
        ready("trap 'echo bye; exit 9' TERM; echo ready; while true; do sleep 0.05; done", &[]).await;
    world.controller.stop("deadline", "The session reached its deadline.", 10_000);
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!((exit.reason.as_str(), exit.exit_code), ("deadline", Some(9)));
    assert!(viewer.text().ends_with("bye\r\n"), "{}", viewer.text());
    assert_eq!(world.exit_code().await, Some(9));
    assert_eq!((world.ended().await.0, exits(&world)), (exit, 1));
}

#[tokio::test]
async fn after_the_grace_period_the_command_is_killed() {
    let (mut world, mut viewer) = ready(STUBBORN, &[]).await;
    let asked = Instant::now();
    world.controller.stop("admin", "", 700);
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert!(asked.elapsed() >= Duration::from_millis(700));
    assert_eq!((exit.reason.as_str(), exit.exit_code), ("admin", Some(137)));
    assert_eq!(exit.detail, "An operator ended the session.");
    assert_eq!(world.exit_code().await, Some(137));
}

#[tokio::test]
async fn a_signal_stops_the_command_and_the_runner() {
    let (mut world, mut viewer) = ready(STUBBORN, &["--grace=500ms"]).await;
    world.signal();
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!((exit.reason.as_str(), exit.exit_code), ("stopped", Some(137)));
    assert!(viewer.text().contains("caught"));
    assert_eq!(world.exit_code().await, Some(137));
    assert_eq!((world.ended().await.0, exits(&world)), (exit, 1));
}

/// A runner that stood still finds both when it goes on.
#[tokio::test]
async fn a_signal_that_is_quicker_than_the_controllers_reason_does_not_take_its_place() {
    let (mut world, mut viewer) = ready(STUBBORN, &["--grace=60s"]).await;
    world.signal();
    world.controller.stop("runner-lost", "", 300);
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!((exit.reason.as_str(), exit.exit_code), ("runner-lost", Some(137)));
    assert_eq!(world.exit_code().await, Some(137));
}

#[tokio::test]
async fn a_runner_whose_controller_is_gone_ends_itself() {
    let (mut world, mut viewer) = ready(STUBBORN, &["--controller-refused-timeout=500ms"]).await;
    world.controller.die();
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!(exit.reason, "runner-lost");
    assert_eq!(world.exit_code().await, Some(137));
    assert_eq!(exits(&world), 1);
}

#[tokio::test]
async fn a_wrong_secret_ends_the_runner() {
    let mut plan = Plan::command("true");
    plan.secret = "another secret";
    let mut world = plan.start().await;
    assert_eq!(world.exit_code().await, Some(1));
    assert!(world.controller.told.registered.borrow().is_empty());
}

#[tokio::test]
async fn a_stop_during_the_installation_ends_it() {
    let mut plan = Plan::command("echo never");
    plan.spec.install_cmd = Some("echo ready; sleep 1000".into());
    let mut world = plan.start().await;
    let mut viewer = world.attach().await;
    viewer.until_text("ready\r\n").await;
    world.controller.stop("stopped", "", 5_000);
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!((exit.reason.as_str(), exit.exit_code), ("stopped", Some(143)));
    assert_eq!(world.exit_code().await, Some(143));
    assert!(!world.text().contains("never") && !world.text().contains("[fatal]"), "{}", world.text());
}

#[tokio::test]
async fn viewers_who_are_behind_when_a_session_is_stopped_are_told_to_come_back() {
    let mut world = Plan::command("read -r go; seq 1 400000; echo ready; cat").start().await;
    let mut stalled = world.attach().await;
    stalled.acks = false;
    stalled.type_in("go\r").await;
    world.attach().await.until_text("ready").await;
    world.controller.stop("stopped", "", 0);
    let Last::Closed(closed) = stalled.last().await else { panic!("{:?}", stalled.end) };
    assert_eq!(closed.code, 1001);
    world.exit_code().await;
}
