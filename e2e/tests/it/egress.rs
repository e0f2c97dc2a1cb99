//! What a session reaches of the network, in a network of the test's own.

use std::{
    net::{TcpListener, UdpSocket},
    time::Duration,
};

use podling_e2e::{
    form::only_embedded,
    internet::{DATAGRAMS, GREETING, GROUP, Internet, MACHINE, NAME, PRIVATE, SERVER, inside, is_inside, reaches},
    podling::Podling,
    process,
    wait::until,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An ordinary user, for whom nothing on this machine runs.
const USER: u32 = 64_321;

/// The machine itself may send to groups.
const FROM_HERE: &str = "from the machine";
const SOON: Duration = Duration::from_secs(10);
const ALONE: &str = "several services share a Postgres, which is in another network";

/// Whether this is the process in a network of its own; if not, it is started, and this one waits for its success.
fn is_here(test: &str) -> bool {
    if is_inside() {
        return true;
    }
    if rustix::process::geteuid().is_root() && !only_embedded(ALONE) {
        inside(test);
    }
    false
}

/// Runs a script to its end, however long it is, and gives what it printed.
async fn says(podling: &Podling, egress: bool, script: &str) -> String {
    let body = json!({ "command": r#"eval "$SCRIPT""#, "env": { "SCRIPT": script }, "egress": egress });
    let session = podling.create(body).await;
    podling.reaches_within(&session.uid, "ended", Duration::from_secs(120)).await;
    podling.output(&session.uid).await
}

/// Prints every target that takes a connection.
fn probes<'a>(targets: impl IntoIterator<Item = &'a String>) -> String {
    let probe =
        |target: &String| format!("(timeout 5 bash -c '</dev/tcp/{target}' 2>/dev/null && echo REACHED {target}) &");
    let probes: Vec<_> = targets.into_iter().map(probe).collect();
    format!("{} wait; echo probed", probes.join(" "))
}

/// Sends datagrams past every route that forbids it: bound to the device, and to its address.
fn datagrams(targets: &[String]) -> String {
    let send = |target: &String| {
        format!(
            r#"perl -MSocket -e 'for $way (0, 1) {{
                socket(S, PF_INET, SOCK_DGRAM, 17); setsockopt(S, SOL_SOCKET, SO_BROADCAST, 1);
                $way ? setsockopt(S, SOL_SOCKET, 25, "tap0") : bind(S, sockaddr_in(0, inet_aton("10.0.2.100")));
                send(S, "escaped to {target}", 0, sockaddr_in({DATAGRAMS}, inet_aton("{target}"))) }}'"#
        )
    };
    let allowed = format!(r#"(printf allowed >/dev/udp/{SERVER}/{DATAGRAMS})"#);
    format!("{}; {allowed}; echo sent", targets.iter().map(send).collect::<Vec<_>>().join("; "))
}

/// Everything that no session may reach, by TCP.
fn forbidden(podling: &Podling, listener: &TcpListener) -> Vec<String> {
    let controller = podling.url.rsplit(':').next().expect("a port").to_owned();
    let other = listener.local_addr().expect("bound").port().to_string();
    let own = ["127.0.0.1", "::1", "10.0.2.2", "10.0.2.3", "0.0.0.0"].into_iter().chain(MACHINE);
    let own = own.flat_map(|address| [&controller, &other].map(|port| format!("{address}/{port}")));
    own.chain(PRIVATE.map(|address| format!("{address}/80"))).collect()
}

async fn is_walled(podling: &Podling, internet: &Internet) {
    // Of both families: 0.0.0.0 is among the addresses it takes.
    let listener = TcpListener::bind("[::]:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    for address in PRIVATE {
        assert!(reaches(address, 80), "{address} is there for the machine");
    }
    assert!(MACHINE.into_iter().all(|address| reaches(address, port)));
    let socket = UdpSocket::bind((MACHINE[0], 0)).expect("the machine's own");
    socket.send_to(FROM_HERE.as_bytes(), (GROUP, DATAGRAMS)).expect("a group takes it");
    until("the machine's datagram", SOON, async || {
        let heard = internet.heard();
        if heard.iter().any(|text| text == FROM_HERE) { Ok(()) } else { Err(heard) }
    })
    .await;
    let forbidden = forbidden(podling, &listener);

    let found =
        says(podling, true, &format!("cat </dev/tcp/{NAME}/80; getent hosts nowhere.example || echo unknown")).await;
    assert!(found.contains(GREETING) && found.contains("unknown"), "{found}");
    let found = says(podling, true, &probes(&forbidden)).await;
    assert!(found.contains("probed") && !found.contains("REACHED"), "{found}");
    let everywhere = PRIVATE.into_iter().chain(MACHINE).chain(["239.1.1.1", "255.255.255.255", "203.0.113.255"]);
    let everywhere: Vec<_> = everywhere.map(str::to_owned).chain([GROUP.to_string()]).collect();
    let sent = says(podling, true, &datagrams(&everywhere)).await;
    assert!(sent.contains("sent"), "{sent}");
    let heard = until("the datagram that may pass", SOON, async || {
        let heard = internet.heard();
        if heard.iter().any(|text| text == "allowed") { Ok(heard) } else { Err(heard) }
    });
    assert!(heard.await.iter().all(|text| text == "allowed" || text == FROM_HERE), "{:?}", internet.heard());

    let closed: Vec<_> = forbidden.into_iter().chain([format!("{SERVER}/80"), format!("{NAME}/80")]).collect();
    let found = says(podling, false, &probes(&closed)).await;
    assert!(found.contains("probed") && !found.contains("REACHED"), "{found}");
}

#[tokio::test]
async fn a_session_reaches_the_internet_by_name_and_neither_this_machine_nor_what_is_private() {
    if !is_here("egress::a_session_reaches_the_internet_by_name_and_neither_this_machine_nor_what_is_private") {
        return;
    }
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let internet = Internet::start(scratch.path());
    let warm = Podling::start().await;
    is_walled(&warm, &internet).await;
    drop(warm);
    let cold = Podling::start_with(&["--warm-runners", "0"]).await;
    is_walled(&cold, &internet).await;
    drop(cold);
    let ordinary = Podling::start_as(USER, &[]).await;
    is_walled(&ordinary, &internet).await;
}

/// The slirp4netns of a session's runner.
async fn way_out(podling: &Podling, uid: &str) -> (i32, i32) {
    let name = podling.launch(uid).await;
    let runner = process::with_argument(&name).into_iter().find(|process| process.command_line.contains(" runner "));
    let runner = runner.expect("it runs").pid;
    let all = process::with_argument("slirp4netns").into_iter();
    let mut own = all.filter(|process| status(process.pid, "PPid:") == runner.to_string());
    let slirp = own.next().expect("the session has egress").pid;
    assert!(own.next().is_none(), "one is enough");
    (runner, slirp)
}

/// One line of `/proc/PID/status`; empty when the process is gone.
fn status(pid: i32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default().trim().to_owned()
}

async fn is_gone(pid: i32) {
    let named = || process::with_argument("slirp4netns").into_iter().any(|process| process.pid == pid);
    until("slirp4netns is gone", SOON, async || if named() { Err(pid) } else { Ok(()) }).await;
}

#[tokio::test]
async fn what_connects_a_session_has_no_rights_and_ends_with_it_and_with_a_killed_runner() {
    let podling = Podling::start().await;
    for killed in [false, true] {
        let session = podling.run("sleep 600").await;
        podling.reaches(&session.uid, "running").await;
        let (runner, slirp) = way_out(&podling, &session.uid).await;
        let rights = u64::from_str_radix(&status(slirp, "CapEff:"), 16).expect("a set of rights");
        let low_ports = 1 << 10; // CAP_NET_BIND_SERVICE, the one that it keeps as root.
        assert_eq!(rights & !low_ports, 0, "{rights:x}");
        assert_eq!((status(slirp, "NoNewPrivs:"), status(slirp, "Seccomp:")), ("1".to_owned(), "2".to_owned()));
        if killed {
            process::signal(runner, rustix::process::Signal::KILL);
        } else {
            podling.delete(&format!("/api/sessions/{}", session.uid)).await;
        }
        is_gone(slirp).await;
    }
}

#[tokio::test]
async fn a_forwarded_port_leads_where_the_operator_said_with_egress_and_without() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let target = listener.local_addr().expect("bound").port();
    let forward = format!("8123=localhost:{target}");
    let podling = Podling::start_with(&["--sandbox-forward", &forward, "--sandbox-forward", "8124=127.0.0.1:1"]).await;
    let ask = format!(
        "exec 3<>/dev/tcp/127.0.0.1/8123; echo question >&3; cat <&3; \
         (exec 4<>/dev/tcp/127.0.0.1/8124; timeout 5 cat <&4 && echo closed); \
         (</dev/tcp/127.0.0.1/{target}) 2>/dev/null && echo REACHED; echo asked"
    );
    for egress in [true, false] {
        let answering = async {
            let (mut caller, _) = listener.accept().await.expect("a caller");
            let mut question = [0; 9];
            caller.read_exact(&mut question).await.expect("a question");
            caller.write_all(b"answer to ").await.expect("it listens");
            caller.write_all(&question).await.expect("it listens");
        };
        let answering = tokio::time::timeout(Duration::from_secs(60), answering);
        let (answered, said) = tokio::join!(answering, says(&podling, egress, &ask));
        answered.expect("the session asks");
        assert_eq!(said, "answer to question\r\nclosed\r\nasked\r\n");
    }
}
