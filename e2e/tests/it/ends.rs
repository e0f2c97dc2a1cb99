//! Every way a command ends by itself, by its limits, or by the clock.

use std::time::Duration;

use podling_e2e::{
    podling::{Podling, files_below},
    viewer::Viewer,
    wait::until,
};
use podling_session::id::AttachNonce;
use serde_json::{Value, json};

async fn ends(podling: &Podling, body: Value) -> Value {
    let session = podling.create(body).await;
    podling.reaches_within(&session.uid, "ended", Duration::from_secs(60)).await
}

#[tokio::test]
async fn the_exit_code_is_the_commands_own() {
    let podling = Podling::start().await;
    for (command, code) in [
        ("exit 7", 7),
        ("test \"a b\" = \"a b\" && exit 5", 5),
        ("X=5; exit $X", 5),
        ("kill -9 $$", 137),
        ("no-such-program", 127),
        ("true", 0),
    ] {
        let ended = ends(&podling, json!({ "command": command })).await;
        assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("exit"), &json!(code)), "{command}");
    }
}

#[tokio::test]
async fn a_failed_install_a_wrong_checksum_and_a_missing_source_end_the_session_before_its_command() {
    let podling = Podling::start().await;
    let failed = ends(&podling, json!({ "command": "echo ran", "install_cmd": "exit 9" })).await;
    assert_eq!(failed["end_reason"], "install");
    let output = podling.output(failed["uid"].as_str().expect("a uid")).await;
    assert!(output.contains("[fatal]") && !output.contains("ran\r"), "{output}");
}

#[tokio::test]
async fn without_exit_on_job_the_session_stays_attachable_until_it_is_stopped() {
    let podling = Podling::start().await;
    let session = podling.create(json!({ "command": "echo done; exit 3", "exit_on_job": false })).await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("done").await;
    let token = podling.token(&session.uid).await;
    let mut late = Viewer::attach(&podling.url, &session.uid, &token, AttachNonce::random()).await;
    late.sees("done").await;
    assert_eq!(podling.session(&session.uid).await["phase"], "running");
    podling.post(&format!("/api/sessions/{}/stop", session.uid), json!({})).await;
    assert_eq!(podling.reaches(&session.uid, "ended").await["end_reason"], "stopped");
}

#[tokio::test]
async fn a_session_ends_at_its_deadline_and_when_it_is_idle() {
    let podling = Podling::start().await;
    let deadline =
        podling.create(json!({ "command": "while :; do echo x; sleep 0.2; done", "deadline_seconds": 2 })).await;
    let idle = podling.create(json!({ "command": "sleep 600", "idle_seconds": 2 })).await;
    assert_eq!(podling.reaches(&deadline.uid, "ended").await["end_reason"], "deadline");
    assert_eq!(podling.reaches(&idle.uid, "ended").await["end_reason"], "idle");
    podling.released(&deadline.uid, Duration::from_secs(15)).await;
    podling.released(&idle.uid, Duration::from_secs(15)).await;
}

#[tokio::test]
async fn a_memory_hog_a_full_disk_and_a_fork_bomb_are_held_and_a_neighbour_stays_quick() {
    let podling = Podling::start().await;
    let neighbour = podling.run("while read -r x; do echo \"echo $x\"; done").await;
    let mut viewer = Viewer::of(&podling, &neighbour).await;
    let idle = echo_time(&mut viewer, "warm", 60).await;

    let hog = json!({ "command": "x=$(head -c 400M /dev/zero | tr '\\0' x); echo survived; sleep 600", "limits": { "memory_bytes": 64 << 20 } });
    let disk = json!({ "command": "for n in $(seq 200); do head -c 1M /dev/zero > f$n; sleep 0.05; done; sleep 600", "limits": { "disk_bytes": 8 << 20 } });
    let bomb =
        json!({ "command": "bomb() { bomb | bomb & }; bomb; sleep 600", "limits": { "pids": 64, "cpu_millis": 200 } });
    let hog = podling.create(hog).await;
    let disk = podling.create(disk).await;
    let bomb = podling.create(bomb).await;
    podling.reaches(&bomb.uid, "running").await;
    // The machine has other users: of three medians the smallest has the least of them in it.
    let mut busy = Duration::MAX;
    for word in ["busy", "still", "yet"] {
        busy = busy.min(echo_time(&mut viewer, word, 60).await);
    }
    assert_eq!(podling.reaches(&hog.uid, "ended").await["end_reason"], "oom");
    assert!(!podling.output(&hog.uid).await.contains("survived"));
    assert_eq!(podling.reaches(&disk.uid, "ended").await["end_reason"], "disk-full");
    podling.delete(&format!("/api/sessions/{}", bomb.uid)).await;
    podling.released(&bomb.uid, Duration::from_secs(10)).await;
    println!("echo idle {idle:?}, beside hog, disk filler and fork bomb {busy:?}");
    assert!(busy < idle * 3, "idle {idle:?}, busy {busy:?}");
}

/// The median time from a typed line to its echo by the command.
async fn echo_time(viewer: &mut Viewer, word: &str, rounds: u32) -> Duration {
    let mut times = Vec::new();
    for round in 0..rounds {
        let started = std::time::Instant::now();
        viewer.type_in(&format!("{word}{round}\n")).await;
        viewer.sees(&format!("echo {word}{round}\r")).await;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn ended_sessions_and_their_logs_are_pruned_without_traffic() {
    let podling = Podling::start_with(&["--keep-ended", "2s"]).await;
    let session = podling.run("echo short").await;
    podling.reaches(&session.uid, "ended").await;
    let blobs = podling.data_dir().join("blobs");
    until("the row and the log are gone", Duration::from_secs(30), async || {
        let status = podling.get(&format!("/api/sessions/{}", session.uid)).await.0;
        let logs = files_below(&blobs);
        if status == 404 && logs.is_empty() { Ok(()) } else { Err((status, logs)) }
    })
    .await;
}
