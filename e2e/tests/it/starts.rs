//! DELETE, and kill -9 of the controller, at every step of a start. CI draws the steps from a printed seed: set
//! PODLING_SEED to run the same again, and PODLING_ROUNDS for more or fewer. `cargo xtask steps` takes every step in turn.

use std::time::{Duration, Instant};

use podling_e2e::{
    podling::Podling,
    process,
    setting::{setting, takes_every_step},
    wait::until,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

/// What CI runs of each.
const ROUNDS: u64 = 100;
/// The promise: from the DELETE, or from the readiness of the controller that was started again.
const PROMISE: Duration = Duration::from_secs(10);

/// A step of a start: the session's phase or stage, or a moment within the first milliseconds.
#[derive(Clone, Copy, Debug)]
enum Step {
    After(Duration),
    Reaches(&'static str),
}

/// The steps that a session tells of itself.
const TOLD: [&str; 4] = ["scheduling", "installing", "running", "ended"];
/// A start takes less, on a machine that does nothing else; what lies behind is the run and the release.
const MOMENTS: std::ops::Range<u64> = 0..400_000;
/// Between two moments when every step is taken, in microseconds.
const EVERY: usize = 4_000;

fn draw(random: &mut StdRng) -> Step {
    match random.random_range(0..10) {
        told @ 0..4 => Step::Reaches(TOLD[told]),
        4 => Step::After(Duration::ZERO),
        _ => Step::After(Duration::from_micros(random.random_range(MOMENTS))),
    }
}

/// The steps of one run: every one, or as many as CI draws.
fn steps(what: &str) -> Vec<Step> {
    if takes_every_step() {
        let moments = MOMENTS.step_by(EVERY).map(|micros| Step::After(Duration::from_micros(micros)));
        return TOLD.into_iter().map(Step::Reaches).chain(moments).collect();
    }
    let seed = setting("PODLING_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("{what}: PODLING_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    (0..setting("PODLING_ROUNDS").unwrap_or(ROUNDS)).map(|_| draw(&mut random)).collect()
}

/// Waits for the step; one that has passed already is as good.
async fn wait_for(podling: &Podling, uid: &str, step: Step) {
    let Step::Reaches(wanted) = step else {
        let Step::After(pause) = step else { return };
        tokio::time::sleep(pause).await; // The moment itself is what is drawn.
        return;
    };
    let order = ["pending", "scheduling", "fetching", "verifying", "extracting", "installing", "running", "ended"];
    let rank = |name: &str| order.iter().position(|known| *known == name).unwrap_or(0);
    until(wanted, Duration::from_secs(20), async || {
        let session = podling.session(uid).await;
        let at = session["stage"]
            .as_str()
            .filter(|_| session["phase"] == "starting")
            .unwrap_or(session["phase"].as_str().unwrap_or("pending"));
        if rank(at) >= rank(wanted) { Ok(()) } else { Err(session) }
    })
    .await;
}

#[tokio::test]
async fn a_delete_at_any_step_of_a_start_leaves_nothing_after_10_s() {
    let podling = Podling::start().await;
    let mut slowest = Duration::ZERO;
    for (round, step) in steps("delete").into_iter().enumerate() {
        let session = podling.create(json!({ "command": "sleep 0.2", "install_cmd": "sleep 0.1" })).await;
        wait_for(&podling, &session.uid, step).await;
        let started = Instant::now();
        let (status, answer) = podling.delete(&format!("/api/sessions/{}", session.uid)).await;
        assert!(status.is_success(), "round {round} {step:?}: {status} {answer}");
        podling.released(&session.uid, PROMISE).await;
        not_held(&podling, &session.uid).await;
        slowest = slowest.max(started.elapsed());
    }
    println!("slowest release {slowest:?}");
}

#[tokio::test]
async fn a_kill_of_the_controller_at_any_step_of_a_start_leaves_nothing_10_s_after_its_restart() {
    let mut podling = Podling::start().await;
    let mut slowest = Duration::ZERO;
    for (round, step) in steps("kill").into_iter().enumerate() {
        let session = podling.create(json!({ "command": "sleep 0.2", "install_cmd": "sleep 0.1" })).await;
        wait_for(&podling, &session.uid, step).await;
        podling.kill().await;
        podling.restart().await;
        let started = Instant::now();
        let ended = podling.reaches_within(&session.uid, "ended", PROMISE).await;
        assert!(ended["end_reason"].is_string(), "round {round} {step:?}: {ended}");
        podling.released(&session.uid, PROMISE.saturating_sub(started.elapsed())).await;
        not_held(&podling, &session.uid).await;
        slowest = slowest.max(started.elapsed());
        if ended["end_reason"] == "exit" {
            assert_eq!(ended["exit_code"], 0, "round {round} {step:?}: {ended}");
        }
    }
    println!("slowest release {slowest:?}");
    let data_dir = podling.data_dir().display().to_string();
    podling.terminate().await;
    assert_eq!(process::with_argument(&data_dir), []);
}

/// The row itself says that nothing is held any more: read from the store, as no API shows it.
async fn not_held(podling: &Podling, uid: &str) {
    until("the row is released", PROMISE, async || {
        match podling.store.count("sessions", uid, "release = 'held'").await? {
            0 => Ok(()),
            held => Err(format!("{held} held")),
        }
    })
    .await;
}
