//! Beside Podling on its machine: other users, other settings, and what lies around.

use std::{
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    time::Duration,
};

use podling_e2e::{
    podling::{Podling, Session},
    process::with_argument,
    viewer::Viewer,
};
use podling_session::id::AttachNonce;
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Nobody in particular, and not `nobody`, whose processes a Postgres beside it adds to.
const USER: u32 = 64_999;

fn key(podling: &Podling) -> String {
    std::fs::read_to_string(podling.data_dir().join("operator.key")).expect("the operator's key").trim().to_owned()
}

/// The status without a key, and the JSON with one.
async fn create(podling: &Podling, body: &Value) -> (StatusCode, Session) {
    let url = format!("{}/api/sessions", podling.url);
    let bare = podling.http.post(&url).json(body).send().await.expect("an answer").status();
    let keyed = podling.http.post(&url).bearer_auth(key(podling)).json(body).send().await.expect("an answer");
    assert_eq!(keyed.status(), StatusCode::CREATED);
    (bare, Session::from(keyed.json::<Value>().await.expect("a session")))
}

#[tokio::test]
async fn where_commands_or_other_machines_could_call_nobody_is_served_without_a_key() {
    let none = Podling::start_with(&["--isolation", "none"]).await;
    let open = Podling::start_at("0.0.0.0:0", &[]).await;
    for podling in [&none, &open] {
        let (bare, session) = create(podling, &json!({ "command": "echo ready; read x" })).await;
        assert_eq!(bare, StatusCode::UNAUTHORIZED);
        for path in ["/api/sessions", "/metrics", &format!("/api/sessions/{}/log", session.uid)] {
            let port = podling.url.rsplit(':').next().expect("a port");
            let request =
                podling.http.get(format!("{}{path}", podling.url)).header("host", format!("localhost:{port}"));
            assert_eq!(request.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
        viewer.sees("ready").await;
        viewer.type_in("\n").await;
        assert_eq!(viewer.to_end().await.code, 1000);
    }
}

#[tokio::test]
async fn another_user_than_root_walks_the_whole_road_with_the_limits_that_hold() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: every other test of this run shows it, as the test itself is not root");
        return;
    }
    let mut podling = Podling::start_as(USER, &[]).await;
    let command = "echo uid $(id -u); grep -E 'NoNewPrivs|CapEff|Seccomp:' /proc/self/status; ls /proc | grep -c '^[0-9]'; \
                   (exec 3<>/dev/tcp/127.0.0.1/$PORT) 2>/dev/null && echo REACHED; ls $DIR 2>/dev/null && echo SEEN; \
                   kill -0 $PODLING 2>/dev/null && echo SIGNALLED; read -r x; echo got $x; exit 7";
    let env = json!({
        "PORT": podling.url.rsplit(':').next(),
        "DIR": podling.data_dir().display().to_string(),
        "PODLING": podling.pid().to_string(),
    });
    let session = podling.create(json!({ "command": command, "install_cmd": "echo installed > x", "env": env })).await;
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    viewer.sees("Seccomp:").await;
    viewer.type_in("typed\n").await;
    assert_eq!(viewer.to_end().await.code, 1000);
    let said = viewer.text();
    for part in ["uid 1001", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "Seccomp:\t2", "got typed"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    for part in ["REACHED", "SEEN", "SIGNALLED"] {
        assert!(!said.contains(&format!("{part}\r")), "{said}");
    }
    let ended = podling.reaches(&session.uid, "ended").await;
    assert_eq!((&ended["isolation"], &ended["exit_code"]), (&json!("reduced"), &json!(7)), "{ended}");

    let full = json!({
        "command": "mkdir deep; exec 3> deep/x; head -c 20M /dev/zero >&3 & while :; do chmod 0 deep; chmod 700 deep; done",
        "limits": { "disk_bytes": 8 << 20 },
    });
    let many = json!({ "command": "ulimit -u; head -c 6M /dev/zero > a; head -c 6M /dev/zero > b; sleep 600", "limits": { "disk_bytes": 8 << 20, "pids": 40 } });
    for body in [full, many] {
        let session = podling.create(body).await;
        assert_eq!(podling.reaches(&session.uid, "ended").await["end_reason"], "disk-full");
        podling.released(&session.uid, Duration::from_secs(15)).await;
    }
    let left = podling.run("setsid -f sleep 600; chmod 0 /work /tmp ~; echo ready; sleep 600").await;
    podling.reaches(&left.uid, "running").await;
    podling.delete(&format!("/api/sessions/{}", left.uid)).await;
    podling.released(&left.uid, Duration::from_secs(10)).await;
    let data_dir = podling.data_dir().display().to_string();
    assert!(podling.terminate().await.success(), "{}", podling.log());
    assert_eq!(with_argument(&data_dir), []);
}

#[tokio::test]
async fn other_users_can_open_nothing_of_the_data_directory_whatever_the_umask_and_its_own_mode() {
    let podling = Podling::start().await;
    let session = podling.run("umask 0; echo x > /work/x; mkdir /tmp/y; chmod 777 /work; echo ready; sleep 600").await;
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    viewer.sees("ready").await;
    let data_dir = podling.data_dir();
    closed(&data_dir, &data_dir);
}

/// Everything that can be reached is closed to others; what lies in a closed folder cannot be.
fn closed(root: &Path, path: &Path) {
    let about = std::fs::symlink_metadata(path).expect("it is there");
    assert_eq!(about.mode() & 0o077, 0, "{} has mode {:o}", path.display(), about.mode() & 0o7777);
    assert!(!about.file_type().is_block_device());
    // The launches' own folders hold the command's files, with the command's modes.
    if about.is_dir() && path != root.join("runners") {
        for entry in std::fs::read_dir(path).expect("ours").flatten() {
            closed(root, &entry.path());
        }
    }
    if path == root.join("runners") {
        for entry in std::fs::read_dir(path).expect("ours").flatten() {
            let mode = entry.metadata().expect("it is there").mode() & 0o077;
            assert_eq!(mode, 0, "{}", entry.path().display());
        }
    }
}

#[tokio::test]
async fn the_environment_of_a_runner_holds_a_path_and_a_folder_and_nothing_else() {
    let podling = Podling::start().await;
    let session = podling.create(json!({ "command": "echo ready; sleep 600", "env": { "PLAIN": "planted-env" }, "secrets": { "HIDDEN": "planted-secret" } })).await;
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    viewer.sees("ready").await;
    let processes = with_argument(&podling.launch(&session.uid).await);
    assert!(!processes.is_empty());
    for process in &processes {
        let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).expect("the test may look");
        let text = String::from_utf8_lossy(&environment).replace('\0', "\n");
        assert!(text.lines().all(|line| line.starts_with("PATH=") || line.starts_with("PWD=")), "{process:?}: {text}");
    }
    for planted in ["planted-env", "planted-secret", &session.token, &key(&podling)] {
        assert_eq!(with_argument(planted), [], "in an argument");
    }
}
