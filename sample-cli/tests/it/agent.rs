//! The audit by Claude Code, played by scripts.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    pty::Terminal,
    run::{Run, wait_for_death},
};

/// A `claude` in a folder of its own.
struct Agent(TempDir);

impl Agent {
    fn new(script: &str) -> Agent {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("claude");
        fs::write(&path, format!("#!/bin/bash\nPATH=/usr/bin:/bin\n{script}")).expect("a script");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a program");
        Agent(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("claude")
    }

    fn start(&self) -> Run {
        let path = self.path();
        Run::start(&[("CLAUDE_BIN", path.to_str().expect("text")), ("SAMPLE_SILENCE", "1s")])
    }
}

#[track_caller]
fn check(script: &str, said: &str, succeeds: bool) {
    let agent = Agent::new(script);
    let (code, output) = agent.start().end();
    let output = output.replace(agent.path().to_str().expect("text"), "claude");
    let sign = if succeeds { '✔' } else { '✖' };
    let expected = format!("  ▸ AI-SECURITY-AUDIT\n{said}  {sign} AI-SECURITY-AUDIT\n✔ Restore Task State\n");
    assert!(output.ends_with(&expected), "{output}");
    assert_eq!(code, Some(i32::from(!succeeds)));
}

/// A script's line that prints an event of the model's.
fn event(event: &str) -> String {
    format!("echo '{{\"type\":\"stream_event\",\"event\":{event},\"parent_tool_use_id\":null}}'\n")
}

fn delta(text: &str) -> String {
    event(&format!(r#"{{"type":"content_block_delta","delta":{{"type":"text_delta","text":"{text}"}}}}"#))
}

const RESULT: &str =
    "echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"all of it\"}'\n";

#[test]
fn it_is_asked_in_plan_mode_and_for_a_stream() {
    let script = "printf '%s|' \"$@\"; [ -p /dev/stdin ] || [ -t 0 ] || cat; echo";
    let said = "    --permission-mode|plan|-p|find the hole|--output-format|stream-json|--verbose|--include-partial-messages|\n";
    check(script, said, true);
    let agent = Agent::new("printf '%s|' \"$4\"");
    let path = agent.path();
    let run = Run::start(&[("CLAUDE_BIN", path.to_str().expect("text")), ("CLAUDE_PROMPT", "--help")]);
    assert!(run.end().1.contains("     --help|\n"), "no option");
}

#[test]
fn it_is_found_on_the_path_and_what_is_not_there_is_not_asked() {
    let agent = Agent::new("echo found");
    let folder = agent.0.path().to_str().expect("text");
    let (code, output) = Run::start(&[("PATH", folder), ("CLAUDE_BIN", "")]).end();
    assert!(output.contains("    found\n") && code == Some(0), "{output}");
    let (code, output) = Run::start(&[("PATH", folder), ("CLAUDE_BIN", "/nonexistent/claude")]).end();
    let said = "    · CLAUDE_BIN: there is no program /nonexistent/claude\n    [mock] No model was asked. Prompt: find the hole\n";
    assert!(output.contains(said) && code == Some(0), "{output}");
    fs::set_permissions(agent.path(), PermissionsExt::from_mode(0o644)).expect("no program");
    let (code, output) = agent.start().end();
    assert!(output.contains("claude cannot be run (Permission denied") && code == Some(1), "{output}");
}

#[test]
fn its_words_are_shown_as_they_come() {
    let fifo = tempfile::tempdir().expect("a folder");
    let path = fifo.path().join("go");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    let whole = r#"{"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"First and last."}]}}"#;
    let script = [
        "echo '{\"type\":\"system\",\"subtype\":\"init\"}'\n",
        &event(r#"{"type":"message_start","message":{"id":"m1"}}"#),
        &delta("First"),
        &format!("read x < {}\n", path.display()),
        &delta(" and last."),
        &format!("echo '{whole}'\n"),
        &event(r#"{"type":"content_block_stop"}"#),
        &event(r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"Read"}}"#),
        RESULT,
    ]
    .concat();
    let mut run = Agent::new(&script).start_kept();
    run.1.shows("    First");
    assert!(!run.1.output().contains("last"));
    fs::write(&path, "go\n").expect("it waits");
    let (code, output) = run.1.end();
    assert!(output.contains("AUDIT\n    First and last.\n    · Read\n  ✔ AI"), "{output}");
    assert_eq!(code, Some(0));
}

impl Agent {
    /// The script has to be there for as long as it runs.
    fn start_kept(self) -> (Agent, Run) {
        let run = self.start();
        (self, run)
    }
}

#[test]
fn one_that_gives_no_partial_messages_is_asked_for_whole_ones() {
    let message = r#"{"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"Whole."}]}}"#;
    let refuse = "case \"$*\" in *--include-partial-messages*) echo \"error: unknown option '--include-partial-messages'\" >&2; exit 1;; esac\n";
    check(&format!("{refuse}echo '{message}'\n{RESULT}"), "    Whole.\n", true);
    check(RESULT, "    all of it\n", true);
    check("echo plain; echo text; printf 'and no end'", "    plain\n    text\n    and no end\n", true);
}

#[test]
fn its_failure_is_told() {
    check("echo Half; echo why >&2; exit 3", "    Half\n    · claude ended with exit code 3: why\n", false);
    check("kill -9 $$", "    · claude ended with signal: 9 (SIGKILL)\n", false);
    let failed = "echo '{\"type\":\"result\",\"is_error\":true,\"result\":\"Invalid API key\"}'; exit 1";
    check(failed, "    · claude failed: Invalid API key\n", false);
    check("exec sleep 600", "    · claude said nothing for 1s\n", false);
    let retry = r#"{"type":"system","subtype":"api_retry","retry_delay_ms":1200,"error_status":529}"#;
    check(&format!("echo '{retry}'\n{RESULT}"), "    · answer 529; trying again in 2 s\n    all of it\n", true);
}

#[test]
fn what_it_leaves_behind_neither_holds_the_run_nor_outlives_it() {
    let agent = Agent::new("sleep 600 & echo left $!.");
    let (code, output) = agent.start().end();
    assert_eq!(code, Some(0));
    wait_for_death(number(&output, "left "));
    let agent = Agent::new("setsid sleep 3 & echo left");
    assert_eq!(agent.start().end().0, Some(0));
}

fn number<'a>(output: &'a str, before: &str) -> &'a str {
    output.split_once(before).and_then(|(_, rest)| rest.split_once('.')).expect("a number").0
}

#[test]
fn a_signal_ends_it_and_all_that_it_started() {
    for (script, graceful) in [("", true), ("trap '' TERM\n", false)] {
        let agent = Agent::new(&format!("{script}sleep 600 & echo ids $$. and $!.; wait; wait"));
        let mut run = Run::start(&[("CLAUDE_BIN", agent.path().to_str().expect("text"))]);
        run.shows(" and ");
        run.shows(".\n");
        let output = run.output().to_owned();
        kill_process(Pid::from_child(run.child()), Signal::TERM).expect("signalled");
        assert_eq!(run.end().0, Some(143), "graceful: {graceful}");
        wait_for_death(number(&output, "ids "));
        wait_for_death(number(&output, "and "));
    }
}

#[test]
fn ctrl_c_on_a_terminal_ends_it_too() {
    let agent = Agent::new("echo id $$.; exec sleep 600");
    let path = agent.path();
    let env = [("CLAUDE_BIN", path.to_str().expect("text")), ("SAMPLE_STEP_MILLIS", "1")];
    let mut terminal = Terminal::start(40, 80, &["run"], &env);
    let from = terminal.wait_for("id ", 0);
    terminal.wait_for(".", from);
    let text = terminal.text();
    terminal.type_in("\x03");
    assert_eq!(terminal.wait().0.code(), Some(130));
    wait_for_death(number(&text, "id "));
}
