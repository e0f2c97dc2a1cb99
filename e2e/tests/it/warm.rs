//! Warm runners: claimed by one session each, replaced, and never a reason for a session to fail.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use podling_e2e::{
    form::Form,
    podling::Podling,
    process::{signal, with_argument},
    wait::until,
};
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(30);
/// PSS of a runner that waits, without the processes of its sandbox, in KiB; of a release build, which others exceed.
const IDLE_KIB: u64 = if cfg!(debug_assertions) { 24 * 1024 } else { 6 * 1024 };

/// Waits until each controller's pool is full; the names of the launches in it.
async fn pool(podling: &Podling, of_each: usize) -> Vec<String> {
    let size = of_each * Form::of_this_run().controllers();
    until("the pool is full", PATIENCE, async || {
        let mut waiting = Vec::new();
        for launch in podling.launches() {
            if podling.is_claimable(&launch).await? {
                waiting.push(launch);
            }
        }
        if waiting.len() == size { Ok(waiting) } else { Err(format!("{waiting:?}")) }
    })
    .await
}

fn runner(launch: &str) -> i32 {
    let mut runners = with_argument(launch).into_iter().filter(|process| process.command_line.contains(" runner "));
    runners.next().unwrap_or_else(|| panic!("{launch} has no process")).pid
}

#[tokio::test]
async fn a_create_takes_a_warm_runner_and_the_pool_is_filled_again() {
    let podling = Podling::start().await;
    let before = pool(&podling, 2).await;
    for launch in &before {
        let kib = pss_kib(runner(launch));
        assert!(kib < IDLE_KIB, "{launch} has {kib} KiB");
    }
    let session = podling.run("id -u; pwd; echo $PODLING_SESSION; sleep 600").await;
    let taken = podling.launch(&session.uid).await;
    assert!(before.contains(&taken), "{taken} is none of {before:?}");
    podling.reaches(&session.uid, "running").await;
    let after = pool(&podling, 2).await;
    assert!(!after.contains(&taken));
    let (status, _) = podling.delete(&format!("/api/sessions/{}", session.uid)).await;
    assert!(status.is_success());
    podling.released(&session.uid, Duration::from_secs(10)).await;
    assert!(!podling.launches().contains(&taken));
}

#[tokio::test]
async fn of_50_creates_at_once_no_two_have_one_runner_and_each_runs_what_is_its_own() {
    let podling = std::sync::Arc::new(Podling::start_with(&["--warm-runners", "6"]).await);
    pool(&podling, 6).await;
    let mut creates = JoinSet::new();
    for number in 0..50 {
        let podling = podling.clone();
        creates.spawn(async move {
            let own = format!("own-{number}-");
            let body = json!({ "command": "echo $OWN$(id -u)-$PODLING_SESSION; cat /work/*; echo $OWN >/work/mine",
                "env": { "OWN": own } });
            (podling.create_patiently(&own, &body).await, own)
        });
    }
    let (mut launches, mut users) = (HashSet::new(), HashSet::new());
    let mut warm = 0;
    for (session, own) in creates.join_all().await {
        let launch = podling.launch(&session.uid).await;
        warm += usize::from(launch.starts_with("warm-"));
        assert!(launches.insert(launch), "two sessions have one runner");
        let ended = podling.reaches_within(&session.uid, "ended", Duration::from_secs(120)).await;
        assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("exit"), &json!(0)), "{ended}");
        let output = podling.output(&session.uid).await;
        assert_eq!(output.matches("own-").count(), 1, "{output}");
        assert!(output.contains(&own) && output.contains(&session.uid), "{output}");
        users.extend(output.split(['-', '\r']).nth(2).map(str::to_owned));
    }
    assert!(warm >= 6, "{warm} of them were warm");
    println!("{warm} of 50 were warm, {} users", users.len());
}

#[tokio::test]
async fn a_warm_runner_that_dies_before_its_claim_is_replaced() {
    let podling = Podling::start().await;
    let before = pool(&podling, 2).await;
    signal(runner(&before[0]), Signal::KILL);
    let session = podling.run("echo fine").await;
    assert_eq!(podling.reaches(&session.uid, "ended").await["exit_code"], 0);
    until("it is replaced", PATIENCE, async || {
        let after = pool(&podling, 2).await;
        if after.contains(&before[0]) { Err(after) } else { Ok(()) }
    })
    .await;
    podling.released(&session.uid, Duration::from_secs(10)).await;
}

/// Stopped, it takes the assignment no more than a dead one does; killed then, it has died between claim and beginning.
#[tokio::test]
async fn a_session_whose_warm_runner_dies_before_it_begins_gets_another() {
    let podling = Podling::start_with(&["--warm-runners", "1"]).await;
    for round in 0..5 {
        let pool = pool(&podling, 1).await;
        pool.iter().for_each(|launch| signal(runner(launch), Signal::STOP));
        let session = podling.run("echo once; sleep 0.2").await;
        let warm = podling.launch(&session.uid).await;
        assert!(pool.contains(&warm), "round {round}: {warm} is none of {pool:?}");
        let killed = Instant::now();
        signal(runner(&warm), Signal::KILL);
        pool.iter().filter(|other| **other != warm).for_each(|other| signal(runner(other), Signal::CONT));
        let ended = podling.reaches(&session.uid, "ended").await;
        assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("exit"), &json!(0)), "round {round}: {ended}");
        assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
        assert_eq!(podling.output(&session.uid).await, "once\r\n");
        podling.released(&session.uid, Duration::from_secs(10)).await;
        assert!(!podling.launches().contains(&warm));
    }
}

#[tokio::test]
async fn a_warm_runner_that_dies_after_it_began_is_lost_and_its_command_runs_once() {
    let podling = Podling::start().await;
    pool(&podling, 2).await;
    let session = podling.run("echo began; sleep 600").await;
    podling.reaches(&session.uid, "running").await;
    signal(runner(&podling.launch(&session.uid).await), Signal::KILL);
    assert_eq!(podling.reaches(&session.uid, "ended").await["end_reason"], "runner-lost");
    podling.released(&session.uid, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_restart_ends_the_warm_runners_of_before_and_keeps_the_claimed() {
    let mut podling = Podling::start().await;
    let before = pool(&podling, 2).await;
    let session = podling.run("sleep 3; echo still here").await;
    let taken = podling.launch(&session.uid).await;
    podling.kill().await;
    podling.restart().await;
    let after = pool(&podling, 2).await;
    assert!(after.iter().all(|launch| !before.contains(launch)), "{before:?} {after:?}");
    assert_eq!(podling.launch(&session.uid).await, taken);
    assert_eq!(podling.reaches(&session.uid, "ended").await["end_reason"], "exit");
    assert!(podling.output(&session.uid).await.contains("still here"));
    podling.released(&session.uid, Duration::from_secs(10)).await;
    let data_dir = podling.data_dir().display().to_string();
    assert!(podling.terminate().await.success());
    assert_eq!(with_argument(&data_dir), [], "a drain leaves no warm runner");
    assert_eq!(podling.launches(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_pool_every_start_is_cold() {
    let podling = Podling::start_with(&["--warm-runners", "0"]).await;
    let session = podling.run("echo cold").await;
    assert_eq!(podling.reaches(&session.uid, "ended").await["exit_code"], 0);
    assert_eq!(podling.launch(&session.uid).await, format!("{}-1", session.uid.replace('-', "")));
    assert!(podling.launches().iter().all(|launch| !launch.starts_with("warm-")));
}

fn pss_kib(pid: i32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the test may look");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("proc_pid_smaps_rollup(5)");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
