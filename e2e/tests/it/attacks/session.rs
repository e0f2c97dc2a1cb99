//! From inside of a session: outliving it, holding up its end, and leading its keeper astray.

use std::time::Duration;

use podling_e2e::{podling::Podling, process::with_argument, viewer::Viewer};
use podling_session::id::AttachNonce;
use serde_json::json;

/// The promise for a DELETE.
const PROMISE: Duration = Duration::from_secs(10);

async fn ready(podling: &Podling, body: serde_json::Value) -> String {
    let session = podling.create(body).await;
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    viewer.sees("ready").await;
    session.uid
}

async fn delete(podling: &Podling, uid: &str) {
    let (status, answer) = podling.delete(&format!("/api/sessions/{uid}")).await;
    assert!(status.is_success(), "{answer}");
    podling.released(uid, PROMISE).await;
}

#[tokio::test]
async fn nothing_that_a_command_does_to_its_processes_outlives_it() {
    let podling = Podling::start().await;
    let mark = "60123.5";
    for command in [
        format!("setsid -f sleep {mark}; (trap '' TERM HUP INT; setsid sleep {mark} &) ; echo ready; exit 3"),
        format!("trap '' TERM; sleep {mark} & kill -STOP $!; echo ready; kill -STOP $$"),
        format!("setsid -f bash -c 'trap \"\" TERM; while :; do sleep {mark}; done'; echo ready; kill -9 $$"),
        format!("exec 0<&- 1>&- 2>&- ; echo ready > /dev/tty; exec sleep {mark}"),
    ] {
        let uid = ready(&podling, json!({ "command": command })).await;
        delete(&podling, &uid).await;
        assert_eq!(with_argument(mark), [], "{command}");
    }
}

#[tokio::test]
async fn what_a_command_plants_in_its_folders_leads_nobody_out_of_them() {
    let podling = Podling::start().await;
    let outside = podling.home().join("outside");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("precious"), "x").expect("a file");
    // Folders and links to the outside take each other's names while the runner walks, and while it removes.
    let command = "mkdir -p a/b/c real; ln -s $OUTSIDE link; ln -s / root; mkfifo pipe; ln -s /proc/self/fd fd; mkdir ' ' $'\\n'; \
                   for n in $(seq 200); do mkdir d; cd d; done 2>/dev/null; cd /work; \
                   (while :; do mv -T real swap; mv -T link real; mv -T real link; mv -T swap real; done) 2>/dev/null & \
                   echo ready; sleep 600";
    let body = json!({ "command": command, "env": { "OUTSIDE": outside.display().to_string() } });
    let uid = ready(&podling, body).await;
    delete(&podling, &uid).await;
    let left: Vec<_> =
        std::fs::read_dir(&outside).expect("it is there").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["precious"]);
}

#[tokio::test]
async fn many_files_a_deep_tree_and_nameless_files_count_as_a_full_disk() {
    let podling = Podling::start().await;
    let fork = "for n in $(seq 40); do exec {f}> x; head -c 1M /dev/zero >&$f; rm x; done; sleep 600";
    for (what, command) in [
        ("empty files", "n=0; while :; do : > $n; n=$((n+1)); done"),
        ("a deep tree", "while mkdir d && cd d; do :; done 2>/dev/null; sleep 600"),
        ("files without a name", fork),
        ("many names of one file", "head -c 5M /dev/zero > a; ln a b; ln a c; sleep 3; exit 9"),
    ] {
        let session = podling.create(json!({ "command": command, "limits": { "disk_bytes": 8 << 20 } })).await;
        let ended = podling.reaches_within(&session.uid, "ended", Duration::from_secs(60)).await;
        let expected = if command.ends_with("exit 9") { "exit" } else { "disk-full" };
        assert_eq!(ended["end_reason"], expected, "{what}: {ended}");
        podling.released(&session.uid, Duration::from_secs(30)).await;
    }
}

#[tokio::test]
async fn a_flood_of_escapes_and_a_line_without_an_end_are_only_output() {
    let podling = Podling::start().await;
    let command = "printf '\\033]0;'; head -c 8M /dev/zero | tr '\\0' y; printf '\\033P'; head -c 2M /dev/urandom; \
                   printf '\\033[?1049h\\033[6n\\033[c'; head -c 8M /dev/zero | tr '\\0' x; printf '\\033c\\nthe end\\n'";
    let session = podling.run(command).await;
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    viewer.sees("the end").await;
    assert!(viewer.output.len() > 18 << 20);
    assert_eq!(viewer.to_end().await.code, 1000);
    assert_eq!(podling.reaches(&session.uid, "ended").await["exit_code"], 0);
}

#[tokio::test]
async fn arguments_and_variables_as_large_as_they_may_be_reach_the_command() {
    let podling = Podling::start().await;
    let session = podling.create(json!({
        "command": "seq 1 60000 | xargs -n 60000 true && env -i bash -c 'test $# = 64000' x $(seq 1 64000) && echo $BIG | wc -c",
        "env": { "BIG": "x".repeat(32_768) },
    })).await;
    podling.reaches(&session.uid, "ended").await;
    assert_eq!(podling.output(&session.uid).await, "32769\r\n");
}
