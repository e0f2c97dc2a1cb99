//! What a hostile command reaches: nothing.

use std::{net::TcpListener, time::Duration};

use podling_e2e::{podling::Podling, process::with_argument, viewer::Viewer};
use serde_json::{Value, json};

/// Runs a command to its end and gives what it said.
async fn says(podling: &Podling, command: &str) -> String {
    says_of(podling, json!({ "command": command })).await
}

async fn says_of(podling: &Podling, body: Value) -> String {
    let session = podling.create(body).await;
    podling.reaches(&session.uid, "ended").await;
    podling.output(&session.uid).await
}

fn host_addresses() -> Vec<String> {
    let interfaces = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let mut addresses: Vec<_> = interfaces
        .lines()
        .zip(interfaces.lines().skip(1))
        .filter(|(_, next)| next.contains("/32 host LOCAL"))
        .filter_map(|(line, _)| line.rsplit(' ').next().map(str::to_owned))
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

#[tokio::test]
async fn no_address_of_the_host_no_metadata_server_and_no_listener_is_reachable() {
    let podling = Podling::start().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = podling.url.rsplit(':').next().expect("a port").to_owned();
    let other = listener.local_addr().expect("bound").port();
    let mut targets: Vec<String> = host_addresses().into_iter().map(|address| format!("{address}/{port}")).collect();
    targets.extend([format!("::1/{port}"), format!("127.0.0.1/{other}"), "169.254.169.254/80".into()]);
    assert!(targets.iter().any(|target| target.starts_with("127.0.0.1")));
    for egress in [true, false] {
        if !egress {
            targets.push("1.1.1.1/53".into());
        }
        let probes: Vec<_> = targets
            .iter()
            .map(|t| format!("timeout 2 bash -c '</dev/tcp/{t}' 2>/dev/null && echo REACHED {t}"))
            .collect();
        let command = format!("{}; echo probed", probes.join("; "));
        let output = says_of(&podling, json!({ "command": command, "egress": egress })).await;
        assert!(output.contains("probed") && !output.contains("REACHED"), "{output}");
    }
}

#[tokio::test]
async fn the_runner_its_log_its_socket_and_the_host_are_out_of_the_commands_reach() {
    let podling = Podling::start().await;
    let other = podling.run("sleep 600").await;
    podling.reaches(&other.uid, "running").await;
    let name = podling.launch(&other.uid).await;
    let runner =
        with_argument(&name).into_iter().find(|process| process.command_line.contains(" runner ")).expect("a runner");
    let (pid, data_dir) = (runner.pid, podling.data_dir().display().to_string());
    let checks = [
        format!("cat /proc/{pid}/environ"),
        format!("cat /proc/{pid}/mem"),
        format!("ls /proc/{pid}/fd/"),
        format!("kill -0 {pid}"),
        format!("ls {data_dir}"),
        "cat /proc/1/environ".to_owned(),
        "cat /proc/1/mem".to_owned(),
        "ls /proc/1/fd/".to_owned(),
        "kill -9 1".to_owned(),
        "unshare -U true".to_owned(),
        "mount -t tmpfs none /mnt".to_owned(),
        "touch /usr/x".to_owned(),
        "touch /x".to_owned(),
        "cat /etc/shadow".to_owned(),
        "ls /root".to_owned(),
        "ls /var/run/docker.sock".to_owned(),
        "find / -xdev -name '*.sock' 2>/dev/null | grep .".to_owned(),
    ];
    for check in checks {
        let output =
            says(&podling, &format!("if ({check}) >/dev/null 2>&1; then echo GOT IN; else echo kept out; fi")).await;
        assert!(output.contains("kept out"), "{check}: {output}");
    }
    // Through a file: a pipeline's own pipe is among the shell's descriptors while it is made.
    let list = "ls -l /proc/$$/fd >/tmp/fds; grep -v -e pts -e tty -e console -e total /tmp/fds; echo listed";
    let fds = says(&podling, list).await;
    assert_eq!(fds, "listed\r\n", "no descriptor of the runner is inherited");
    let environment =
        says(&podling, "env | grep -v ^COMMAND= | grep -i -E 'secret|token|credential|bootstrap'; echo looked").await;
    assert_eq!(environment, "looked\r\n");
}

#[tokio::test]
async fn a_session_has_a_user_of_its_own_the_environment_it_was_given_and_its_level_is_recorded() {
    let podling = Podling::start().await;
    let body = json!({
        "command": "id -u; echo $CLAUDE_PROMPT/$COLOUR/$TERM; cat /proc/self/status | grep -E 'NoNewPrivs|CapEff|Seccomp:'; pwd",
        "prompt": "X", "env": { "COLOUR": "red" },
    });
    let session = podling.create(body).await;
    let ended: Value = podling.reaches(&session.uid, "ended").await;
    let output = podling.output(&session.uid).await;
    let uid: u32 = output.lines().next().and_then(|line| line.trim().parse().ok()).expect("a uid");
    assert_ne!(uid, 0);
    for part in ["X/red/xterm-256color", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "Seccomp:\t2", "/work"] {
        assert!(output.contains(part), "{part} is missing in {output}");
    }
    let level = ended["isolation"].as_str().expect("a level");
    let expected = if rustix::process::geteuid().is_root() { "full" } else { "reduced" };
    assert_eq!(level, expected);
}

#[tokio::test]
async fn a_session_sees_nothing_of_another() {
    let podling = Podling::start().await;
    let first = podling.run("echo private > /work/file; echo private > /tmp/file; echo ready; exec sleep 98765").await;
    let mut viewer = Viewer::of(&podling, &first).await;
    viewer.sees("ready").await;
    let output = says(&podling, "cat /work/file /tmp/file; cat /proc/*/cmdline | tr '\\0' ' ' | grep 98765 | grep -v grep; find / -name file -newermt '-1 hour' -not -path '/proc/*' 2>/dev/null | grep -E '^/(work|tmp)'; echo looked").await;
    assert!(output.contains("looked") && !output.contains("private\r"), "{output}");
    podling.delete(&format!("/api/sessions/{}", first.uid)).await;
    podling.released(&first.uid, Duration::from_secs(15)).await;
}
