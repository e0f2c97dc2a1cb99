//! From assignment to exit.

use podling_proto::control::report_request;
use podling_session::log::{Body, hash};

use crate::{
    controller::Told,
    viewer::Last,
    world::{PATIENCE, Plan, until},
};

#[tokio::test]
async fn the_exit_code_of_the_command_is_that_of_the_runner() {
    for (command, code) in [
        ("exit 7", 7),
        (r#"test "a b" = "a b" && exit 5"#, 5),
        ("X=5; exit $X", 5),
        ("kill -9 $$", 137),
        ("true", 0),
        ("/nonexistent/program", 127),
    ] {
        let mut world = Plan::command(command).start().await;
        let (exit, log_end) = world.ended().await;
        assert_eq!((exit.reason.as_str(), exit.exit_code), ("exit", Some(code)), "{command}");
        assert_eq!(world.exit_code().await, Some(code), "{command}");
        let last = world.stored().pop().expect("a record");
        assert_eq!(last.offset, log_end, "{command}");
        assert!(matches!(last.body, Body::Exit(end) if end.exit_code == Some(code)), "{command}");
    }
}

#[tokio::test]
async fn the_command_runs_before_anyone_watches_and_is_seen_after_its_end() {
    let mut world = Plan::command("echo hi; read -r line; echo \"got $line\"").start().await;
    world.running().await;
    let mut viewer = world.attach().await;
    viewer.until_text("hi\r\n").await;
    viewer.type_in("x y\r").await;
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!((exit.exit_code, exit.reason.as_str()), (Some(0), "exit"));
    assert_eq!(viewer.text(), "hi\r\nx y\r\ngot x y\r\n");
    assert_eq!(viewer.stages, ["running"]);
    assert_eq!(world.exit_code().await, Some(0));
    assert_eq!(world.text(), viewer.text());
}

#[tokio::test]
async fn the_segments_reported_are_those_in_the_directory() {
    let mut world = Plan::command("seq 1 400000").start().await;
    let (_, log_end) = world.ended().await;
    assert_eq!(world.exit_code().await, Some(0));
    let segments = world.controller.told.segments.borrow().clone();
    assert!(segments.len() >= 3, "{}", segments.len());
    let mut offset = 0;
    for (sequence, segment) in segments.iter().enumerate() {
        assert_eq!((segment.sequence, segment.first_offset), (sequence as u64, offset));
        let path = world.path("log").join(podling_session::log::segment_file(segment.sequence));
        let bytes = std::fs::read(path).expect("a segment");
        assert_eq!((segment.size_bytes, &segment.hash[..]), (bytes.len() as u64, &hash(&bytes)[..]));
        offset = segment.end_offset;
    }
    assert_eq!(offset, log_end);
    let lines: String = (1..=400_000).map(|n| format!("{n}\r\n")).collect();
    assert!(world.text() == lines, "the log is what the command printed");
}

#[tokio::test]
async fn the_command_gets_a_terminal_and_the_environment_it_was_promised_and_no_other() {
    let command = r#"env | sort; stty size; stty -a | grep -o ' iutf8'; tput colors; echo "done: $0 $#""#;
    let mut plan = Plan::command(command);
    plan.spec.prompt = Some("do\nit".into());
    plan.spec.env = [("MINE".to_owned(), "a 'b' \"c\"".to_owned())].into();
    plan.secrets = vec![("TOKEN", "s3cret")];
    let mut world = plan.start().await;
    world.ended().await;
    let text = world.text();
    for line in [
        "TERM=xterm-256color",
        "COLORTERM=truecolor",
        "LANG=C.UTF-8",
        "SHELL=/bin/bash",
        "CLAUDE_PROMPT=do",
        "MINE=a 'b' \"c\"",
        "TOKEN=s3cret",
        "24 80",
        " iutf8",
        "256",
        "done: bash 0",
        &format!("COMMAND={command}"),
        &format!("PODLING_SESSION={}", world.life.uid),
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in {text}");
    }
    let path = format!("PATH={}:", world.path("run/bin").display());
    assert!(text.lines().any(|line| line.starts_with(&path)), "no {path} in {text}");
    assert!(!text.contains("LEAK") && !text.contains("bootstrap"), "{text}");
    assert_eq!(world.exit_code().await, Some(0));
}

#[tokio::test]
async fn phases_are_reported_in_their_order() {
    let mut plan = Plan::command("cat installed");
    plan.spec.install_cmd = Some("echo installing here; echo yes > installed".into());
    let mut world = plan.start().await;
    world.ended().await;
    let reports = world.controller.told.reports.borrow().clone();
    assert_eq!(Told::phases(&reports), ["installing", "running", "exit"]);
    let Some(report_request::Phase::Running(running)) = reports[1].phase.clone() else { panic!("{reports:?}") };
    assert_eq!(running.isolation, "none");
    let text = world.text();
    assert!(text.contains("\ninstalling here\r\nInstalled in ") && text.ends_with(" s\r\nyes\r\n"), "{text}");
    assert_eq!(world.exit_code().await, Some(0));
}

#[tokio::test]
async fn heartbeats_tell_of_viewers_at_once_and_of_the_log() {
    let world = Plan::command("echo ready; read -r line").start().await;
    world.running().await;
    let viewer = world.attach().await;
    let beat = until(&world.controller.told.heartbeat, |beat| beat.is_some_and(|beat| beat.viewers == 1)).await;
    drop(viewer);
    until(&world.controller.told.heartbeat, |beat| beat.is_some_and(|beat| beat.viewers == 0)).await;
    let beat = match beat {
        Some(beat) if beat.log_end == 7 => Some(beat),
        _ => until(&world.controller.told.heartbeat, |beat| beat.is_some_and(|beat| beat.log_end == 7)).await,
    };
    assert!(beat.is_some_and(|beat| u128::from(beat.idle_millis) < PATIENCE.as_millis()));
}

#[tokio::test]
async fn orphans_do_not_outlive_the_command() {
    let mut world = Plan::command("setsid sleep 1000 & echo $! > pid; sleep 0.1").start().await;
    let (exit, _) = world.ended().await;
    assert_eq!(exit.exit_code, Some(0));
    assert_eq!(world.exit_code().await, Some(0));
    let left = std::fs::read_dir("/proc").expect("proc").flatten().any(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        command.starts_with(b"sleep\x001000") && cwd.starts_with(world.path("run"))
    });
    assert!(!left, "the orphan lives");
}

