//! A terminal on a session.

use std::{cell::Cell, process::Stdio, time::Duration};

use podling_e2e::{
    podling::{Podling, Session, binary},
    proxy::Proxy,
    pty::Pty,
};
use rustix::process::Signal;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

/// Says what it is told, the size of its window, and that it was interrupted.
const ECHO: &str = r#"trap 'echo interrupted' INT; echo begun
    (while :; do now=$(stty size </dev/tty); [ "$now" = "$last" ] || echo "size $now"; last=$now; sleep 0.1; done) &
    while :; do
        read -r line || continue
        [ "$line" = quit ] && exit 7
        echo "told $line"
    done"#;
const DETACH: &str = "\x10\x11";

fn attach(podling: &Podling, session: &Session) -> Pty {
    Pty::podling(&podling.url, podling.home(), &["attach", &session.uid])
}

#[tokio::test]
async fn a_terminal_types_resizes_interrupts_detaches_comes_back_and_gets_the_exit_code() {
    let podling = Podling::start().await;
    let session = podling.run(ECHO).await;
    let mut first = attach(&podling, &session);
    first.sees("begun").await;
    assert!(first.is_raw());
    first.types("hello\r");
    first.sees("told hello").await;
    first.resize(40, 120);
    first.sees("size 40 120").await;
    first.types("\x03");
    first.sees("interrupted").await;
    first.types(DETACH);
    let status = first.ended().await;
    assert_eq!(status.code(), Some(0), "{}", first.text());
    assert!(!first.is_raw() && first.text().contains(&format!("podling attach {}", session.uid)));
    assert_eq!(podling.session(&session.uid).await["phase"], "running");

    let mut second = attach(&podling, &session);
    second.sees("told hello").await; // The screen as it is.
    second.types("again\r");
    second.sees("told again").await;
    second.types("quit\r");
    assert_eq!(second.ended().await.code(), Some(7), "{}", second.text());
    assert!(!second.is_raw());
}

#[tokio::test]
async fn a_terminal_is_as_it_was_after_a_signal_and_the_session_goes_on() {
    let podling = Podling::start().await;
    let session = podling.run(r"printf '\033[?1049h\033[?25lfull screen'; sleep 600").await;
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let mut terminal = attach(&podling, &session);
        terminal.sees("full screen").await;
        assert!(terminal.is_raw());
        terminal.signal(signal);
        assert_eq!(terminal.ended().await.code(), Some(code), "{}", terminal.text());
        assert!(!terminal.is_raw());
        terminal.sees("\x1b[?25h").await;
        terminal.sees("\x1b[?1049l").await;
    }
    assert_eq!(podling.session(&session.uid).await["phase"], "running");
}

#[tokio::test]
async fn a_terminal_is_asked_nothing_by_the_program() {
    let podling = Podling::start().await;
    let session = podling.run(r"printf 'a\033[6nb\033]11;?\007c\n'; read -r line; echo read").await;
    let mut terminal = attach(&podling, &session);
    terminal.sees("abc").await;
    terminal.types("\r");
    terminal.sees("read").await;
    assert_eq!(terminal.ended().await.code(), Some(0));
    assert!(!terminal.text().contains("\x1b[6n"));
}

/// The whole output, through a network that is cut every now and then.
#[tokio::test]
async fn a_pipe_gets_every_byte_through_cuts_of_the_network() {
    let podling = Podling::start().await;
    let proxy = Proxy::start(vec![podling.url.replace("http://", "")]).await;
    let session = podling
        .run("for i in $(seq 1 40); do seq $((i * 1000 + 1)) $((i * 1000 + 1000)); sleep 0.1; done; exit 5")
        .await;
    let child = Command::new(binary())
        .args(["attach", &session.uid, "--server", &format!("http://{}", proxy.address)])
        .env("PODLING_API_KEY_FILE", podling.data_dir().join("operator.key")) // The proxy is a foreign host.
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("podling starts");
    let cut = Cell::new(0);
    let cuts = async {
        loop {
            sleep(Duration::from_millis(700)).await;
            cut.set(cut.get() + proxy.cut());
        }
    };
    let ended = timeout(Duration::from_secs(120), child.wait_with_output());
    let output = tokio::select! {
        ended = ended => ended.expect("it ends in time").expect("its output"),
        () = cuts => unreachable!("cuts never end"),
    };
    assert!(cut.get() >= 3, "{} cuts", cut.get());
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: String = (1_001..=41_000).map(|n| format!("{n}\r\n")).collect();
    assert!(
        output.stdout == expected.as_bytes(),
        "every line, in order, once: {} of {}",
        output.stdout.len(),
        expected.len()
    );
}

#[tokio::test]
async fn a_pipe_types_what_it_holds_and_ends_the_input() {
    let podling = Podling::start().await;
    let session = podling.run("stty -echo; echo ready; cat; echo end").await;
    podling.prints(&session.uid, "ready").await;
    let script = format!("printf 'one\\ntwo\\n' | '{}' attach {}", binary().display(), session.uid);
    let mut command = Command::new("bash");
    let running = command.args(["-c", &script]).env("PODLING_URL", &podling.url).output();
    let output = timeout(Duration::from_secs(60), running).await.expect("it ends").expect("bash runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\r\none\r\ntwo\r\nend\r\n");
}