#[tokio::test]
async fn without_exit_on_job_the_session_stays_and_ends_when_it_is_stopped() {
    let mut plan = Plan::command("echo over; exit 3");
    plan.spec.exit_on_job = false;
    let mut world = plan.start().await;
    let mut viewer = world.attach().await;
    viewer.until(|viewer| viewer.marks.iter().any(|mark| mark.contains("exit code 3"))).await;
    viewer.type_in("nobody reads this").await;
    let mut late = world.attach().await;
    late.until_text("over").await;
    world.controller.stop("stopped", "The session was stopped.", 1_000);
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!((exit.reason.as_str(), exit.exit_code), ("stopped", Some(3)));
    assert!(matches!(late.last().await, Last::Exit(_)));
    assert_eq!(world.exit_code().await, Some(3));
    assert_eq!(world.ended().await.0, exit);
}

#[tokio::test]
async fn in_a_sandbox_the_command_sees_its_work_folder_and_not_the_runner() {
    let mut plan = Plan::command(
        "pwd; whoami; echo $PATH | cut -d: -f1; ls /proc | grep -c '^[0-9]'; cat /proc/self/oom_score_adj; cat /etc/shadow || echo closed",
    );
    plan.arguments = vec!["--isolation=auto".into()];
    if rustix::process::geteuid().is_root() {
        plan.arguments.push("--uid=64123".into());
    }
    let mut world = plan.start().await;
    let (exit, _) = world.ended().await;
    assert_eq!((exit.reason.as_str(), exit.exit_code), ("exit", Some(0)), "{}", exit.detail);
    let text = world.text();
    assert!(
        text.starts_with("/work\r\npodling\r\n/opt/podling/bin\r\n")
            && text.contains("\r\n500\r\n")
            && text.ends_with("closed\r\n"),
        "{text}"
    );
    assert_eq!(world.exit_code().await, Some(0));
}
